//! Generates the code of all schema crates of this repository: `cargo run -p app-build --example generate`.
//!
//! It builds none of the generated code, so it works while that code or the code above it does not compile.

use std::path::Path;
use std::process::ExitCode;
use std::{fs, io};

use app_build::Schemas;

fn main() -> ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    match generate(&root) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{}: {error}", root.display());
            ExitCode::FAILURE
        }
    }
}

/// Generates the code of each crate that has a folder `capnp`.
fn generate(root: &Path) -> io::Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for entry in fs::read_dir(root)? {
        let crate_ = entry?.path();
        if !crate_.join("capnp").is_dir() {
            continue;
        }
        // These crates depend on capnp itself, since they know no crate of the platform.
        let schemas = Schemas::in_folder(crate_.join("capnp")).capnp_crate("::capnp");
        match schemas.write_to(crate_.join("src/generated")) {
            Ok(changes) => {
                for path in changes.written.iter().chain(&changes.removed) {
                    eprintln!("{}", path.display());
                }
            }
            Err(error) => {
                eprintln!("{error}");
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
