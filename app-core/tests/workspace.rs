//! The rules of the house that a machine can check.
//!
//! Each rule is a test that reads the workspace, and beside it stands one that shows the rule failing.
//! A rule that is in the way of better code is changed here, in the same commit, with the reason.
//!
//! [`manifest`] has what concerns a `Cargo.toml`, [`source`] what concerns a `.rs` file, [`modules`] what concerns
//! the modules of a crate; [`tree`] finds the files.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::sync::OnceLock;

use manifest::Manifest;

#[path = "workspace/claims.rs"]
mod claims;
#[path = "workspace/faults.rs"]
mod faults;
#[path = "workspace/manifest.rs"]
mod manifest;
#[path = "workspace/modules.rs"]
mod modules;
#[path = "workspace/source.rs"]
mod source;
#[path = "workspace/tree.rs"]
mod tree;

/// A crate imports only crates of floors below its own.
const FLOORS: &[(&str, u8)] = &[
    ("quota-schema", 0),
    ("schema", 0),
    ("app-build", 0),
    ("app-ids", 0),
    ("app-errors", 0),
    ("app-core", 1),
    ("app-config", 2),
    ("app-metrics", 3),
    ("app-sealing", 3),
    ("app-health", 4),
    ("app-tls", 4),
    ("app-pki", 5),
    ("app-dashboard", 6),
    ("app-rpc", 6),
    ("app-messaging", 6),
    ("app-tracing", 6),
    ("app-cli", 7),
    ("quota-client", 7),
    ("svc-example", 8),
    ("benches", 9),
    ("e2e", 9),
];

/// Imports inside of a floor. Tests of the schemas generate their code again.
const SAME_FLOOR: &[(&str, &str)] =
    &[("app-errors", "app-ids"), ("quota-schema", "app-build"), ("schema", "app-build")];

/// Cargo features, each with its crate. A new one needs a user who needs it.
const FEATURES: &[(&str, &[&str])] = &[("svc-example", &["default = [\"dev\"]", "dev = [\"dep:app-pki\"]"])];

/// What makes certificates. No server has it, so a server that is taken over can't either.
const MAKES_CERTIFICATES: &[&str] = &["app-pki", "rcgen"];

/// The programs and benchmarks that may make certificates, without their optional dependencies.
const MAY_MAKE_CERTIFICATES: &[&str] = &["app-pki", "app-cli", "benches"];

/// The only crates of this workspace that these crates may import, whatever the floors allow. The kernel knows no service,
/// and any crate can use the schemas; only their tests know the crate that generates their code.
const AT_MOST: &[(&str, &[&str])] = &[
    ("app-build", &[]),
    ("app-core", &["app-errors", "app-ids"]),
    ("quota-schema", &["app-build"]),
    ("schema", &["app-build"]),
];

