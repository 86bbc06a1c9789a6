//! When a program counts as stale.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{collections::BTreeSet, fs, path::Path};

use super::{PROGRAMS, collect_crates, is_fresh};

fn crates_of(package: &str) -> BTreeSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut crates = BTreeSet::new();
    collect_crates(&root, package, &mut crates);
    crates
}

#[test]
fn a_program_links_its_package_and_the_crates_below_it_but_not_those_of_its_tests() {
    for (_, package) in PROGRAMS {
        let crates = crates_of(package);
        for linked in [package, "app-core", "app-errors", "schema"] {
            assert!(crates.contains(linked), "{package}: {crates:?}");
        }
        assert!(!crates.contains("benches") && !crates.contains("e2e"), "{package}: {crates:?}");
    }
    assert!(!crates_of("svc-example").contains("app-cli"));
}

#[test]
fn a_program_is_stale_once_a_source_is_newer_and_not_because_of_a_unit_test() {
    let root = tempfile::tempdir().unwrap();
    let file = |path: &str, text: &str| {
        let path = root.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    for name in ["Cargo.lock", "Cargo.toml", "low/Cargo.toml", "low/src/lib.rs", "top/src/main.rs"] {
        file(name, "");
    }
    file("top/Cargo.toml", "[package]\n\n[dependencies]\nlow.workspace = true\n");
    let program = root.path().join("program");
    assert!(!is_fresh(&program, root.path(), "top"), "there is no program");
    let build = || {
        file("program", "");
        assert!(is_fresh(&program, root.path(), "top"));
    };
    let later = |path: &str| {
        let built = fs::metadata(&program).unwrap().modified().unwrap();
        let changed = built + std::time::Duration::from_secs(1);
        fs::File::options().write(true).open(root.path().join(path)).unwrap().set_modified(changed).unwrap();
        let fresh = is_fresh(&program, root.path(), "top");
        fs::File::options().write(true).open(root.path().join(path)).unwrap().set_modified(built).unwrap();
        fresh
    };
    build();
    file("low/src/deep/tests.rs", "");
    file("low/src/deep/other.rs", "");
    build();
    assert!(later("low/src/deep/tests.rs"), "a unit test");
    for changed in ["low/src/deep/other.rs", "low/Cargo.toml", "top/src/main.rs", "Cargo.lock", "Cargo.toml"]
    {
        assert!(!later(changed), "{changed}");
    }
}
