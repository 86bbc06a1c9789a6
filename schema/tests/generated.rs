//! The committed code is what the committed schemas generate. The crate `quota-schema` uses this file too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/generate.rs"]
mod generate;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

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
fn a_struct_that_changed_still_reads_what_is_stored_or_is_refused() {
    if !has_compiler() {
        return;
    }
    let schema = |members: &str| {
        format!(
            "@0xc645e018b3903f97;\n# A file.\nstruct Paid @0xdce02fc7b053e838 {{\n  # A struct.\n{members}\n}}\n\
             enum Kind @0xb726a520d315e518 {{\n  # An enum.\n  cash @0;\n  # Cash.\n  card @1;\n  # A card.\n}}\n"
        )
    };
    let generate = |members: &str, stored: &str| {
        let (folder, out) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        fs::write(folder.path().join("paid.capnp"), schema(members)).unwrap();
        let made = generate::generate_from(folder.path(), stored, out.path());
        made.map(|_| fs::read_to_string(out.path().join("layout.txt")).unwrap())
    };
    let first = "  sum @0 :UInt32 = 7;\n  # A sum.\n  kind @1 :Kind;\n  # A kind.";
    let stored = generate(first, "").unwrap();
    for fine in
        [first.to_owned(), first.replace("sum", "amount"), format!("{first}\n  to @2 :Text;\n  # A name.")]
    {
        let grown = generate(&fine, &stored).unwrap();
        assert!(stored.lines().all(|line| grown.contains(line)), "{grown}");
    }
    for (broken, why) in [
        (
            first.replace("UInt32", "UInt64"),
            "paid.capnp:Paid (0xdce02fc7b053e838): member @0 was UInt32 at 0",
        ),
        (first.replace("= 7", "= 8"), "member @0 was"),
        (first.replace(":Kind", ":UInt16"), "member @1 was enum 0xb726a520d315e518 at 2"),
        ("  sum @0 :UInt32 = 7;\n  # A sum.".to_owned(), "member @1 is gone"),
        ("  kind @0 :Kind;\n  # A kind.\n  sum @1 :UInt32 = 7;\n  # A sum.".to_owned(), "member @0 was"),
    ] {
        let refused = generate(&broken, &stored).unwrap_err().to_string();
        assert!(refused.contains(why) && refused.contains("add a member at the end"), "{refused}");
    }
}

#[test]
fn the_committed_code_is_what_the_schemas_generate() {
    if !has_compiler() {
        return;
    }
    let fresh = tempfile::tempdir().unwrap();
    // It fails, too, if what is stored by the committed schemas could not be read by these.
    let committed = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/generated");
    let generated = generate::generate(fresh.path()).unwrap();
    let mut names: Vec<_> =
        fs::read_dir(&committed).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    let expected: Vec<_> = generated.iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    assert_eq!(names, expected, "files in {}", committed.display());
    for path in generated {
        let committed = committed.join(path.file_name().unwrap());
        let same = fs::read_to_string(&path).unwrap() == fs::read_to_string(&committed).unwrap();
        assert!(same, "{} is stale: run the example of {}", committed.display(), env!("CARGO_PKG_NAME"));
    }
}
