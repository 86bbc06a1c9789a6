//! Finds the programs of other packages, and builds them if they are missing or older than their sources.
//!
//! Cargo tells a test where the programs of its own package are, and no others. All programs of a build are in one folder;
//! the tests are in `deps` below it. `cargo test` of the workspace builds the programs before it runs any test, because
//! their own packages have tests. `cargo test -p e2e` does not build them. This module then asks cargo for them, once in a
//! process.
//!
//! It does not ask cargo every time: cargo builds the programs with other features for a single package than for the
//! workspace, so each run of all tests would build them twice. So it compares times of files, as cargo does.

#[cfg(test)]
mod tests;

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    sync::LazyLock,
    time::SystemTime,
};

/// Each program, and the package that has it.
const PROGRAMS: [(&str, &str); 2] = [("svc-example", "svc-example"), ("appctl", "app-cli")];

static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let test = env::current_exe().unwrap_or_else(|error| panic!("the path of this test: {error}"));
    let folder = test.ancestors().find(|folder| folder.join("deps").is_dir());
    let folder = folder.unwrap_or_else(|| panic!("{}: not in a build of cargo", test.display()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    if !PROGRAMS.iter().all(|(program, package)| is_fresh(&folder.join(program), &root, package)) {
        build(folder, &root);
    }
    folder.to_owned()
});

/// The folder of all programs of this build. The first call builds the programs that are missing or stale.
///
/// # Panics
///
/// If the programs cannot be built, or if the caller is not part of a build of cargo.
pub fn folder() -> &'static Path {
    &FOLDER
}

/// The path of the program `svc-example`.
///
/// # Panics
///
/// As [`folder`] does, and if the path is not UTF-8.
pub fn svc_example() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("svc-example"));
    &PATH
}

/// The path of the program `appctl`.
///
/// # Panics
///
/// As [`folder`] does, and if the path is not UTF-8.
pub fn appctl() -> &'static str {
    static PATH: LazyLock<String> = LazyLock::new(|| path_of("appctl"));
    &PATH
}

fn path_of(program: &str) -> String {
    let path = folder().join(program);
    path.to_str().unwrap_or_else(|| panic!("{}: the path is not UTF-8", path.display())).to_owned()
}

/// Whether a program is at least as new as the sources of its package and of all crates of the workspace that it links.
fn is_fresh(program: &Path, root: &Path, package: &str) -> bool {
    let Some(built) = modified(program) else { return false };
    let mut crates = BTreeSet::new();
    collect_crates(root, package, &mut crates);
    let of_crates = crates.iter().map(|name| newest(&root.join(name)));
    let of_workspace = ["Cargo.lock", "Cargo.toml"].map(|file| modified(&root.join(file)));
    of_crates.chain(of_workspace).all(|changed| changed.is_some_and(|changed| changed <= built))
}

/// Adds a package, and the crates of the workspace that it links. In a manifest of this workspace such a crate is a line
/// `name.workspace = true` or `name = { workspace = true, .. }`.
fn collect_crates(root: &Path, package: &str, crates: &mut BTreeSet<String>) {
    let Ok(manifest) = fs::read_to_string(root.join(package).join("Cargo.toml")) else { return };
    if !crates.insert(package.to_owned()) {
        return;
    }
    let section = manifest.split("\n[").find_map(|section| section.strip_prefix("dependencies]"));
    for line in section.unwrap_or_default().lines() {
        let name = line.split(['.', ' ']).next().unwrap_or_default();
        if !name.is_empty() && line.contains("workspace = true") {
            collect_crates(root, name, crates);
        }
    }
}

/// The time of the newest file of a package that is part of its library or its programs.
fn newest(package: &Path) -> Option<SystemTime> {
    let sources = newest_in(&package.join("src"))?;
    // A page of the dashboard is in its program, too.
    let sources = newest_in(&package.join("web")).map_or(sources, |web| web.max(sources));
    Some(sources.max(modified(&package.join("Cargo.toml"))?))
}

fn newest_in(folder: &Path) -> Option<SystemTime> {
    let entries = fs::read_dir(folder).ok()?.flatten();
    // Unit tests are in `tests.rs` and in `tests`. They are not part of a program.
    let sources = entries.filter(|entry| entry.file_name() != "tests.rs" && entry.file_name() != "tests");
    let time = |path: PathBuf| if path.is_dir() { newest_in(&path) } else { modified(&path) };
    sources.filter_map(|entry| time(entry.path())).max()
}

fn modified(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).ok()?.modified().ok()
}

/// Builds the programs into the folder, with its profile.
fn build(folder: &Path, root: &Path) {
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    };
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--locked", "--bins", "--profile", profile]);
    cargo.args(PROGRAMS.iter().flat_map(|(_, package)| ["--package", package]));
    cargo.arg("--target-dir").arg(folder.parent().unwrap_or(folder)).current_dir(root);
    let status = cargo.status().unwrap_or_else(|error| panic!("{cargo:?}: {error}"));
    assert!(status.success(), "{cargo:?}: {status}");
}
