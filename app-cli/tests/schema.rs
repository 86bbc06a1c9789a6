//! `appctl schema` as authors run it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};
use std::{env, fs};

use tempfile::TempDir;

const SCHEMA: &str =
    "@0xba71ffb2d32c9e3c;\nstruct Mail @0x975f9d32cab14923 {\n  # A mail.\n  to @0 :Text;\n  # To whom.\n}\n";

fn run(folder: &Path, line: &str, path: Option<&Path>) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_appctl"));
    command.args(line.split_whitespace()).current_dir(folder);
    if let Some(path) = path {
        command.env("PATH", path);
    }
    command.output().unwrap()
}

#[track_caller]
fn printed(folder: &Path, line: &str) -> String {
    let output = run(folder, line, None);
    assert!(output.status.success() && output.stderr.is_empty(), "{line}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The error of a run that must end with this status: one line.
#[track_caller]
fn refused(folder: &Path, line: &str, status: i32) -> String {
    refused_with(folder, line, status, None)
}

#[track_caller]
fn refused_with(folder: &Path, line: &str, status: i32, path: Option<&Path>) -> String {
    let output = run(folder, line, path);
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(status), "{line}: {said}");
    assert!(output.stdout.is_empty() && (status == 2 || said.lines().count() == 1), "{line}: {said}");
    said
}

/// A crate with a schema.
fn author() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("capnp")).unwrap();
    fs::write(folder.path().join("capnp/mail.capnp"), SCHEMA).unwrap();
    folder
}

fn has_compiler() -> bool {
    let has = Command::new("capnp").arg("--version").output().is_ok();
    if !has {
        let skipped = "SKIPPED: the program capnp is not installed (Debian: capnproto)";
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        eprintln!("{skipped}");
    }
    has
}

#[test]
fn code_is_written_checked_and_kept_fresh() {
    if !has_compiler() {
        return;
    }
    let (folder, schema) = (author(), "capnp/mail.capnp");
    assert!(refused(folder.path(), "schema --check", 1).contains("src/generated/mail_capnp.rs is missing; "));
    let written = printed(folder.path(), "schema");
    let names = ["docs.rs", "layout.txt", "mail_capnp.rs", "methods.rs", "schemas.rs"];
    assert_eq!(written, names.map(|name| format!("src/generated/{name}: written\n")).concat());
    assert_eq!(printed(folder.path(), "schema"), "src/generated: fresh\n");
    assert_eq!(printed(folder.path(), "schema --check"), "src/generated: fresh\n");

    fs::write(folder.path().join(schema), SCHEMA.replace("To whom", "The recipient")).unwrap();
    let said = refused(folder.path(), "schema --check", 1);
    assert_eq!(
        said,
        "src/generated/docs.rs is stale; run: appctl schema --folder capnp --out src/generated\n"
    );
    printed(folder.path(), "schema --folder capnp --out src/generated");
    fs::rename(folder.path().join(schema), folder.path().join("capnp/post.capnp")).unwrap();
    assert!(printed(folder.path(), "schema").contains("mail_capnp.rs: removed, its schema is gone\n"));

    let code = printed(folder.path(), "schema --out other --capnp-crate ::capnp");
    assert!(code.contains("other/post_capnp.rs: written"), "{code}");
    assert!(fs::read_to_string(folder.path().join("other/post_capnp.rs")).unwrap().contains(" ::capnp::"));
}

#[test]
fn what_is_wrong_is_one_line_with_its_cure_and_nothing_is_written() {
    let folder = author();
    let empty = tempfile::tempdir().unwrap();
    let said = refused_with(folder.path(), "schema", 1, Some(empty.path()));
    assert!(said.starts_with("capnp: this program is not installed"), "{said}");
    assert!(said.contains("apt install capnproto") && said.contains("brew install capnp"), "{said}");
    assert!(refused(folder.path(), "schema --folder none", 78).starts_with("none: cannot be read"));
    assert!(refused(empty.path(), "schema --folder .", 78).starts_with(".: has no schemas"));
    for usage in ["schema --capnp-crate 1;", "schema id --count 0", "schema it", "schema --check id"] {
        refused(folder.path(), usage, 2);
    }
    if has_compiler() {
        for (schema, why) in [
            (SCHEMA.replace("Text", ""), "capnp/mail.capnp:4:"),
            (SCHEMA.replace("  # To whom.\n", ""), "mail.capnp:Mail.to: without a comment; write one"),
        ] {
            fs::write(folder.path().join("capnp/mail.capnp"), schema).unwrap();
            let said = refused(folder.path(), "schema", 78);
            assert!(said.contains(why), "{said}");
        }
        assert!(!folder.path().join("src").exists());
        fs::write(folder.path().join("capnp/mail.capnp"), SCHEMA).unwrap();
        printed(folder.path(), "schema");
        fs::write(folder.path().join("capnp/mail.capnp"), SCHEMA.replace("Text", "Data")).unwrap();
        for line in ["schema", "schema --check"] {
            let said = refused(folder.path(), line, 78);
            assert!(
                said.contains("(0x975f9d32cab14923): member @0 was Text at 0") && said.contains("layout.txt"),
                "{said}"
            );
        }
    }
}

#[test]
fn ids_are_new_and_have_the_top_bit() {
    let folder = tempfile::tempdir().unwrap();
    let ids = printed(folder.path(), "schema id --count 1000");
    let mut seen = BTreeSet::new();
    for line in ids.lines() {
        let id = u64::from_str_radix(line.strip_prefix("@0x").unwrap(), 16).unwrap();
        assert!(id >> 63 == 1 && seen.insert(id), "{line}");
    }
    assert_eq!((seen.len(), printed(folder.path(), "schema id").lines().count()), (1000, 1));
}
