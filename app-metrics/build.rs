//! Passes facts of the build to the metric `build_info`.
#![allow(clippy::print_stdout, reason = "that is how a build script speaks to cargo")]

use std::env;
use std::process::Command;

fn main() {
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rustc-env=BUILD_RUSTC={}", rustc());
    println!("cargo:rustc-env=BUILD_TARGET={}", variable("TARGET"));
    println!("cargo:rustc-env=BUILD_PROFILE={}", variable("PROFILE"));
}

/// Takes `1.95.0` from `rustc 1.95.0 (59807616e 2026-04-14)`.
fn rustc() -> String {
    let said = Command::new(variable("RUSTC")).arg("--version").output();
    let version = said.ok().and_then(|output| String::from_utf8(output.stdout).ok());
    let version = version.as_deref().and_then(|version| version.split_whitespace().nth(1));
    version.unwrap_or("unknown").to_owned()
}

fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| "unknown".to_owned())
}
