//! What the compiler says of mistakes in a service: each file in `ui/` does not compile, and says which errors are expected.
//!
//! The expectations stand in comments `//~ kind: text`. An `error` is the message of an error, `under` the code that is
//! underlined as the culprit, `label` and `note` what stands beside it. A text but the underlined one needs to be a part of
//! what the compiler says, because the rest differs between compilers. Every error of the compiler needs an expectation.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "compile_errors/compiler.rs"]
mod compiler;

#[test]
fn each_mistake_is_told_once_with_its_culprit_and_its_cure() {
    let differences = compiler::differences(env!("CARGO_MANIFEST_DIR"), "app_core", 10);
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}
