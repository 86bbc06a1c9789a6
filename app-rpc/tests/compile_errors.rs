//! What the compiler says of mistakes in `rpc_client!`: each file in `ui/` does not compile, and says which errors are expected.
//!
//! The tests of the kernel explain the comments `//~`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../../app-core/tests/compile_errors/compiler.rs"]
mod compiler;

#[test]
fn each_mistake_is_told_once_with_its_culprit_and_its_cure() {
    let differences = compiler::differences(env!("CARGO_MANIFEST_DIR"), "app_rpc", 6);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
