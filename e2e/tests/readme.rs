//! The README is correct: its service has as many lines as the text says, its flags exist, and its test command is that of CI.
//! A doc test of this crate compiles the service.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::process::Command;

const README: &str = include_str!("../../README.md");

fn service() -> Vec<&'static str> {
    let (_, from) = README.split_once("```rust,no_run\n").unwrap();
    let (code, _) = from.split_once("\n```").unwrap();
    code.lines().collect()
}

#[test]
fn the_service_has_the_ten_lines_that_the_text_promises() {
    assert!(README.contains("\nTen lines, and it has probes"));
    assert_eq!(service().len(), 10);
    assert!(service().iter().all(|line| line.len() <= 110), "no line hides others");
}

#[test]
fn every_flag_of_the_program_is_in_the_table_and_no_other() {
    let help = Command::new(e2e::svc_example()).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let flags: Vec<_> = help.lines().filter_map(|line| line.trim_start().strip_prefix("--")).collect();
    let flags: Vec<_> = flags.iter().map(|line| line.split([' ', ',', '[']).next().unwrap()).collect();
    assert!(flags.len() > 10, "{help}");
    let table: Vec<_> = README.lines().filter(|line| line.starts_with("| `--")).collect();
    for flag in &flags {
        assert!(
            table.iter().any(|row| row.contains(&format!("`--{flag}`"))),
            "--{flag} is not in the README"
        );
    }
    for told in table.iter().flat_map(|row| row.split('|').nth(1).unwrap().split(", ")) {
        let told = told.trim().trim_matches('`').trim_start_matches("--");
        assert!(flags.contains(&told), "the README tells of --{told}");
    }
}

#[test]
fn the_test_command_of_the_text_is_what_ci_runs() {
    assert!(README.contains("The tests: `cargo test`."));
    assert!(include_str!("../../.ci/run").contains("cargo test --locked"));
}
