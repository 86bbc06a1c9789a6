//! Code from schemas: what is written, what is refused, and what is not fresh.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "generate/package.rs"]
mod package;

use std::fs;

use app_build::{Difference, SchemaError, Schemas};
use package::{Package, has_compiler};

const MEMBERS: &str = "  sum @0 :UInt32 = 7;\n  # A sum.\n  kind @1 :Kind;\n  # A kind.";

/// A schema with these members in its struct.
fn paid(members: &str) -> String {
    format!(
        "@0xc645e018b3903f97;\n# A file.\nstruct Paid @0xdce02fc7b053e838 {{\n  # A struct.\n{members}\n}}\n\
         enum Kind @0xb726a520d315e518 {{\n  # An enum.\n  cash @0;\n  # Cash.\n  card @1;\n  # A card.\n}}\n"
    )
}

#[test]
fn code_and_tables_are_written_once() {
    if !has_compiler() {
        return;
    }
    let made = Package::with("paid.capnp", &paid(MEMBERS));
    made.write(
        "capnp/to-bank.capnp",
        "@0xf3c7e8a7d0b0cd05;\ninterface Bank @0xa1b2c3d4e5f60718 {\n  pay @0 () -> ();\n}\n",
    );
    // Neither is a schema.
    made.write("capnp/.#paid.capnp", "a lock");
    made.write("capnp/rust.capnp", "@0x83b3c14c3c8dd083;\n");
    let changes = made.schemas().write_to(made.out()).unwrap();
    let names = ["docs.rs", "layout.txt", "methods.rs", "paid_capnp.rs", "schemas.rs", "to_bank_capnp.rs"];
    assert_eq!(changes.written, names.map(|name| made.out().join(name)));
    let index = made.read("src/generated/schemas.rs");
    assert!(
        index.contains("/// Code for `to-bank.capnp`.\n") && index.contains("pub mod to_bank_capnp {\n"),
        "{index}"
    );
    assert!(made.read("src/generated/docs.rs").contains("(0xdce02fc7b053e838, \"sum\", \"A sum.\"),"));
    assert!(made.read("src/generated/methods.rs").contains("(0xa1b2c3d4e5f60718, \"Bank\", 0, \"pay\"),"));
    let code = made.read("src/generated/paid_capnp.rs");
    assert!(code.contains("::app_config::capnp::") && !code.contains(" ::capnp::"));
    // The version of the program would differ between machines.
    assert!(!code.contains("binary version"));
    let again = made.schemas().write_to(made.out()).unwrap();
    assert!(again.written.is_empty() && again.removed.is_empty(), "{again:?}");
    assert!(made.schemas().check(made.out()).is_ok());
    let other = made.schemas().capnp_crate("::capnp").check(made.out()).unwrap_err().to_string();
    assert!(other.contains("paid_capnp.rs is stale") && other.ends_with("--capnp-crate ::capnp"), "{other}");
}

#[test]
fn a_struct_that_changed_still_reads_what_is_stored_or_is_refused() {
    if !has_compiler() {
        return;
    }
    let made = Package::with("paid.capnp", &paid(MEMBERS));
    let generate = |members: &str| {
        made.write("capnp/paid.capnp", &paid(members));
        made.schemas().write_to(made.out())
    };
    generate(MEMBERS).unwrap();
    let stored = made.read("src/generated/layout.txt");
    for fine in [
        MEMBERS.to_owned(),
        MEMBERS.replace("sum", "amount"),
        format!("{MEMBERS}\n  to @2 :Text;\n  # A name."),
    ] {
        made.write("src/generated/layout.txt", &stored);
        generate(&fine).unwrap();
        let grown = made.read("src/generated/layout.txt");
        assert!(stored.lines().all(|line| grown.contains(line)), "{grown}");
    }
    made.write("src/generated/layout.txt", &stored);
    for (broken, why) in [
        (
            MEMBERS.replace("UInt32", "UInt64"),
            "paid.capnp:Paid (0xdce02fc7b053e838): member @0 was UInt32 at 0",
        ),
        (MEMBERS.replace("= 7", "= 8"), "member @0 was"),
        (MEMBERS.replace(":Kind", ":UInt16"), "member @1 was enum 0xb726a520d315e518 at 2"),
        ("  sum @0 :UInt32 = 7;\n  # A sum.".to_owned(), "member @1 is gone"),
        ("  kind @0 :Kind;\n  # A kind.\n  sum @1 :UInt32 = 7;\n  # A sum.".to_owned(), "member @0 was"),
    ] {
        let before = made.files();
        let error = generate(&broken).unwrap_err();
        let refused = error.to_string();
        assert!(refused.contains(why) && refused.contains("add a member at the end"), "{refused}");
        assert!(error.is_of_schemas() && made.files() == before, "nothing is written");
    }
    // What was never stored may change.
    let others = stored.lines().filter(|line| !line.starts_with("0xdce02fc7b053e838 0 "));
    made.write("src/generated/layout.txt", &others.map(|line| format!("{line}\n")).collect::<String>());
    generate(&MEMBERS.replace("= 7", "= 8")).unwrap();
    made.write("src/generated/layout.txt", "what?\n");
    let refused = generate(MEMBERS).unwrap_err().to_string();
    assert!(refused.contains("\"what?\", which is no layout"), "{refused}");
}

