//! A folder of schemas: what it generates, and where to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::errors::SchemaError;
use crate::files::{self, Changes};
use crate::tables::{LAYOUT, Layouts};
use crate::{build_script, compiler, tables};

/// What generated code names the crate `capnp` by default.
const CAPNP_CRATE: &str = "::app_config::capnp";

/// Generates code from the schemas in a folder, in `build.rs`: see [`Schemas::build`].
///
/// ```no_run
/// // In `main` of build.rs.
/// app_build::schemas("capnp");
/// ```
pub fn schemas(folder: impl Into<PathBuf>) {
    Schemas::in_folder(folder).build();
}

/// The Cap'n Proto schemas in a folder: all files `*.capnp` there but `rust.capnp`, which has only annotations.
///
/// ```no_run
/// let changes = app_build::Schemas::in_folder("capnp").write_to("src/generated")?;
/// println!("{} files are new", changes.written.len());
/// # Ok::<(), app_build::SchemaError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Schemas {
    folder: PathBuf,
    capnp_crate: String,
    command: Option<String>,
}

/// The files of a folder of schemas by name, and how their values are stored.
struct Generated {
    files: BTreeMap<String, String>,
    layouts: Layouts,
}

impl Schemas {
    /// The schemas in a folder. A relative path begins in the folder of the package, for `build.rs` and for tests.
    #[must_use]
    pub fn in_folder(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        let folder = if folder.as_os_str().is_empty() { PathBuf::from(".") } else { folder };
        Self { folder, capnp_crate: CAPNP_CRATE.to_owned(), command: None }
    }

    /// What generated code names the crate `capnp`. The default is `::app_config::capnp`. A crate that depends on `capnp` itself
    /// sets `::capnp`, in the version of this workspace.
    #[must_use]
    pub fn capnp_crate(mut self, path: impl Into<String>) -> Self {
        self.capnp_crate = path.into();
        self
    }

    /// The command that [`check`](Self::check) tells to run. The default is `appctl schema` with its flags.
    #[must_use]
    pub fn renewed_by(mut self, command: impl Into<String>) -> Self {
        self.command = Some(command.into());
        self
    }

    /// For `build.rs`: writes the code into `OUT_DIR`, and tells cargo to run the script again when a schema has changed. An error is
    /// one line on the terminal, and ends the process with the status 1.
    ///
    /// It does not compare layouts, because nothing in `OUT_DIR` stays. Commit the code once values of the schemas are stored.
    pub fn build(&self) {
        let written = build_script::out_dir()
            .and_then(|out| self.generate().and_then(|generated| files::write(&out, &generated.files)));
        build_script::finish(&self.folder, written);
    }

    /// Writes the code into a folder, which is created, and removes the code of schemas that are gone. Nothing is written after an
    /// error in the schemas.
    ///
    /// # Errors
    /// The program `capnp` is missing, or refuses a schema. Or a struct, an enum or a member has no comment. Or a value that is stored
    /// could not be read any more, by `layout.txt` in the folder. Or the system refuses.
    pub fn write_to(&self, out: impl AsRef<Path>) -> Result<Changes, SchemaError> {
        files::write(out.as_ref(), &self.generate_for(out.as_ref())?)
    }

    /// Compares the code in a folder with what the schemas generate.
    ///
    /// # Errors
    /// As for [`write_to`](Self::write_to), and [`SchemaError::Stale`] if a file differs, is missing, or has lost its schema.
    pub fn check(&self, out: impl AsRef<Path>) -> Result<(), SchemaError> {
        let out = out.as_ref();
        let files = files::differences(out, &self.generate_for(out)?)?;
        if files.is_empty() {
            return Ok(());
        }
        let command = self.command.clone().unwrap_or_else(|| self.appctl_schema(out));
        Err(SchemaError::Stale { files, command })
    }

    fn appctl_schema(&self, out: &Path) -> String {
        let (folder, out) = (self.folder.display(), out.display());
        let mut command = format!("appctl schema --folder {folder} --out {out}");
        if self.capnp_crate != CAPNP_CRATE {
            command.push_str(" --capnp-crate ");
            command.push_str(&self.capnp_crate);
        }
        command
    }

    /// The files for a folder in which they stay: with the table of layouts, and only if stored values can still be read.
    fn generate_for(&self, out: &Path) -> Result<BTreeMap<String, String>, SchemaError> {
        let Generated { mut files, layouts } = self.generate()?;
        if let Some(stored) = files::find(&out.join(LAYOUT))? {
            layouts.still_read(&stored)?;
        }
        files.insert(LAYOUT.to_owned(), layouts.text());
        Ok(files)
    }

    fn generate(&self) -> Result<Generated, SchemaError> {
        let schemas = compiler::schemas_in(&self.folder)?;
        let request = compiler::request(&self.folder, &schemas)?;
        let (docs, methods, layouts) = tables::of(&request)?;
        let mut files = compiler::code(&request, &schemas, &self.capnp_crate)?;
        let modules = schemas.iter().map(|schema| (compiler::module(schema), schema.as_str()));
        files.insert("schemas.rs".to_owned(), tables::index(modules));
        files.insert("docs.rs".to_owned(), docs);
        files.insert("methods.rs".to_owned(), methods);
        Ok(Generated { files, layouts })
    }
}
