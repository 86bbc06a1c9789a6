//! Rules about a crate's `Cargo.toml`.
//!
//! Manifests are read line by line: they are to be so plain that this is enough, and a line that is not
//! understood is a violation itself.

use std::collections::BTreeSet;

use super::source;

/// What a manifest of ours may have. A section for some platform is news: see the architecture page before
/// adding it here.
const SECTIONS: &[&str] = &[
    "[package]",
    "[package.metadata.docs.rs]",
    "[features]",
    "[lints]",
    "[lib]",
    "[[bin]]",
    "[[test]]",
    "[[bench]]",
    "[dependencies]",
    "[dev-dependencies]",
];

const INHERITED: &[&str] = &["version", "edition", "rust-version", "license", "publish", "keywords"];

/// The page of a crate on crates.io.
const README: &str = "readme = \"README.md\"";

/// The only platform, in the section for docs.rs. Without this line docs.rs also builds for systems that no crate supports.
const DOCS_RS: &str = "targets = [\"x86_64-unknown-linux-gnu\"]";

/// A crate's manifest, as far as the rules ask.
pub(crate) struct Manifest {
    pub(crate) name: String,
    package: BTreeSet<String>,
    docs_rs: BTreeSet<String>,
    lints: BTreeSet<String>,
    features: Vec<String>,
    dependencies: Vec<String>,
    /// Those of `dependencies` that only a feature brings.
    optional: Vec<String>,
    dev_dependencies: Vec<String>,
    not_understood: Vec<String>,
}

/// A line of a dependency section that takes its version from the root: its name.
fn inherited_dependency(line: &str) -> Option<&str> {
    let (name, rest) = line.split_once('=')?;
    match name.trim().strip_suffix(".workspace") {
        Some(name) => (rest.trim() == "true").then_some(name),
        None => rest.trim().starts_with("{ workspace = true").then_some(name.trim()),
    }
}

impl Manifest {
    pub(crate) fn parse(name: &str, text: &str) -> Self {
        let mut manifest = Self {
            name: name.to_owned(),
            package: BTreeSet::new(),
            docs_rs: BTreeSet::new(),
            lints: BTreeSet::new(),
            features: vec![],
            dependencies: vec![],
            optional: vec![],
            dev_dependencies: vec![],
            not_understood: vec![],
        };
        let mut section = "";
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            if line.starts_with('[') {
                section = line;
                if !SECTIONS.contains(&section) {
                    manifest.not_understood.push(line.to_owned());
                }
                continue;
            }
            match section {
                "[package]" => drop(manifest.package.insert(line.to_owned())),
                "[package.metadata.docs.rs]" => drop(manifest.docs_rs.insert(line.to_owned())),
                "[lints]" => drop(manifest.lints.insert(line.to_owned())),
                "[features]" => manifest.features.push(line.to_owned()),
                "[dependencies]" | "[dev-dependencies]" => {
                    let list = if section == "[dependencies]" {
                        &mut manifest.dependencies
                    } else {
                        &mut manifest.dev_dependencies
                    };
                    match inherited_dependency(line) {
                        Some(dependency) => {
                            list.push(dependency.to_owned());
                            if line.contains("optional = true") {
                                manifest.optional.push(dependency.to_owned());
                            }
                        }
                        None => manifest.not_understood.push(line.to_owned()),
                    }
                }
                _ => {}
            }
        }
        manifest
    }

    fn all(&self) -> impl Iterator<Item = &String> {
        self.dependencies.iter().chain(&self.dev_dependencies)
    }

    /// Imports that go up, sideways, or to nowhere. Tests are no excuse.
    pub(crate) fn floors(&self, floors: &[(&str, u8)], same_floor: &[(&str, &str)]) -> Vec<String> {
        let floor = |name: &str| floors.iter().find(|(crate_, _)| *crate_ == name).map(|(_, floor)| *floor);
        let Some(mine) = floor(&self.name) else { return vec![format!("{}: has no floor", self.name)] };
        let too_high = self.all().filter(|dependency| {
            floor(dependency).is_some_and(|theirs| theirs >= mine)
                && !same_floor.contains(&(self.name.as_str(), dependency.as_str()))
        });
        too_high
            .map(|dependency| format!("{}: imports {dependency}, which is not below it", self.name))
            .collect()
    }

    pub(crate) fn at_most(&self, at_most: &[(&str, &[&str])]) -> Vec<String> {
        let Some((_, allowed)) = at_most.iter().find(|(name, _)| *name == self.name) else { return vec![] };
        let beyond =
            self.all().filter(|dependency| is_ours(dependency) && !allowed.contains(&dependency.as_str()));
        beyond.map(|dependency| format!("{}: may not import {dependency}", self.name)).collect()
    }

    /// Features that are not on the list of their crate.
    pub(crate) fn features_beyond(&self, allowed: &[(&str, &[&str])]) -> Vec<String> {
        let allowed =
            allowed.iter().find(|(name, _)| *name == self.name).map_or(&[][..], |(_, lines)| *lines);
        let beyond = self.features.iter().filter(|line| !allowed.contains(&line.as_str()));
        beyond.map(|line| format!("{}: feature `{line}`", self.name)).collect()
    }

    /// Dependencies outside of their places. Those of tests are free.
    pub(crate) fn only_in(&self, only_in: &[(&str, &[&str], &str)]) -> Vec<String> {
        let mut found = Vec::new();
        for dependency in &self.dependencies {
            for (name, places, reason) in only_in {
                if name == dependency && !places.contains(&self.name.as_str()) {
                    found.push(format!("{}: {name} belongs to {places:?} ({reason})", self.name));
                }
            }
        }
        found
    }

    /// What does not come from the root manifest but should, and local crates that do not come last.
    pub(crate) fn inherits(&self) -> Vec<String> {
        let mut found: Vec<String> =
            self.not_understood.iter().map(|line| format!("{}: `{line}`", self.name)).collect();
        let missing = INHERITED.iter().map(|field| format!("{field}.workspace = true"));
        found.extend(
            missing
                .filter(|line| !self.package.contains(line))
                .map(|line| format!("{}: lacks {line}", self.name)),
        );
        if self.lints != BTreeSet::from(["workspace = true".to_owned()]) {
            found.push(format!("{}: [lints] is not `workspace = true` alone", self.name));
        }
        for list in [&self.dependencies, &self.dev_dependencies] {
            if !list.iter().map(|name| is_ours(name)).is_sorted() {
                found.push(format!("{}: local crates come last", self.name));
            }
        }
        found
    }

    /// What crates.io and docs.rs need and the manifest lacks.
    pub(crate) fn pages(&self) -> Vec<String> {
        let mut found = Vec::new();
        if !self.package.contains(README) {
            found.push(format!("{}: lacks {README}", self.name));
        }
        if self.docs_rs != BTreeSet::from([DOCS_RS.to_owned()]) {
            found.push(format!("{}: [package.metadata.docs.rs] is not `{DOCS_RS}` alone", self.name));
        }
        found
    }

    /// Dependencies that the crate's code never names.
    pub(crate) fn unused(&self, code: &str) -> Vec<String> {
        let named = |name: &String| source::has_word(code, &name.replace('-', "_"));
        self.all()
            .filter(|name| !named(name))
            .map(|name| format!("{}: never names {name}", self.name))
            .collect()
    }
}

