//! The committed code is what the committed schemas generate. The crate `quota-schema` uses this file too.

#![allow(clippy::panic, reason = "a test fails by panicking")]

use std::env;

use app_build::{SchemaError, Schemas};

#[test]
fn the_committed_code_is_what_the_schemas_generate() {
    let schemas = Schemas::in_folder("capnp").capnp_crate("::capnp");
    // It fails, too, if what is stored by the committed schemas could not be read by these.
    match schemas.renewed_by("cargo run -p app-build --example generate").check("src/generated") {
        Ok(()) => {}
        Err(SchemaError::NoProgram) if env::var("REQUIRE_TOOLS").as_deref() != Ok("1") => {
            eprintln!("SKIPPED: {}", SchemaError::NoProgram);
        }
        Err(error) => panic!("{error}"),
    }
}
