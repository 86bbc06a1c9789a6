//! The names at the root of the crate. A new one is a decision: it is added here too.

/// The most names at the root, macros included. One of them is a crate, for generated code.
const MOST: usize = 35;

const MODULES: [&str; 7] = ["author", "codec", "compat", "events", "file", "in_effect", "sealing"];

const MACROS: [&str; 2] = ["config", "schema_docs"];

const ITEMS: [&str; 26] = [
    "CONFIG_NOT_READ",
    "CONFIG_SERVICE_ID",
    "CheckError",
    "Checked",
    "Config",
    "ConfigDir",
    "ConfigSchema",
    "Configs",
    "Configured",
    "DirectoryError",
    "Expected",
    "LiveConfig",
    "LoadError",
    "Place",
    "Problem",
    "Problems",
    "ReloadStatus",
    "Remark",
    "SecretBytes",
    "StaleConfig",
    "StaleKind",
    "capnp",
    "check_all",
    "parse",
    "quoted",
    "upcoming",
];

/// The part of `lib.rs` after the documentation, without what is hidden.
fn declarations() -> &'static str {
    let (visible, _hidden) =
        include_str!("../src/lib.rs").split_once("/// For the macros").unwrap_or_default();
    visible
}

#[test]
fn the_public_modules_are_these() {
    let lines = declarations().lines();
    let modules: Vec<_> = lines.filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';')).collect();
    assert_eq!(modules, MODULES);
}

#[test]
fn the_items_at_the_root_are_these() {
    let exports = declarations().split("pub use ").skip(1).filter_map(|text| text.split(';').next());
    let mut items: Vec<_> = exports
        .flat_map(|path| match path.split_once('{') {
            Some((_, names)) => names.split(['}', ',']).map(str::trim).collect(),
            None => vec![path.rsplit("::").next().unwrap_or_default()],
        })
        .filter(|name| !name.is_empty())
        .collect();
    items.sort_unstable();
    assert_eq!(items, ITEMS);
}

#[test]
fn the_root_stays_small() {
    assert!(MODULES.len() + MACROS.len() + ITEMS.len() <= MOST);
}