/// How a crate reaches one of these without features and tests: each way as a list of crates.
pub(crate) fn reached(from: &str, manifests: &[Manifest], targets: &[&str]) -> Vec<String> {
    let (mut seen, mut open) = (BTreeSet::new(), vec![vec![from.to_owned()]]);
    let mut found = Vec::new();
    while let Some(way) = open.pop() {
        let Some(last) = way.last() else { continue };
        if way.len() > 1 && targets.contains(&last.as_str()) {
            found.push(way.join(" -> "));
            continue;
        }
        let Some(manifest) = manifests.iter().find(|manifest| manifest.name == *last) else { continue };
        for next in manifest.dependencies.iter().filter(|name| !manifest.optional.contains(name)) {
            if seen.insert(next.clone()) {
                open.push(way.iter().chain([next]).cloned().collect());
            }
        }
    }
    found
}

/// The packages of a `Cargo.lock` that depend on this one.
pub(crate) fn users_in_lock(lock: &str, name: &str) -> BTreeSet<String> {
    let packages = lock.split("[[package]]").skip(1);
    let users = packages.filter(|package| {
        let (_, dependencies) = package.split_once("dependencies = [").unwrap_or_default();
        dependencies.split('"').skip(1).step_by(2).any(|one| one.split(' ').next() == Some(name))
    });
    users.filter_map(|package| package.split('"').nth(1)).map(str::to_owned).collect()
}

fn is_ours(name: &str) -> bool {
    name.starts_with("app-")
        || name.starts_with("svc-")
        || ["quota-client", "quota-schema", "schema", "benches", "e2e"].contains(&name)
}

