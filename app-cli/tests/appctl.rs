//! Commands of `appctl` that ask no app.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    collections::BTreeSet,
    fs,
    io::Write,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output, Stdio},
};

use app_ids::ServiceId;

fn appctl(folder: &Path, args: &[&str], input: &str) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appctl"));
    command.args(args).current_dir(folder).env_remove("OP_CONFIG_IDENTITY").env_remove("OP_CONFIG_DIR");
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Writing fails if the program does not read its input. That is no failure of the test.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// Standard output of a run that must succeed.
fn printed(folder: &Path, args: &[&str], input: &str) -> String {
    let output = appctl(folder, args, input);
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit status and standard error of a run that must fail.
fn refused(folder: &Path, args: &[&str], input: &str) -> (Option<i32>, String) {
    let output = appctl(folder, args, input);
    assert!(output.stdout.is_empty(), "{args:?}: {output:?}");
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

fn folder() -> tempfile::TempDir {
    tempfile::tempdir().unwrap()
}

#[test]
fn ids_are_new_and_of_the_form_that_flags_and_code_take() {
    let (folder, mut ids) = (folder(), BTreeSet::new());
    for line in printed(folder.path(), &["id", "--count", "1000"], "").lines() {
        assert!(line.starts_with("0x"), "{line}");
        ids.insert(line.parse::<ServiceId>().unwrap());
    }
    assert_eq!(ids.len(), 1000);
    assert_eq!(printed(folder.path(), &["id"], "").lines().count(), 1);
}

#[test]
fn a_bad_command_line_is_a_usage_error() {
    let folder = folder();
    for args in [
        &[][..],
        &["frobnicate"],
        &["id", "-n", "0"],
        &["config"],
        &["config", "seal"],
        &["completions", "lisp"],
    ] {
        assert_eq!(refused(folder.path(), args, "").0, Some(2), "{args:?}");
    }
    let (status, said) = refused(folder.path(), &["config", "explain", "nobody"], "");
    assert_eq!(status, Some(2));
    assert!(said.contains("no service \"nobody\"") && said.contains("metrics (e3054017c1b1d214)"), "{said}");
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let folder = folder();
    for shell in ["bash", "zsh", "fish"] {
        assert!(printed(folder.path(), &["completions", shell], "").contains("keygen"), "{shell}");
    }
    assert!(printed(folder.path(), &["man"], "").contains("completions"));
    assert!(printed(folder.path(), &["man", "config", "seal"], "").contains("recipient"));
    assert_eq!(refused(folder.path(), &["man", "nothing"], "").0, Some(1));
}

#[test]
fn a_config_goes_from_example_to_sealed_file_and_back() {
    let folder = folder();
    let recipient = printed(folder.path(), &["config", "keygen", "-o", "config.identity"], "");
    let recipient = recipient.trim();
    assert_eq!(
        fs::metadata(folder.path().join("config.identity")).unwrap().permissions().mode() & 0o777,
        0o400
    );
    assert_eq!(printed(folder.path(), &["config", "recipients", "config.identity"], "").trim(), recipient);

    let example = printed(folder.path(), &["config", "explain", "metrics", "--json"], "");
    let seal = ["config", "seal", "--service", "metrics", "--recipient", recipient];
    assert_eq!(printed(folder.path(), &seal, &example), "0xe3054017c1b1d214: sealed for 1\n");
    assert_eq!(printed(folder.path(), &["config", "check", "."], ""), "ok: .\n");
    let count = printed(folder.path(), &["config", "recipients", "0xe3054017c1b1d214"], "");
    assert_eq!(count, "sealed for 1 X25519 recipient\n");

    // Opening, sealing and opening again gives the same bytes.
    let opened = printed(folder.path(), &["config", "open", "0xe3054017c1b1d214"], "");
    let again = ["config", "seal", "-s", "0xe3054017c1b1d214", "-r", recipient, "-o", "again"];
    printed(folder.path(), &again, &opened);
    let reopened = ["config", "open", "again", "--service", "metrics", "--identity", "config.identity"];
    assert_eq!(printed(folder.path(), &reopened, ""), opened);
    assert_eq!(printed(folder.path(), &["config", "diff", "0xe3054017c1b1d214", "again"], ""), "");

    let (status, said) = refused(folder.path(), &seal, &example);
    assert_eq!(status, Some(1));
    assert!(said.contains("0xe3054017c1b1d214 exists"), "{said}");
}

#[test]
fn every_mistake_is_told_at_once_and_nothing_is_written() {
    let folder = folder();
    let json =
        r#"{ "httpPort": 70000, "metricSpecs": { "counterSpecs": [ { "serviceId": 1.5, "hepl": "x" } ] } }"#;
    let (status, said) = refused(folder.path(), &["config", "seal", "-s", "metrics", "--plain"], json);
    assert_eq!(status, Some(78));
    for path in
        ["httpPort: ", "metricSpecs.counterSpecs[0].serviceId: ", "metricSpecs.counterSpecs[0].hepl: "]
    {
        assert!(said.contains(&format!("config 0xe3054017c1b1d214 (metrics): {path}")), "{said}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn nothing_is_left_unsealed_by_accident() {
    let folder = folder();
    let (status, said) = refused(folder.path(), &["config", "seal", "-s", "metrics"], "{}");
    assert_eq!(status, Some(2));
    assert!(said.contains("--recipient age1.."), "{said}");
    let (status, said) =
        refused(folder.path(), &["config", "seal", "-s", "metrics", "-r", "age1nonsense"], "{}");
    assert_eq!(status, Some(2));
    assert!(said.starts_with("recipient 1: ") && !said.contains("nonsense"), "{said}");
    assert_eq!(
        printed(folder.path(), &["config", "seal", "-s", "metrics", "--plain"], "{}"),
        "0xe3054017c1b1d214: not sealed\n"
    );
    let (status, said) = check_json(folder.path(), &["config", "check", ".", "--require-sealed", "--json"]);
    assert_eq!(status, Some(78));
    assert!(said.contains("\"ok\": false") && said.contains("--require-sealed"), "{said}");
}

fn check_json(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = appctl(folder, args, "");
    (output.status.code(), String::from_utf8(output.stdout).unwrap())
}

#[test]
fn a_diff_shows_digests_of_secrets_and_differs_in_its_status() {
    let folder = folder();
    let seal = |json: &str, file: &str| {
        printed(folder.path(), &["config", "seal", "-s", "metrics", "--plain", "-o", file], json);
    };
    seal(r#"{ "httpPort": 4445 }"#, "a");
    seal(r#"{ "httpPort": 4446 }"#, "b");
    let output = appctl(folder.path(), &["config", "diff", "a", "b", "-s", "metrics"], "");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "httpPort: 4445 -> 4446\n");
    let (_, said) = refused(folder.path(), &["config", "diff", "a"], "");
    assert!(said.contains("is not named after a service"), "{said}");
}
