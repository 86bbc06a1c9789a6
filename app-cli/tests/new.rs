//! `appctl new`: what it makes, and what it refuses.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::path::Path;
use std::process::{Command, Output};

#[path = "new/build.rs"]
mod build;
#[path = "new/place.rs"]
mod place;

use place::has;

fn appctl(folder: &Path, args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_appctl")).args(args).current_dir(folder).output().unwrap()
}

/// Standard output of a run that must succeed.
#[track_caller]
fn made(folder: &Path, args: &[&str]) -> String {
    let output = appctl(folder, args);
    assert!(output.status.success() && output.stderr.is_empty(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Exit status and standard error of a run that must fail. It says everything in one line.
#[track_caller]
fn refused(folder: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = appctl(folder, args);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.stdout.is_empty() && said.lines().count() == 1, "{args:?}: {said}");
    (output.status.code(), said)
}

/// Every file below a folder, with its text.
fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned();
                found.insert(name, fs::read_to_string(path).unwrap());
            }
        }
    }
    found
}

#[test]
fn a_workspace_says_what_it_is_and_what_comes_next() {
    let folder = tempfile::tempdir().unwrap();
    let said = made(folder.path(), &["new", "shop"]);
    for line in
        ["made shop: an application, and the service svc-shop", "  cd shop", "  cargo test", "  cargo run"]
    {
        assert!(said.lines().any(|said| said == line), "{said}");
    }
    let said = made(folder.path(), &["new", "tiny", "--minimal"]);
    assert!(said.contains("made tiny: an application\n") && !said.contains("cargo test"), "{said}");
    let names: Vec<_> = files(&folder.path().join("tiny")).into_keys().collect();
    assert_eq!(names, [".gitignore", "Cargo.lock", "Cargo.toml", "README.md", "src/main.rs"]);
}

#[test]
fn a_bad_command_line_is_refused_and_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    for (args, part) in [
        (&["new", ""][..], "name \"\": it is empty"),
        (&["new", "../shop"], "it is a path"),
        (&["new", "Shop"], "choose one such as shop"),
        (&["new", "fn", "--minimal"], "Rust keeps"),
        (&["new", "app-core"], "a crate of the platform"),
        (&["new", "serde"], "a crate of the platform"),
        (&["new", "shop", "--platform", "/nowhere"], "--platform \"/nowhere\": the folder cannot be read"),
        (&["new", "service", "core"], "Rust keeps"),
    ] {
        let (status, said) = refused(folder.path(), args);
        assert_eq!(status, Some(2), "{args:?}: {said}");
        assert!(said.contains(part) && said.contains("; "), "{args:?}: {said}");
    }
    for args in [&["new"][..], &["new", "service"], &["new", "shop", "--platform"], &["new", "a", "b"]] {
        assert_eq!(appctl(folder.path(), args).status.code(), Some(2), "{args:?}");
    }
    assert!(files(folder.path()).is_empty());
}

#[test]
fn a_folder_that_is_taken_or_cannot_be_written_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("shop")).unwrap();
    fs::write(folder.path().join("shop/mine"), "mine").unwrap();
    let (status, said) = refused(folder.path(), &["new", "shop"]);
    assert_eq!(status, Some(1));
    assert_eq!(said, "shop: exists, and is not an empty folder; choose another name, or remove it\n");
    assert_eq!(files(folder.path()).into_keys().collect::<Vec<_>>(), ["shop/mine"]);
    // Nobody can make a folder there.
    let (status, said) = refused(Path::new("/proc"), &["new", "shop"]);
    assert_eq!(status, Some(1));
    assert!(
        said.starts_with("shop: cannot be written: ") && said.contains("nothing was changed; "),
        "{said}"
    );
}