/// Dependencies that stay in one place, so that what they do has one place too. `benches` is exempt: it
/// is there to use other people's crates.
const ONLY_IN: &[(&str, &[&str], &str)] = &[
    (
        "axum",
        &["app-metrics", "app-health", "app-dashboard"],
        "HTTP is served by metrics; health contributes routes; the operator's page is not a service's",
    ),
    ("http-body-util", &["app-tracing"], "requests to the collector of traces"),
    (
        "hyper",
        &["app-metrics", "app-dashboard", "app-tracing"],
        "HTTP is served by metrics, and by the operator's page; traces go to a collector over HTTP",
    ),
    (
        "hyper-util",
        &["app-metrics", "app-dashboard", "app-tracing"],
        "HTTP is served by metrics, and by the operator's page; traces go to a collector over HTTP",
    ),
    ("socket2", &["app-core", "app-rpc"], "who listens"),
    ("tower", &["app-metrics", "app-dashboard"], "HTTP is served by metrics, and by the operator's page"),
    (
        "prometheus-client",
        &["app-metrics"],
        "the specs of app-metrics are checked, those of this crate are not",
    ),
    ("clap", &["app-core"], "argv is read once"),
    ("clap_complete", &["app-cli"], "completions"),
    ("clap_mangen", &["app-cli"], "manual pages"),
    ("signal-hook", &["app-core", "app-cli"], "signals are the whole process's"),
    ("libc", &["app-core"], "what it is good for here is unsafe"),
    ("slog", &["app-core"], "services log through the prelude"),
    ("slog-json", &["app-core"], "log drains"),
    ("log", &["app-core"], "the bridge from dependencies' logs"),
    ("tracing-core", &["app-core"], "the receiver of dependencies' logs and of all spans"),
    ("backtrace", &["app-core", "app-errors"], "stacks of threads and of errors"),
    ("gimli", &["app-errors"], "names and lines of stacks"),
    ("object", &["app-errors"], "names and lines of stacks"),
    ("getrandom", &["app-ids", "app-errors", "app-dashboard"], "random ids; tokens of the operator's page"),
    (
        "flate2",
        &["app-config", "app-metrics", "app-rpc", "app-dashboard", "app-cli", "app-tracing"],
        "the codec of configs, with its caps; scrapes; stack dumps; files of the operator's page; requests with spans",
    ),
    ("age", &["app-sealing"], "sealed configs"),
    (
        "zeroize",
        &["app-core", "app-config", "app-tls", "app-pki"],
        "secrets in calls of operations, what was in sealed configs, and private keys",
    ),
    (
        "capnp",
        &[
            "app-build",
            "quota-schema",
            "schema",
            "app-config",
            "app-metrics",
            "app-health",
            "app-tls",
            "app-rpc",
            "app-messaging",
            "app-tracing",
            "app-cli",
            "quota-client",
            "svc-example",
        ],
        "readers of configs, RPC, and payloads of messages",
    ),
    ("capnpc", &["app-build"], "code from schemas"),
    ("capnp-rpc", &["app-rpc", "app-cli", "svc-example"], "RPC, and crates that serve an interface"),
    ("rcgen", &["app-pki"], "making certificates"),
    ("rustls", &["app-tls", "app-pki", "app-rpc", "app-tracing"], "TLS"),
    ("tokio-rustls", &["app-rpc", "app-tracing"], "TLS"),
    ("x509-parser", &["app-tls", "app-pki"], "certificates"),
    ("backon", &["app-core", "app-rpc"], "restarts, and connections that are made again"),
    ("sd-notify", &["app-health"], "what systemd is told"),
    ("criterion", &[], "benchmarks"),
    ("metrics", &["app-metrics"], "the recorder of what dependencies record"),
    ("metrics-util", &[], "benchmarks"),
    ("peak_alloc", &[], "benchmarks"),
    ("prometheus", &[], "benchmarks"),
    ("loom", &[], "tests of what takes no lock"),
    ("proptest", &[], "tests"),
    ("shuttle", &[], "tests"),
    ("proc-macro2", &[], "tests of the modules"),
    ("saphyr", &[], "tests of what is deployed"),
    ("syn", &[], "tests of the modules"),
    ("tracing", &["app-messaging", "app-rpc", "e2e"], "spans of the platform, of an example, and tests"),
];

/// Where `unsafe` may be written.
const UNSAFE_IN: &str = "app-core/src/stacks/capture.rs";

/// Tests that may wait on the real clock, and why they can't do otherwise.
const REAL_SLEEP_IN: &[(&str, &str)] = &[];

/// Where tasks are spawned that no service spawns.
const UNOWNED_TASK_IN: &[(&str, &str)] = &[
    (
        "app-core/src/service/host.rs",
        "`Host::spawn_kernel_task` itself: the kernel's own tasks get their names here",
    ),
    ("app-core/src/service/spawn.rs", "`Service::spawn` itself: each task gets its name and its owner here"),
];

