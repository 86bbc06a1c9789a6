//! Writes `src/generated/` from the files in `capnp/`: `cargo run -p schema --example generate`.
//!
//! Needs the program `capnp` (Debian: `capnproto`). The crate `quota-schema` uses this file too.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use capnp::message::ReaderOptions;
use capnp::schema_capnp::{code_generator_request, node};

/// The names of the schemas in the folder, sorted. `rust.capnp` only declares annotations.
fn schemas_in(folder: &Path) -> capnp::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name.ends_with(".capnp") && name != "rust.capnp" {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// Generates the code of all schemas, and the tables of their comments and methods, into `out`. Returns the files, sorted by name.
///
/// # Errors
/// The program `capnp` is missing, or refuses a schema. Or a struct or a field has no comment.
pub(crate) fn generate(out: &Path) -> capnp::Result<Vec<PathBuf>> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("capnp");
    let names = schemas_in(&schemas)?;
    let request = out.join("request.bin");
    let mut compiler = capnpc::CompilerCommand::new();
    compiler.src_prefix(&schemas).no_standard_import().output_path(out);
    compiler.raw_code_generator_request_path(&request);
    for name in &names {
        compiler.file(schemas.join(name));
    }
    compiler.run()?;
    let bytes = fs::read(&request)?;
    fs::remove_file(&request)?;
    let docs = out.join("docs.rs");
    fs::write(&docs, table(&bytes)?)?;
    let methods = out.join("methods.rs");
    fs::write(&methods, methods_table(&bytes)?)?;
    let code = names.iter().map(|name| out.join(name.replace(".capnp", "_capnp.rs")));
    let mut files: Vec<_> = code.chain([docs, methods]).collect();
    files.sort();
    Ok(files)
}

/// The comments of all structs and enums and of their members, as the source of a table.
fn table(request: &[u8]) -> capnp::Result<String> {
    let message = capnp::serialize::read_message(request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    // Sorted by id, since compilers differ in their order.
    let mut nodes = BTreeMap::new();
    for info in request.get_source_info()? {
        for node in request.get_nodes()?.into_iter().filter(|node| node.get_id() == info.get_id()) {
            let Some(names) = members(node)? else { continue };
            let name = node.get_display_name()?.to_str()?;
            let text: &mut String = nodes.entry(node.get_id()).or_default();
            entry(text, node.get_id(), "", name, info.get_doc_comment()?.to_str()?)?;
            let docs = info.get_members()?;
            for (index, member) in (0..).zip(names) {
                let doc = docs.try_get(index).map(|member| member.get_doc_comment()).transpose()?;
                let doc = doc.map(|doc| doc.to_str()).transpose()?.unwrap_or_default();
                entry(text, node.get_id(), &member, name, doc)?;
            }
        }
    }
    let entries: String = nodes.into_values().collect();
    Ok(format!(
        "// @generated from the comments in `capnp/` by the example of this crate.\n\n\
         pub(crate) static DOCS: &[(u64, &str, &str)] = &[\n{entries}];\n"
    ))
}

/// The methods of all interfaces, as the source of a table. Generated code does not have their names.
fn methods_table(request: &[u8]) -> capnp::Result<String> {
    let message = capnp::serialize::read_message(request, ReaderOptions::new())?;
    let request: code_generator_request::Reader<'_> = message.get_root()?;
    let mut methods = BTreeMap::new();
    for node in request.get_nodes()? {
        let node::Interface(interface) = node.which()? else { continue };
        let full = node.get_display_name()?.to_str()?;
        let name = full.rsplit(':').next().unwrap_or(full);
        for (ordinal, method) in (0_u16..).zip(interface.get_methods()?) {
            let line = format!(
                "    ({:#018x}, {name:?}, {ordinal}, {:?}),\n",
                node.get_id(),
                method.get_name()?.to_str()?
            );
            methods.insert((node.get_id(), ordinal), line);
        }
    }
    let entries: String = methods.into_values().collect();
    Ok(format!(
        "// @generated from the interfaces in `capnp/` by the example of this crate.\n\n\
         pub(crate) static METHODS: &[(u64, &str, u16, &str)] = &[\n{entries}];\n"
    ))
}

/// The names of the fields of a struct, or of the values of an enum, in the order of their comments. `None` for the parameters and
/// results of a method: these structs have no scope and no comments.
fn members(node: node::Reader<'_>) -> capnp::Result<Option<Vec<String>>> {
    let names: Vec<_> = match node.which()? {
        node::Struct(fields) if node.get_scope_id() != 0 => {
            fields.get_fields()?.iter().map(|field| field.get_name()).collect()
        }
        node::Enum(values) => values.get_enumerants()?.iter().map(|value| value.get_name()).collect(),
        _ => return Ok(None),
    };
    names.into_iter().map(|name| Ok(name?.to_string()?)).collect::<capnp::Result<_>>().map(Some)
}

fn entry(text: &mut String, id: u64, member: &str, name: &str, doc: &str) -> capnp::Result<()> {
    if doc.trim().is_empty() {
        return Err(capnp::Error::failed(format!("{name} {member}: has no comment")));
    }
    // An empty line begins a paragraph. Other line breaks are only for readers of the schema.
    let paragraphs: Vec<_> = doc.trim().split("\n\n").map(|text| text.replace('\n', " ")).collect();
    writeln!(text, "    ({id:#018x}, {member:?}, {:?}),", paragraphs.join("\n"))
        .map_err(|error| capnp::Error::failed(error.to_string()))
}

#[allow(dead_code, reason = "a test includes this file only for `generate`")]
fn main() -> capnp::Result<()> {
    generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated")).map(drop)
}
