//! Writes `src/generated/` anew from the files in `capnp/`: `cargo run -p schema --example generate`.
//!
//! Needs the `capnp` program (Debian: `capnproto`).

use std::path::{Path, PathBuf};

/// The schemas that code is generated from, in `capnp/`. `rust.capnp` only declares annotations.
const SCHEMAS: [&str; 4] = ["health.capnp", "metrics.capnp", "quota.capnp", "rpc.capnp"];

/// Generates the code of all schemas into `out`, and says which files these are.
///
/// # Errors
/// The `capnp` program is missing, or refuses a schema.
pub(crate) fn generate(out: &Path) -> capnp::Result<Vec<PathBuf>> {
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("capnp");
    let mut compiler = capnpc::CompilerCommand::new();
    compiler.src_prefix(&schemas).no_standard_import().output_path(out);
    for schema in SCHEMAS {
        compiler.file(schemas.join(schema));
    }
    compiler.run()?;
    Ok(SCHEMAS.iter().map(|schema| out.join(schema.replace(".capnp", "_capnp.rs"))).collect())
}

#[allow(dead_code, reason = "a test includes this file for `generate` alone")]
fn main() -> capnp::Result<()> {
    generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated")).map(drop)
}
