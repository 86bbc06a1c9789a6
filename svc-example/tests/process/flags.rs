//! The command line and the environment.

use std::collections::BTreeSet;

use app_core::prelude::*;
use app_metrics::METRICS_SERVICE_ID;
use svc_example::QUOTA;

use crate::{
    files::{Configs, rules_content},
    program::Program,
};

const BAD_IDS: &[&str] = &["", "x", "-1", "0x", "1.5", "18446744073709551616", "0x10000000000000000"];

/// Bad values of every flag that takes one.
const BAD_VALUES: &[(&str, &[&str])] = &[
    ("--domain-id", BAD_IDS),
    ("--app-id", BAD_IDS),
    ("--release-id", BAD_IDS),
    ("--log-level", &["", "LOUD", "5"]),
    ("--log-record-bytes", &["0", "1023", "65537", "16k"]),
    (
        "--service-log-level",
        &[
            "",
            "quota",
            "quota=",
            "quota=LOUD",
            "=DEBUG",
            "nosuch=DEBUG",
            "0xzz=DEBUG",
            "quota=DEBUG,quota=INFO",
        ],
    ),
    ("--log-format", &["", "xml"]),
    ("--config-dir", &[""]),
    ("--config-identity", &[""]),
    ("--drain-delay", &["", "soon", "-1", "5 parsecs", "99999999999999999999999s"]),
    ("--worker-threads", &["", "x", "0", "-1", "1025", "99999999999999999999999"]),
];

/// Flags without a value, that still have an environment variable with one.
const SWITCHES: &[&str] = &["--require-sealed", "--check"];

#[test]
fn every_flag_with_a_bad_value_is_a_usage_error_that_names_it() {
    for (flag, values) in BAD_VALUES {
        for value in *values {
            is_usage_error(Program::service().args([format!("{flag}={value}")]), flag);
        }
    }
}

#[test]
fn every_environment_variable_with_a_bad_value_is_a_usage_error_that_names_the_flag() {
    for (flag, values) in BAD_VALUES {
        for value in *values {
            is_usage_error(Program::service().env(&variable(flag), value), flag);
        }
    }
    for flag in SWITCHES {
        is_usage_error(Program::service().env(&variable(flag), "maybe"), flag);
    }
}

#[test]
fn what_is_no_flag_and_flags_without_their_values_are_usage_errors() {
    for (args, named) in [
        (vec!["--nosuch"], "--nosuch"),
        (vec!["nosuch"], "nosuch"),
        (vec!["--log-level"], "--log-level"),
        (vec!["--check=maybe"], "--check"),
        (vec!["--app-id=1", "--app-id=2"], "--app-id"),
    ] {
        is_usage_error(Program::service().args(args), named);
    }
}

fn is_usage_error(program: Program, named: &str) {
    let ended = program.run();
    ended.expect_code(2);
    assert!(ended.stderr.contains(named), "{named} is not named:\n{}", ended.stderr);
    assert_eq!(ended.stdout, "");
}

/// `OP_<FLAG>`.
fn variable(flag: &str) -> String {
    format!("OP_{}", flag.trim_start_matches("--").replace('-', "_").to_uppercase())
}

#[test]
fn help_shows_every_flag_with_its_variable() {
    for flag in ["--help", "-h"] {
        let ended = Program::service().args([flag]).run();
        ended.expect_code(0);
        assert_eq!(ended.stderr, "");
        let flags = BAD_VALUES.iter().map(|(flag, _)| flag).chain(SWITCHES);
        for flag in flags {
            assert!(ended.stdout.contains(flag), "{flag}:\n{}", ended.stdout);
            assert!(ended.stdout.contains(&variable(flag)), "{}:\n{}", variable(flag), ended.stdout);
        }
        // And there is none that the tests above don't know.
        let shown: BTreeSet<_> =
            ended.stdout.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2).collect();
        let known = BAD_VALUES.iter().map(|(flag, _)| *flag).chain(SWITCHES.iter().copied());
        assert_eq!(shown, known.chain(["--help", "--version", "--dev[=<PORT>]"]).collect());
    }
}

#[test]
fn the_version_is_that_of_the_package() {
    for flag in ["--version", "-V"] {
        let ended = Program::service().args([flag]).run();
        ended.expect_code(0);
        let expected = format!("svc-example {}", env!("CARGO_PKG_VERSION"));
        assert!(ended.stdout.starts_with(&expected), "{}", ended.stdout);
    }
}

#[test]
fn a_check_approves_of_good_configs_and_starts_nothing() {
    for configs in [Configs::none(), Configs::any_port().rules(&[("a", |mut rule| rule.set_permits(1))])] {
        let ended = configs.service().args(["--check"]).run();
        ended.expect_code(0);
        assert!(ended.stdout.starts_with("ok: 6 services"), "{}", ended.stdout);
        assert_eq!(ended.stderr, "", "nothing started, nothing to log");
    }
    let ended = Configs::none().service().env("OP_CHECK", "true").run();
    ended.expect_code(0);
}

#[test]
fn a_check_reports_every_problem_of_every_config() {
    let bad_rules = rules_content(&[("a", |_| ()), ("a", |mut rule| rule.set_permits(1))]);
    let configs = Configs::none().file(QUOTA, &bad_rules).file(METRICS_SERVICE_ID, b"nonsense");
    let ended = configs.service().args(["--check"]).run();
    ended.expect_code(78);
    let lines: Vec<_> = ended.stderr.lines().collect();
    assert_eq!(lines.len(), 3, "{}", ended.stderr);
    let line_about = |service: ServiceId, part: &str| {
        let file = configs.path_of(service).display().to_string();
        assert!(
            lines.iter().any(|line| line.contains(&file) && line.contains(part)),
            "{file}, {part}:\n{}",
            ended.stderr
        );
    };
    line_about(QUOTA, "rules[0].permits: must be at least 1");
    line_about(QUOTA, "rules[1].name: \"a\" is the name of rules[0] already");
    line_about(METRICS_SERVICE_ID, "zlib");
    assert_eq!(ended.stdout, "");
}
