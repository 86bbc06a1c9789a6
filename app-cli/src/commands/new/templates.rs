//! The files of a new workspace, before names, ids and versions are filled in.
//!
//! They are in the folder `templates` of this crate. Their names and paths have `my-app` and `my-service` in place of the real names.

/// A path in the new folder, and the text of the file.
pub(super) type Template = (&'static str, &'static str);

macro_rules! template {
    ($path:literal) => {
        include_str!(concat!("../../../templates/", $path))
    };
}

/// The manifest of the platform: versions of crates by others are taken from it.
const PLATFORM_MANIFEST: &str = include_str!("../../../../Cargo.toml");

/// The versions that the platform was tested with. Cargo drops what the new workspace does not use.
pub(super) const LOCK: &str = include_str!("../../../../Cargo.lock");

/// The workspace, without its service.
pub(super) const WORKSPACE: &[Template] = &[
    ("Cargo.toml", template!("workspace/Cargo.toml")),
    ("README.md", template!("workspace/readme")),
    ("Dockerfile", template!("workspace/Dockerfile")),
    (".dockerignore", template!("workspace/dockerignore")),
    (".gitignore", template!("workspace/gitignore")),
    (".gitattributes", template!("workspace/gitattributes")),
    (".github/workflows/ci.yml", template!("workspace/ci/ci.yml")),
    ("app/Cargo.toml", template!("workspace/app/Cargo.toml")),
    ("app/src/main.rs", template!("workspace/app/src/main.rs")),
    ("app/tests/check.rs", template!("workspace/app/tests/check.rs")),
    ("deploy/kubernetes.yaml", template!("workspace/deploy/kubernetes.yaml")),
    ("deploy/my-app.service", template!("workspace/deploy/systemd.service")),
];

/// The crate of a service.
pub(super) const SERVICE: &[Template] = &[
    ("Cargo.toml", template!("service/Cargo.toml")),
    ("capnp/api.capnp", template!("service/capnp/api.capnp")),
    ("src/config.rs", template!("service/src/config.rs")),
    // The code made from the schema. Who builds a new service needs no compiler of schemas.
    ("src/generated/api_capnp.rs", template!("service/src/generated/api_capnp.rs")),
    ("src/generated/docs.rs", template!("service/src/generated/docs.rs")),
    ("src/generated/layout.txt", template!("service/src/generated/layout.txt")),
    ("src/generated/methods.rs", template!("service/src/generated/methods.rs")),
    ("src/generated/schemas.rs", template!("service/src/generated/schemas.rs")),
    ("src/greetings.rs", template!("service/src/greetings.rs")),
    ("src/handle.rs", template!("service/src/handle.rs")),
    ("src/health.rs", template!("service/src/health.rs")),
    ("src/ids.rs", template!("service/src/ids.rs")),
    ("src/lib.rs", template!("service/src/lib.rs")),
    ("src/messages.rs", template!("service/src/messages.rs")),
    ("src/metrics.rs", template!("service/src/metrics.rs")),
    ("src/operations.rs", template!("service/src/operations.rs")),
    ("src/rpc.rs", template!("service/src/rpc.rs")),
    ("src/service.rs", template!("service/src/service.rs")),
    ("tests/service.rs", template!("service/tests/service.rs")),
];

/// An application of one file.
pub(super) const MINIMAL: &[Template] = &[
    ("Cargo.toml", template!("minimal/Cargo.toml")),
    ("README.md", template!("minimal/readme")),
    (".gitignore", template!("workspace/gitignore")),
    ("src/main.rs", template!("minimal/src/main.rs")),
];

/// Names of crates that the new workspace depends on, or that would be confused with them.
pub(super) fn crates_of_the_platform() -> Vec<&'static str> {
    let members =
        section("[workspace]").filter_map(|line| line.trim().strip_prefix('"')?.strip_suffix("\","));
    members.chain(dependencies().map(|(name, _)| name)).collect()
}

/// The version of a crate by others, as the manifest of the platform has it.
pub(super) fn version(of: &str) -> Option<&'static str> {
    dependencies().find(|(name, _)| *name == of).map(|(_, version)| version)
}

/// The oldest Rust that builds the platform.
pub(super) fn rust_version() -> Option<&'static str> {
    let mut lines = section("[workspace.package]");
    lines.find_map(|line| line.strip_prefix("rust-version = \"")?.strip_suffix('"'))
}

fn dependencies() -> impl Iterator<Item = (&'static str, &'static str)> {
    let lines = section("[workspace.dependencies]").filter(|line| !line.starts_with('#'));
    lines
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, version)| (name.trim_end_matches(".path"), version))
}

/// The lines below a heading of the manifest of the platform.
fn section(heading: &str) -> impl Iterator<Item = &'static str> {
    let below = PLATFORM_MANIFEST.lines().skip_while(move |line| *line != heading).skip(1);
    below.take_while(|line| !line.starts_with('['))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_those_of_the_platform() {
        assert!(version("capnp").is_some_and(|version| version.starts_with('"')));
        assert!(version("tokio").is_some_and(|version| version.contains("features")));
        assert_eq!(version("nothing"), None);
        assert!(rust_version().is_some_and(|version| version.starts_with("1.")));
        let crates = crates_of_the_platform();
        for name in ["app-core", "benches", "svc-example", "tokio", "quota-schema"] {
            assert!(crates.contains(&name), "{name}");
        }
    }
}