#[test]
fn a_service_is_added_and_linked_from_anywhere_in_the_workspace() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["new", "shop"]);
    let shop = folder.path().join("shop");
    let before = files(&shop);
    let said = made(&shop.join("app/src"), &["new", "service", "rate-limits"]);
    assert!(said.contains("svc-rate-limits, and linked it in app/src/main.rs"), "{said}");
    let after = files(&shop);
    assert!(after["Cargo.toml"].contains("\n    \"svc-rate-limits\",\n    \"svc-shop\",\n]"));
    assert!(after["Cargo.toml"].contains("\nsvc-rate-limits.path = \"svc-rate-limits\"\n"));
    assert!(
        after["app/Cargo.toml"].contains("\nsvc-rate-limits.workspace = true\nsvc-shop.workspace = true\n")
    );
    assert!(after["app/src/main.rs"].contains("\nuse svc_rate_limits as _;\nuse svc_shop as _;\n"));
    assert!(after["svc-rate-limits/src/service.rs"].contains("id: RATE_LIMITS, name: \"rate-limits\""));
    for (path, text) in &before {
        let changed = ["Cargo.toml", "app/Cargo.toml", "app/src/main.rs"].contains(&path.as_str());
        assert_eq!(after[path] != *text, changed, "{path}");
    }

    let (status, said) = refused(&shop, &["new", "service", "rate-limits"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("already; choose another name"), "{said}");
    fs::create_dir(shop.join("svc-mail")).unwrap();
    fs::write(shop.join("svc-mail/mine"), "mine").unwrap();
    let (status, said) = refused(&shop, &["new", "service", "mail"]);
    assert_eq!(status, Some(1));
    assert!(said.contains("svc-mail: exists"), "{said}");
    fs::remove_dir_all(shop.join("svc-mail")).unwrap();
    assert_eq!(files(&shop), after);
}

#[test]
fn a_service_needs_a_workspace_that_was_made_this_way() {
    let folder = tempfile::tempdir().unwrap();
    let said = refused(folder.path(), &["new", "service", "mail"]);
    assert!(
        said.0 == Some(1) && said.1.contains("not in a workspace that `appctl new NAME` made"),
        "{said:?}"
    );
    made(folder.path(), &["new", "tiny", "--minimal"]);
    let said = refused(&folder.path().join("tiny"), &["new", "service", "mail"]);
    assert!(said.0 == Some(1) && said.1.contains("--minimal makes none"), "{said:?}");
}

#[test]
fn the_generated_code_is_what_the_schema_generates() {
    if !has("capnp") {
        return;
    }
    for name in ["a", "shop", "rate-limits"] {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), &["new", name]);
        let crate_folder = folder.path().join(format!("{name}/svc-{name}"));
        let written = files(&crate_folder.join("src/generated"));
        let fresh = tempfile::tempdir().unwrap();
        app_build::Schemas::in_folder(crate_folder.join("capnp")).write_to(fresh.path()).unwrap();
        let generated = files(fresh.path());
        assert!(written.keys().eq(generated.keys()), "{:?}, {:?}", written.keys(), generated.keys());
        for (path, text) in generated {
            let differs = text.lines().zip(written[&path].lines()).find(|(new, old)| new != old);
            assert!(text == written[&path], "{name}: {path}: {differs:?}; see the folder of templates");
        }
    }
}

#[test]
fn the_code_is_formatted_whatever_the_length_of_the_name() {
    if !has("rustfmt") {
        return;
    }
    for name in ["a", "shop", "rate-limits-of-every-tenant-in-europe"] {
        let folder = tempfile::tempdir().unwrap();
        made(folder.path(), &["new", name]);
        made(folder.path(), &["new", "tiny", "--minimal"]);
        made(&folder.path().join(name), &["new", "service", "mail"]);
        let paths = files(folder.path()).into_keys();
        let code = paths.filter(|path| path.ends_with(".rs") && !path.contains("/generated/"));
        let mut rustfmt = Command::new("rustfmt");
        rustfmt.args(["--check", "--edition", "2024"]).args(code).current_dir(folder.path());
        let output = rustfmt.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn cargo_finds_the_versions_that_the_platform_was_tested_with() {
    let folder = tempfile::tempdir().unwrap();
    made(folder.path(), &["new", "shop"]);
    made(folder.path(), &["new", "tiny", "--minimal"]);
    made(&folder.path().join("shop"), &["new", "service", "mail"]);
    let packages = |lock: &str| -> Vec<String> {
        let sections = lock.split("[[package]]\n").skip(1);
        sections.map(|section| section.lines().take(2).collect::<Vec<_>>().join(" ")).collect()
    };
    let tested = packages(include_str!("../../Cargo.lock"));
    for (name, own) in [("shop", &["shop", "svc-mail", "svc-shop"][..]), ("tiny", &["tiny"])] {
        let cargo = env::var_os("CARGO").unwrap_or("cargo".into());
        let mut cargo = Command::new(cargo);
        let output = cargo.args(["update", "--workspace", "--offline"]).current_dir(folder.path().join(name));
        let output = output.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !said.contains("warning"), "{said}");
        let lock = fs::read_to_string(folder.path().join(name).join("Cargo.lock")).unwrap();
        let packages = packages(&lock);
        assert!(packages.len() < tested.len(), "what is not used is not in the lock");
        for package in packages {
            let is_own = own.iter().any(|own| package.starts_with(&format!("name = \"{own}\"")));
            assert!(is_own || tested.contains(&package), "{package}");
        }
    }
}
