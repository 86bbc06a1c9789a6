//! The application as it is linked.

use std::process::Command;

#[test]
fn what_a_start_needs_is_there() {
    let output = Command::new(env!("CARGO_BIN_EXE_my-app"))
        .arg("--check")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}
