//! Runs the program `capnp` on the schemas, and `capnpc` on what it says.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::{Command, Stdio};

use capnpc::codegen::CodeGenerationCommand;

use crate::errors::SchemaError;

/// Annotations for the generator of code. No code comes from this file.
const ANNOTATIONS: &str = "rust.capnp";

/// This line differs between machines.
const VERSION_OF_PROGRAM: &str = "// capnp binary version: ";

/// The names of the schemas in the folder without `.capnp`, sorted.
pub(crate) fn schemas_in(folder: &Path) -> Result<Vec<String>, SchemaError> {
    let unreadable = |source| SchemaError::Folder { path: folder.to_owned(), source };
    let mut modules = BTreeMap::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let file = entry.map_err(unreadable)?.file_name();
        let name = file.to_string_lossy();
        let Some(stem) = name.strip_suffix(".capnp") else { continue };
        // A hidden file is an editor's.
        if name == ANNOTATIONS || name.starts_with('.') {
            continue;
        }
        if !is_module(stem) || modules.insert(module(stem), stem.to_owned()).is_some() {
            return Err(SchemaError::Name { path: folder.join(&file) });
        }
    }
    if modules.is_empty() {
        return Err(SchemaError::NoSchemas { path: folder.to_owned() });
    }
    let mut names: Vec<_> = modules.into_values().collect();
    names.sort();
    Ok(names)
}

/// The name of the module with the code of a schema.
pub(crate) fn module(schema: &str) -> String {
    format!("{}_capnp", schema.replace('-', "_"))
}

fn is_module(stem: &str) -> bool {
    stem.starts_with(|first: char| first.is_ascii_alphabetic())
        && stem.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
}

/// What `capnp` says of the schemas: a message of the type `CodeGeneratorRequest`.
pub(crate) fn request(folder: &Path, schemas: &[String]) -> Result<Vec<u8>, SchemaError> {
    let mut prefix = OsString::from("--src-prefix=");
    prefix.push(folder);
    let mut command = Command::new("capnp");
    // Imports are found in the same folder. What is installed on a machine must not count.
    command.args(["compile", "-o-", "--no-standard-import"]).arg(prefix);
    command.args(schemas.iter().map(|name| folder.join(format!("{name}.capnp"))));
    // `capnp` warns of this variable if it names another folder.
    let output = command.env_remove("PWD").stdin(Stdio::null()).output();
    let output = output.map_err(|source| match source.kind() {
        ErrorKind::NotFound => SchemaError::NoProgram,
        _ => SchemaError::Program { source },
    })?;
    match output.status.code() {
        Some(0) => Ok(output.stdout),
        Some(_) => Err(SchemaError::Refused { said: String::from_utf8_lossy(&output.stderr).into_owned() }),
        None => Err(SchemaError::Program { source: io::Error::other(output.status.to_string()) }),
    }
}

/// The files with the code of all schemas, by name.
pub(crate) fn code(
    request: &[u8],
    schemas: &[String],
    capnp_crate: &str,
) -> Result<BTreeMap<String, String>, SchemaError> {
    let folder =
        tempfile::tempdir().map_err(|source| SchemaError::File { path: std::env::temp_dir(), source })?;
    let mut generator = CodeGenerationCommand::new();
    generator.output_directory(folder.path()).capnp_root(capnp_crate);
    generator.run(request).map_err(|source| SchemaError::Code { source })?;
    let mut files = BTreeMap::new();
    for schema in schemas {
        let name = format!("{}.rs", module(schema));
        let path = folder.path().join(&name);
        let text = fs::read_to_string(&path).map_err(|source| SchemaError::File { path, source })?;
        let lines = text.split_inclusive('\n').filter(|line| !line.starts_with(VERSION_OF_PROGRAM));
        files.insert(name, lines.collect());
    }
    Ok(files)
}
