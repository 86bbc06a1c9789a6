//! `docs/GUIDE.md` works as it is written: a new workspace gets each change of the page, and runs each of its commands. What
//! `docs/YOUR_APPLICATION.md` shows is so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;

#[path = "guide/edit.rs"]
mod edit;
#[path = "guide/page.rs"]
mod page;
#[path = "new/place.rs"]
mod place;
#[path = "guide/shell.rs"]
mod shell;

use page::{Block, Step};
use place::{has, has_with};
use shell::Shell;

const PAGE: &str = include_str!("../../docs/GUIDE.md");

const YOUR_APPLICATION: &str = include_str!("../../docs/YOUR_APPLICATION.md");

/// The folder of the new workspace.
const WORKSPACE: &str = "hotel";

#[test]
fn the_page_has_ten_steps_and_each_is_tried() {
    let steps = page::steps(PAGE);
    assert_eq!(steps.len(), 10);
    for (number, step) in (1..).zip(&steps) {
        assert!(step.title.starts_with(&format!("{number}. ")), "{}", step.title);
        let commands = step.blocks.iter().filter(|block| matches!(block, Block::Commands(_))).count();
        assert!(commands > 0, "{}: nothing is run", step.title);
    }
    assert!(steps.iter().filter(|step| step.changes_code()).count() > 7, "the page has lost its code");
}

#[test]
#[ignore = "builds the platform once more, for minutes"]
fn every_command_works_as_written_and_every_change_applies() {
    let tools =
        has("rustfmt") && has("curl") && has("capnp") && has("nats-server") && has_with("oteltap", "--help");
    if !tools {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut shell = Shell::start(folder.path());
    for step in page::steps(PAGE) {
        eprintln!("## {}", step.title);
        follow(&mut shell, folder.path(), &step);
    }
    let left = shell.run("jobs -r");
    assert!(left.printed.is_empty(), "the page leaves programs behind: {left:?}");
}

#[test]
fn the_code_of_the_page_on_your_application_is_that_of_a_test() {
    let test = include_str!("../../e2e/tests/new_crate.rs");
    let code = page::of_language(YOUR_APPLICATION, "rust").concat();
    let code: Vec<_> =
        code.into_iter().filter(|line| line.contains("0x") || line.contains("info!")).collect();
    assert_eq!(code.len(), 4, "{code:?}");
    for line in code {
        assert!(test.contains(line.trim_start().trim_start_matches("pub ")), "{line}");
    }
}

#[test]
fn the_profile_and_the_version_of_rust_are_those_of_the_platform() {
    let platform = include_str!("../../Cargo.toml");
    let profile = page::of_language(YOUR_APPLICATION, "toml").pop().unwrap();
    for section in profile.split(|line| line.is_empty()) {
        assert!(platform.contains(&section.join("\n")), "{section:?}");
    }
    assert!(platform.contains("panic = \"unwind\""));
    let (_, rust) = platform.split_once("\nrust-version = \"").unwrap();
    let (rust, _) = rust.split_once('"').unwrap();
    assert!(
        PAGE.contains(&format!("Rust {rust} or later")) && YOUR_APPLICATION.contains(&format!("is {rust} ("))
    );
}

/// Does what a step says. If it changed code, the whole workspace is tested.
fn follow(shell: &mut Shell, folder: &Path, step: &Step) {
    let workspace = folder.join(WORKSPACE);
    for block in &step.blocks {
        match block {
            Block::Commands(commands) => commands.iter().for_each(|command| shell.expect(command)),
            Block::From { file, text } => {
                let found = fs::read_to_string(workspace.join(file)).unwrap();
                assert!(found.contains(text.as_str()), "{file} does not have this code of the page:\n{text}");
            }
            Block::File { file, text } => {
                let path = workspace.join(file);
                assert!(!path.exists(), "{file} is there already");
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
            Block::Change(changes) => changes.iter().for_each(|change| change.apply(&workspace)),
        }
    }
    if step.changes_code() {
        shell.succeed("cargo fmt --all --check");
        shell.succeed("cargo test --workspace --all-targets");
    }
}