/// The texts of an array of the root manifest.
pub(crate) fn list(root: &str, key: &str) -> BTreeSet<String> {
    let begin = format!("\n{key} = [");
    let (_, rest) = root.split_once(&begin).unwrap_or_else(|| panic!("no {key}"));
    let (items, _) = rest.split_once(']').unwrap();
    items.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// Entries of `[workspace.dependencies]` that no crate takes.
pub(crate) fn unused_in_root(root: &str, manifests: &[Manifest]) -> Vec<String> {
    let (_, rest) = root.split_once("[workspace.dependencies]\n").unwrap();
    let section = rest.split("\n[").next().unwrap_or_default();
    let names = section.lines().filter(|line| !line.starts_with('#')).filter_map(|line| line.split_once('='));
    let names = names.map(|(name, _)| name.trim().trim_end_matches(".path"));
    names
        .filter(|name| {
            !is_ours(name) && !manifests.iter().any(|crate_| crate_.all().any(|used| used == name))
        })
        .map(|name| format!("[workspace.dependencies]: no crate uses {name}"))
        .collect()
}

/// Crates of ours that the root manifest does not give with the path and the version of the workspace. Without a version
/// `cargo package` refuses every crate that depends on them.
pub(crate) fn without_version(root: &str) -> Vec<String> {
    let (_, package) = root.split_once("\n[workspace.package]\n").unwrap();
    let version = package.lines().find(|line| line.starts_with("version = ")).unwrap();
    let (_, rest) = root.split_once("[workspace.dependencies]\n").unwrap();
    let section = rest.split("\n[").next().unwrap_or_default();
    let ours = section.lines().filter_map(|line| Some((line.split(['.', ' ']).next()?, line)));
    ours.filter(|(name, line)| {
        is_ours(name) && *line != format!("{name} = {{ path = \"{name}\", {version} }}")
    })
    .map(|(name, _)| format!("[workspace.dependencies]: {name} is not its path with {version}"))
    .collect()
}

mod violations {
    //! Each rule catches what it is there to catch.

    use super::{Manifest, list, reached, unused_in_root, users_in_lock, without_version};

    const PLAIN: &str = "[package]\nname = \"app-b\"\nversion.workspace = true\nedition.workspace = true\n\
        rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\
        keywords.workspace = true\nreadme = \"README.md\"\n\n\
        [package.metadata.docs.rs]\ntargets = [\"x86_64-unknown-linux-gnu\"]\n\n\
        [lints]\nworkspace = true\n\n[dependencies]\ntokio = { workspace = true, features = [\"rt\"] }\n\n\
        app-a.workspace = true\n";
    const FLOORS: &[(&str, u8)] = &[("app-a", 0), ("app-a2", 0), ("app-b", 1), ("app-c", 2)];

    fn with(dependencies: &str) -> Manifest {
        Manifest::parse("app-b", &PLAIN.replace("app-a.workspace = true\n", dependencies))
    }

    #[test]
    fn a_plain_manifest_has_none() {
        let plain = with("app-a.workspace = true\n");
        assert!(plain.inherits().is_empty(), "{:?}", plain.inherits());
        assert!(plain.floors(FLOORS, &[]).is_empty());
        assert!(plain.pages().is_empty(), "{:?}", plain.pages());
    }

    #[test]
    fn an_import_from_above_or_beside_is_found_in_tests_too() {
        assert_eq!(with("app-c.workspace = true\n").floors(FLOORS, &[]).len(), 1);
        assert_eq!(with("[dev-dependencies]\napp-c.workspace = true\n").floors(FLOORS, &[]).len(), 1);
        let beside = Manifest::parse("app-a", "[dependencies]\napp-a2.workspace = true\n");
        assert_eq!(beside.floors(FLOORS, &[]).len(), 1);
        assert!(beside.floors(FLOORS, &[("app-a", "app-a2")]).is_empty());
        assert_eq!(Manifest::parse("app-new", "").floors(FLOORS, &[]), ["app-new: has no floor"]);
    }

    #[test]
    fn an_import_beyond_the_list_is_found() {
        assert_eq!(with("app-a.workspace = true\n").at_most(&[("app-b", &["app-x"])]).len(), 1);
        assert!(with("app-a.workspace = true\n").at_most(&[("app-b", &["app-a"])]).is_empty());
    }

    #[test]
    fn a_dependency_out_of_its_place_is_found() {
        assert_eq!(with("").only_in(&[("tokio", &["app-a"], "why")]).len(), 1);
        assert!(with("").only_in(&[("tokio", &["app-a", "app-b"], "why")]).is_empty());
    }

    #[test]
    fn a_feature_that_is_not_on_the_list_is_found() {
        let with_feature = with("[features]\nextra = []\n");
        assert_eq!(
            with_feature.features_beyond(&[("app-a", &["extra = []"])]),
            ["app-b: feature `extra = []`"]
        );
        assert!(with_feature.features_beyond(&[("app-b", &["extra = []"])]).is_empty());
    }

    #[test]
    fn what_a_crate_reaches_without_features_and_tests_is_found() {
        let crates = [
            Manifest::parse("app-a", "[dependencies]\nrcgen.workspace = true\n"),
            Manifest::parse("app-b", "[dependencies]\napp-a.workspace = true\n"),
            Manifest::parse("app-c", "[dependencies]\napp-a = { workspace = true, optional = true }\n"),
            Manifest::parse("app-d", "[dev-dependencies]\napp-a.workspace = true\n"),
        ];
        assert_eq!(reached("app-b", &crates, &["rcgen"]), ["app-b -> app-a -> rcgen"]);
        assert!(reached("app-c", &crates, &["rcgen"]).is_empty());
        assert!(reached("app-d", &crates, &["rcgen"]).is_empty());
    }

    #[test]
    fn the_users_of_a_package_are_found_in_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\ndependencies = [\n \"rcgen\",\n \"x\",\n]\n\n\
            [[package]]\nname = \"b\"\ndependencies = [\n \"rcgen 0.14.0\",\n]\n\n\
            [[package]]\nname = \"rcgen\"\n\n[[package]]\nname = \"c\"\ndependencies = [\n \"rcgen-x\",\n]\n";
        assert_eq!(users_in_lock(lock, "rcgen").into_iter().collect::<Vec<_>>(), ["a", "b"]);
    }

    #[test]
    fn a_version_a_path_or_an_unknown_section_is_found() {
        for line in ["serde = \"1\"\n", "serde = { version = \"1\" }\n", "app-a.path = \"../app-a\"\n"] {
            assert_eq!(with(line).inherits(), [format!("app-b: `{}`", line.trim())]);
        }
        for section in ["[dependencies.serde]\n", "[target.'cfg(unix)'.dependencies]\n"] {
            assert_eq!(with(section).inherits(), [format!("app-b: `{}`", section.trim())]);
        }
    }

    #[test]
    fn lints_or_an_edition_of_its_own_are_found() {
        let own_lints = PLAIN.replace("[lints]\nworkspace = true", "[lints]\nrust.unsafe_code = \"allow\"");
        assert_eq!(Manifest::parse("app-b", &own_lints).inherits().len(), 1);
        let own_edition = PLAIN.replace("edition.workspace = true", "edition = \"2021\"");
        assert_eq!(
            Manifest::parse("app-b", &own_edition).inherits(),
            ["app-b: lacks edition.workspace = true"]
        );
    }

    #[test]
    fn a_readme_or_a_platform_that_the_manifest_does_not_name_is_found() {
        let other_file = PLAIN.replace("README.md", "readme.txt");
        assert_eq!(Manifest::parse("app-b", &other_file).pages(), ["app-b: lacks readme = \"README.md\""]);
        let section = "[package.metadata.docs.rs]\ntargets = [\"x86_64-unknown-linux-gnu\"]\n";
        for other in ["", "[package.metadata.docs.rs]\n", "[package.metadata.docs.rs]\nall-features = true\n"]
        {
            assert_eq!(Manifest::parse("app-b", &PLAIN.replace(section, other)).pages().len(), 1, "{other}");
        }
    }

    #[test]
    fn a_local_crate_before_others_is_found() {
        assert_eq!(
            with("app-a.workspace = true\nserde.workspace = true\n").inherits(),
            ["app-b: local crates come last"]
        );
    }

    #[test]
    fn a_dependency_that_nobody_names_is_found() {
        assert_eq!(with("app-a.workspace = true\n").unused("use tokio::x;"), ["app-b: never names app-a"]);
        assert!(with("app-a.workspace = true\n").unused("use tokio::x; use app_a::y;").is_empty());
    }

    #[test]
    fn a_version_that_nobody_takes_is_found() {
        let root = "[workspace.dependencies]\n# why\ntokio = \"1\"\nserde = { version = \"1\" }\napp-z.path = \"z\"\n\n[x]\n";
        assert_eq!(unused_in_root(root, &[with("")]), ["[workspace.dependencies]: no crate uses serde"]);
    }

    #[test]
    fn a_crate_of_ours_without_the_version_of_the_workspace_is_found() {
        let root = |line: &str| {
            format!(
                "\n[workspace.package]\nversion = \"0.2.0\"\n\n[workspace.dependencies]\nrand = \"1\"\n{line}\n\n[x]\n"
            )
        };
        assert!(without_version(&root("app-a = { path = \"app-a\", version = \"0.2.0\" }")).is_empty());
        for line in ["app-a.path = \"app-a\"", "app-a = { path = \"app-a\", version = \"0.1.0\" }"] {
            assert_eq!(
                without_version(&root(line)),
                ["[workspace.dependencies]: app-a is not its path with version = \"0.2.0\""]
            );
        }
    }

    #[test]
    fn an_array_is_read_whole() {
        let root = "[workspace]\nmembers = [\n  \"a\",\n  \"b\",\n]\ndefault-members = [\"a\"]\n";
        assert_eq!(list(root, "members").into_iter().collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!(list(root, "default-members").into_iter().collect::<Vec<_>>(), ["a"]);
    }
}