/// Where the private API of capnp is used.
const CAPNP_PRIVATE_IN: &[(&str, &str)] = &[
    ("app-config/src/json/root.rs", "the public API builds no root of a type known only at run time"),
    ("app-rpc/src/handlers.rs", "the public API does not let a capability wrap another one"),
];

/// Tests that may name a port.
const FIXED_PORT_IN: &[(&str, &str)] = &[("app-core/tests/workspace/source.rs", "shows the rule failing")];

/// Panics with one violation a line.
fn assert_none(violations: &[String]) {
    assert!(violations.is_empty(), "{} violations:\n{}", violations.len(), violations.join("\n"));
}

fn manifests() -> Vec<Manifest> {
    tree::crates()
        .iter()
        .map(|name| Manifest::parse(name, &tree::read(&format!("{name}/Cargo.toml"))))
        .collect()
}

/// What the check finds in the modules of all libraries and programs.
fn in_crates(check: impl Fn(&modules::Modules, &str) -> Vec<String>) -> Vec<String> {
    let name = |root: &'static str| root.split_once("/src/").map_or("", |(name, _)| name);
    read_modules().iter().flat_map(|(root, modules)| check(modules, name(root))).collect()
}

/// The modules of all libraries and programs, by their root files: read once, since that takes long.
fn read_modules() -> &'static [(String, modules::Modules)] {
    static READ: OnceLock<Vec<(String, modules::Modules)>> = OnceLock::new();
    READ.get_or_init(|| {
        let is_root = |path: &String| {
            path.ends_with("/src/lib.rs") || path.ends_with("/src/main.rs") || path.contains("/src/bin/")
        };
        let roots: Vec<String> = tree::sources().into_iter().filter(is_root).collect();
        assert!(roots.len() > 10, "only {} crates found", roots.len());
        roots.into_iter().map(|root| (root.clone(), modules::Modules::of(&root, &tree::find))).collect()
    })
}

/// What the check finds in all source files but generated ones.
fn in_sources(check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let files = tree::sources();
    assert!(files.len() > 50, "only {} files found", files.len());
    files.iter().flat_map(|path| check(path, &tree::read(path))).collect()
}

#[test]
fn the_members_are_the_crates_at_the_top_and_no_others() {
    let root = tree::read("Cargo.toml");
    let members = manifest::list(&root, "members");
    let floors: BTreeSet<String> = FLOORS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(members, floors, "members and floors");
    assert_eq!(members, tree::crates(), "members and directories");
    let mut but_benches = members;
    assert!(but_benches.remove("benches"));
    assert_eq!(manifest::list(&root, "default-members"), but_benches, "a test run does not build the peers");
}

#[test]
fn a_crate_imports_only_from_floors_below_it() {
    assert_none(&manifests().iter().flat_map(|crate_| crate_.floors(FLOORS, SAME_FLOOR)).collect::<Vec<_>>());
}

#[test]
fn the_kernel_knows_ids_and_errors_and_the_schemas_know_nobody() {
    assert_none(&manifests().iter().flat_map(|crate_| crate_.at_most(AT_MOST)).collect::<Vec<_>>());
}

#[test]
fn a_dependency_that_has_a_place_is_used_there_alone() {
    let crates = manifests().into_iter().filter(|crate_| crate_.name != "benches");
    assert_none(&crates.flat_map(|crate_| crate_.only_in(ONLY_IN)).collect::<Vec<_>>());
}

#[test]
fn a_feature_is_one_of_the_list() {
    assert_none(&manifests().iter().flat_map(|crate_| crate_.features_beyond(FEATURES)).collect::<Vec<_>>());
}

#[test]
fn no_server_can_make_certificates() {
    let manifests = manifests();
    let servers = manifests.iter().filter(|crate_| !MAY_MAKE_CERTIFICATES.contains(&crate_.name.as_str()));
    assert_none(
        &servers
            .flat_map(|crate_| manifest::reached(&crate_.name, &manifests, MAKES_CERTIFICATES))
            .collect::<Vec<_>>(),
    );
    // No crate of others brings it along.
    let ours = tree::crates();
    let lock = tree::read("Cargo.lock");
    let users = manifest::users_in_lock(&lock, "rcgen");
    assert!(users.contains("app-pki"), "{users:?}");
    assert!(users.is_subset(&ours), "{users:?} use rcgen");
    let image = tree::read("svc-example/deploy/docker/Dockerfile");
    assert!(image.contains("--package svc-example --bin svc-example --no-default-features"), "{image}");
}

