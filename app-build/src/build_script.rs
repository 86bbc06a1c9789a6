//! What a build script reads from cargo, and tells it.

use std::env;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process;

use crate::errors::SchemaError;
use crate::files::Changes;

/// Where cargo wants the code.
pub(crate) fn out_dir() -> Result<PathBuf, SchemaError> {
    env::var_os("OUT_DIR").map(PathBuf::from).ok_or(SchemaError::NoOutDir)
}

/// Tells cargo when to run the script again. Ends the process if the code was not written.
pub(crate) fn finish(folder: &Path, written: Result<Changes, SchemaError>) {
    // Cargo looks at all files in the folder. If it does not hear this line, it looks at all files of the package.
    let _ = writeln!(io::stdout(), "cargo::rerun-if-changed={}", folder.display());
    if let Err(error) = written {
        // Cargo shows this line, with the name of the package.
        let _ = writeln!(io::stdout(), "cargo::error={error}");
        process::exit(1);
    }
}
