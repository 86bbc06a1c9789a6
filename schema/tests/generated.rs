//! The committed code is what the committed schemas generate. The crate `quota-schema` uses this file too.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../examples/generate.rs"]
mod generate;

use std::path::Path;
use std::process::Command;
use std::{env, fs};

#[test]
fn the_committed_code_is_what_the_schemas_generate() {
    if Command::new("capnp").arg("--version").output().is_err() {
        let skipped = "SKIPPED: the program capnp is not installed (Debian: capnproto)";
        assert!(
            env::var("REQUIRE_TOOLS").as_deref() != Ok("1"),
            "{skipped}, and REQUIRE_TOOLS=1 asks for it"
        );
        eprintln!("{skipped}");
        return;
    }
    let fresh = tempfile::tempdir().unwrap();
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