#[test]
fn versions_lints_and_the_edition_are_set_in_the_root_manifest_alone() {
    assert_none(&manifests().iter().flat_map(Manifest::inherits).collect::<Vec<_>>());
}

#[test]
fn every_manifest_names_its_readme_and_the_platform_of_its_documentation() {
    assert_none(&manifests().iter().flat_map(Manifest::pages).collect::<Vec<_>>());
}

#[test]
fn every_crate_has_a_readme() {
    assert_none(&claims::without_readme(&tree::crates(), tree::find));
}

#[test]
fn the_index_lists_every_page_of_docs() {
    assert_none(&claims::index(&tree::read("docs/README.md"), &tree::pages()));
}

#[test]
fn every_dependency_is_used_by_the_crate_that_declares_it() {
    let code_of = |name: &str| -> String {
        let in_crate = format!("{name}/");
        let files = tree::sources().into_iter().filter(|path| path.starts_with(&in_crate));
        files.map(|path| source::code_only(&tree::read(&path))).collect()
    };
    assert_none(
        &manifests().iter().flat_map(|crate_| crate_.unused(&code_of(&crate_.name))).collect::<Vec<_>>(),
    );
}

#[test]
fn every_version_in_the_root_manifest_is_used_by_some_crate() {
    assert_none(&manifest::unused_in_root(&tree::read("Cargo.toml"), &manifests()));
}

#[test]
fn every_crate_of_ours_has_its_version_in_the_root_manifest() {
    assert_none(&manifest::without_version(&tree::read("Cargo.toml")));
}

#[test]
fn a_source_file_opens_with_its_subject() {
    assert_none(&in_sources(source::opens_with_docs));
}

#[test]
fn a_source_file_has_at_most_500_lines_and_a_lib_rs_120() {
    assert_none(&in_sources(source::length));
}

#[test]
fn no_file_or_module_has_a_name_that_says_nothing() {
    assert_none(&in_sources(source::names));
}

#[test]
fn no_module_at_the_top_of_a_crate_imports_another_in_a_circle() {
    assert_none(&in_crates(modules::Modules::circles));
}

#[test]
fn no_crate_has_two_types_of_one_name() {
    assert_none(&in_crates(modules::Modules::names_of_two_types));
}

#[test]
fn unsafe_code_is_in_one_file() {
    assert!(tree::sources().iter().any(|path| path == UNSAFE_IN), "{UNSAFE_IN} is gone: so is the exception");
    assert_none(&in_sources(
        |path, text| if path == UNSAFE_IN { vec![] } else { source::unsafe_code(path, text) },
    ));
}

#[test]
fn nothing_is_left_to_do_and_nothing_to_debug() {
    assert_none(&in_sources(source::leftovers));
}

#[test]
fn the_name_of_a_test_is_a_sentence_without_test_in_front() {
    assert_none(&in_sources(source::named_test));
}

#[test]
fn tests_do_not_sleep_on_the_real_clock() {
    assert_none(&excepting(REAL_SLEEP_IN, source::real_sleep));
}

#[test]
fn every_thread_is_made_where_a_refusal_is_an_error() {
    assert_none(&in_sources(source::unplanned_thread));
}

#[test]
fn every_task_is_spawned_by_a_service() {
    assert_none(&excepting(UNOWNED_TASK_IN, source::unowned_task));
}

