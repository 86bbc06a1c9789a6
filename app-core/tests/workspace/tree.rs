//! Finding the files of the workspace.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The text of a file, named from the root of the workspace.
pub(crate) fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The text of a file, named from the root of the workspace, if there is one.
pub(crate) fn find(path: &str) -> Option<String> {
    fs::read_to_string(root().join(path)).ok()
}

/// Directories at the top that hold a manifest.
pub(crate) fn crates() -> BTreeSet<String> {
    let names = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| root().join(name).join("Cargo.toml").exists()).collect()
}

/// Every `.rs` file of every crate but generated ones, named from the root of the workspace.
pub(crate) fn sources() -> Vec<String> {
    let mut found = Vec::new();
    for name in crates() {
        collect(&name, &mut found);
    }
    found.sort();
    found
}

/// Every page (`.md`) at the root, in `docs`, and in the crates, named from the root of the workspace.
pub(crate) fn pages() -> Vec<String> {
    let mut found = Vec::new();
    for directory in crates().into_iter().chain(["docs".to_owned()]) {
        collect_by_end(&directory, ".md", &mut found);
    }
    let at_root =
        fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    found.extend(at_root.filter(|name| name.ends_with(".md")));
    found.sort();
    found
}

/// Whether the workspace has the file or folder.
pub(crate) fn exists(path: &str) -> bool {
    root().join(path).exists()
}

fn collect(directory: &str, found: &mut Vec<String>) {
    collect_by_end(directory, ".rs", found);
}

fn collect_by_end(directory: &str, end: &str, found: &mut Vec<String>) {
    for entry in fs::read_dir(root().join(directory)).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{directory}/{name}");
        if entry.file_type().unwrap().is_dir() {
            if !path.ends_with("/src/generated") && name != "target" {
                collect_by_end(&path, end, found);
            }
        } else if path.ends_with(end) {
            found.push(path);
        }
    }
}
