//! Writes `src/generated/` from the file in `capnp/`: `cargo run -p quota-schema --example generate_quota`.
//!
//! Needs the program `capnp` (Debian: `capnproto`).

#[path = "../../schema/examples/generate.rs"]
mod generate;

use std::path::Path;

fn main() -> capnp::Result<()> {
    generate::generate(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated")).map(drop)
}