#[test]
fn two_files_use_the_private_api_of_capnp() {
    let private = concat!("capnp::", "private");
    let uses = |path: &str, text: &str| -> Vec<String> {
        let lines = (1..).zip(text.lines()).filter(|(_, line)| line.contains(private));
        lines.map(|(number, _)| format!("{path}:{number}: uses {private}")).collect()
    };
    assert_none(&excepting(CAPNP_PRIVATE_IN, uses));
}

#[test]
fn tests_name_no_ports() {
    assert_none(&excepting(FIXED_PORT_IN, source::fixed_port));
}

#[test]
fn each_row_of_the_page_on_faults_names_a_test_that_exists() {
    assert_none(&faults::rows_without_a_test(&tree::read("docs/FAULTS.md"), tree::find));
}

#[test]
fn each_promise_of_the_page_on_security_names_a_test_that_exists() {
    let page = tree::read("SECURITY.md");
    let (_, promises) = page.split_once("## What one client may take").expect("the section is there");
    assert_none(&faults::rows_without_a_test(promises, tree::find));
}

#[test]
fn the_tables_of_the_architecture_are_those_of_the_code() {
    let page = tree::read("ARCHITECTURE.md");
    let mut found = claims::floors(&page, FLOORS);
    found.extend(claims::plugins(&page, &texts()));
    assert_none(&found);
}

#[test]
fn the_architecture_names_the_only_place_of_unsafe_code() {
    assert!(tree::read("ARCHITECTURE.md").contains(&format!("`unsafe` is in `{UNSAFE_IN}` alone")));
}

#[test]
fn every_path_and_link_on_a_page_leads_to_a_file() {
    let texts = texts();
    let pages = tree::pages();
    assert!(pages.len() > 15, "only {} pages found", pages.len());
    let check = |page: &String| claims::paths(page, &tree::read(page), tree::exists, &texts);
    assert_none(&pages.iter().flat_map(check).collect::<Vec<_>>());
}

#[test]
fn no_span_records_all_arguments_of_its_function() {
    assert_none(&in_sources(source::records_all_arguments));
}

#[test]
fn every_queue_has_a_bound() {
    assert_none(&in_sources(claims::unbounded_queue));
}

#[test]
fn no_lock_is_held_across_an_await() {
    // clippy finds such a lock, and CI refuses what clippy warns of.
    let root = tree::read("Cargo.toml");
    assert!(root.contains("\nawait_holding_lock = \"warn\""), "the lint is on");
    assert!(tree::read(".ci/run").contains("-D warnings"), "a warning is refused");
}

#[test]
fn every_capability_of_the_admin_interface_is_behind_its_gate() {
    let gate = "app-rpc/src/admin/gate.rs";
    assert!(tree::read(gate).contains("new_client("), "{gate} makes them");
    assert!(tree::read("ARCHITECTURE.md").contains(&format!("Only `{gate}` makes capabilities")));
    assert_none(&in_sources(|path, text| claims::capability_without_a_gate(path, text, gate)));
}

#[test]
fn the_functions_of_compat_modules_are_one_line_each() {
    assert_none(&in_sources(claims::long_compat_function));
}

/// All source files with their texts.
fn texts() -> Vec<(String, String)> {
    tree::sources().into_iter().map(|path| (path.clone(), tree::read(&path))).collect()
}

/// What the check finds in files without an exception, and exceptions that are not needed any more.
fn excepting(exceptions: &[(&str, &str)], check: impl Fn(&str, &str) -> Vec<String>) -> Vec<String> {
    let mut needed = BTreeSet::new();
    let mut found = Vec::new();
    for path in tree::sources() {
        let violations = check(&path, &tree::read(&path));
        match exceptions.iter().find(|(file, _)| *file == path) {
            Some((file, _)) if !violations.is_empty() => drop(needed.insert(*file)),
            Some(_) => {}
            None => found.extend(violations),
        }
    }
    let stale = exceptions.iter().filter(|(file, _)| !needed.contains(file));
    found.extend(stale.map(|(file, reason)| format!("{file}: needs its exception no more ({reason})")));
    found
}
