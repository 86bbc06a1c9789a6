//! A crate with schemas, in a folder of its own.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use app_build::{SchemaError, Schemas};
use tempfile::TempDir;

/// Whether the program `capnp` is installed. Where tools are required it must be.
pub(crate) fn has_compiler() -> bool {
    let has = Command::new("capnp").arg("--version").output().is_ok();
    if !has {
        let skipped = format!("SKIPPED: {}", SchemaError::NoProgram);
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        eprintln!("{skipped}");
    }
    has
}

pub(crate) struct Package(TempDir);

impl Package {
    /// A crate with one file in its folder of schemas.
    pub(crate) fn with(file: &str, text: &str) -> Self {
        let made = Self(tempfile::tempdir().unwrap());
        made.write(&format!("capnp/{file}"), text);
        made
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
}

/// For tests of generated files.
#[allow(dead_code, reason = "not every test with such a crate looks at its files")]
impl Package {
    pub(crate) fn schemas(&self) -> Schemas {
        Schemas::in_folder(self.schemas_folder())
    }

    pub(crate) fn schemas_folder(&self) -> PathBuf {
        self.path().join("capnp")
    }

    pub(crate) fn out(&self) -> PathBuf {
        self.path().join("src/generated")
    }

    pub(crate) fn read(&self, file: &str) -> String {
        fs::read_to_string(self.path().join(file)).unwrap()
    }

    /// The generated files with their texts.
    pub(crate) fn files(&self) -> BTreeMap<PathBuf, String> {
        let paths = fs::read_dir(self.out()).unwrap().map(|entry| entry.unwrap().path());
        paths.map(|path| (path.clone(), fs::read_to_string(path).unwrap())).collect()
    }
}