#[test]
fn a_bad_schema_is_refused_in_one_line_and_nothing_is_written() {
    if !has_compiler() {
        return;
    }
    let made = Package::with("paid.capnp", "");
    for (text, why) in [
        (paid("  sum @0 :UInt32 = ;"), "capnp/paid.capnp:5:"),
        (paid("  sum @0 :Nothing;\n  # A sum."), "error: Not defined: Nothing"),
        ("struct Paid {}".to_owned(), "Add this line to your file: @0x"),
        (
            paid("  sum @0 :UInt32;\n  card @1 :Text;\n"),
            "paid.capnp:Paid.card, paid.capnp:Paid.sum: without a comment",
        ),
        (paid(MEMBERS).replace("  # A struct.\n", ""), "paid.capnp:Paid: without a comment"),
        (paid(MEMBERS).replace("  # Cash.\n", ""), "paid.capnp:Kind.cash: without a comment"),
    ] {
        made.write("capnp/paid.capnp", &text);
        let error = made.schemas().write_to(made.out()).unwrap_err();
        let said = error.to_string();
        assert!(error.is_of_schemas() && said.contains(why) && said.lines().count() == 1, "{said}");
        assert!(!made.out().exists());
    }
    let many = (0..9).map(|n| format!("  m{n} @{n} :Nothing;\n")).collect::<String>();
    made.write("capnp/paid.capnp", &paid(&many));
    let said = made.schemas().check(made.out()).unwrap_err().to_string();
    assert!(said.ends_with("; and 6 more"), "{said}");
}

#[test]
fn names_without_a_module_of_their_own_and_a_folder_without_schemas_are_refused() {
    let made = Package::with("a-b.capnp", "");
    made.write("capnp/a_b.capnp", "");
    let refused = |made: &Package| made.schemas().write_to(made.out()).unwrap_err();
    assert!(matches!(refused(&made), SchemaError::Name { .. }));
    for name in ["2.capnp", "a.b.capnp", "-o.capnp", "ä.capnp"] {
        let said = refused(&Package::with(name, "")).to_string();
        assert!(said.contains(name) && said.contains("rename it"), "{said}");
    }
    let empty = Package::with("README.md", "");
    assert!(matches!(refused(&empty), SchemaError::NoSchemas { .. }));
    fs::remove_dir_all(empty.schemas_folder()).unwrap();
    let said = refused(&empty).to_string();
    assert!(said.contains("/capnp: cannot be read: ") && said.contains("name the folder"), "{said}");
}

#[test]
fn each_file_that_is_not_fresh_is_named_with_the_command() {
    if !has_compiler() {
        return;
    }
    let made = Package::with("paid.capnp", &paid(MEMBERS));
    made.write("capnp/old.capnp", "@0xf3c7e8a7d0b0cd05;\n");
    made.schemas().write_to(made.out()).unwrap();
    // A file of the author is none of ours.
    made.write("src/generated/notes_capnp.rs", "// Notes.\n");
    fs::remove_file(made.schemas_folder().join("old.capnp")).unwrap();
    fs::remove_file(made.out().join("methods.rs")).unwrap();
    made.write("capnp/paid.capnp", &paid(&MEMBERS.replace("A sum.", "The sum.")));
    let error = made.schemas().renewed_by("make code").check(made.out()).unwrap_err();
    let said = error.to_string();
    let SchemaError::Stale { files, .. } = error else { panic!("{said}") };
    let files: Vec<_> =
        files.into_iter().map(|(path, how)| (path.file_name().unwrap().to_owned(), how)).collect();
    let expected = [
        ("docs.rs", Difference::Stale),
        ("methods.rs", Difference::Missing),
        ("old_capnp.rs", Difference::Superfluous),
        ("schemas.rs", Difference::Stale),
    ];
    assert_eq!(files, expected.map(|(name, how)| (name.into(), how)));
    assert!(said.contains("docs.rs is stale; ") && said.ends_with("; run: make code"), "{said}");
    let changes = made.schemas().write_to(made.out()).unwrap();
    assert_eq!((changes.written.len(), changes.removed), (3, vec![made.out().join("old_capnp.rs")]));
    assert!(made.schemas().check(made.out()).is_ok() && made.out().join("notes_capnp.rs").exists());
}

#[test]
fn a_file_that_cannot_be_written_is_named() {
    if !has_compiler() {
        return;
    }
    let made = Package::with("paid.capnp", &paid(MEMBERS));
    made.write("src/generated/docs.rs/file", "a folder has its name");
    let error = made.schemas().write_to(made.out()).unwrap_err();
    assert!(!error.is_of_schemas() && error.to_string().contains("docs.rs: "), "{error}");
}

#[test]
fn a_path_begins_in_the_folder_of_the_package() {
    assert!(matches!(Schemas::in_folder("").check("x"), Err(SchemaError::NoSchemas { .. })));
    assert!(matches!(Schemas::in_folder("no").check("x"), Err(SchemaError::Folder { .. })));
}
