//! Flags and environment variables.

use std::collections::BTreeSet;

use app_core::prelude::*;
use app_metrics::METRICS_SERVICE_ID;
use svc_example::QUOTA;

use crate::{
    files::{Configs, rules_content},
    program::Program,
};

const BAD_IDS: &[&str] = &["", "x", "-1", "0x", "1.5", "18446744073709551616", "0x10000000000000000"];

/// Bad values for every flag that takes a value.
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
    ("--metrics-address", &["", "1", "localhost:0", "127.0.0.1", "127.0.0.1:"]),
    ("--handover", &["", "/tmp/", "/"]),
    ("--drain-delay", &["", "soon", "-1", "5 parsecs", "99999999999999999999999s"]),
    ("--quota-queue", &["", "x", "0", "-1", "65536"]),
    ("--worker-threads", &["", "x", "0", "-1", "1025", "99999999999999999999999"]),
];

/// Flags without a value. Their environment variables have one.
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
fn every_environment_variable_with_a_bad_value_is_a_usage_error_that_names_both() {
    let refused = |flag: &str, value: &str| {
        let ended = Program::service().env(&variable(flag), value).run();
        ended.expect_code(2);
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
        for named in [flag, &variable(flag)] {
            assert!(ended.stderr.contains(named), "{named} is not named:\n{}", ended.stderr);
        }
    };
    for (flag, values) in BAD_VALUES {
        // An empty variable counts as unset.
        for value in values.iter().filter(|value| !value.is_empty()) {
            refused(flag, value);
        }
    }
    for flag in SWITCHES {
        refused(flag, "maybe");
    }
}

#[test]
fn an_empty_variable_counts_as_unset_whatever_it_is() {
    for blank in ["", " ", "\n", "\t \r\n"] {
        let flags = BAD_VALUES.iter().map(|(flag, _)| *flag).chain(SWITCHES.iter().copied());
        let all = flags.fold(Program::service(), |program, flag| program.env(&variable(flag), blank));
        let ended = all.args(["--check"]).run();
        ended.expect_code(0);
        assert_eq!(ended.stderr, "", "{blank:?}");
    }
    // Also for flags of subcommands.
    let ended = Program::service().env("OP_CONTEXT", "").args(["acquire", "alice"]).run();
    ended.expect_code(2);
    assert!(ended.stderr.contains("--context"), "{}", ended.stderr);
    let ended = Program::service().env("OP_HEALTH_ADDRESS", " ").args(["health", "live", "--help"]).run();
    ended.expect_code(0);
    assert!(ended.stdout.contains("[env: OP_HEALTH_ADDRESS=]"), "{}", ended.stdout);
}

#[test]
fn spaces_and_line_breaks_around_values_are_dropped() {
    const VALUES: &[(&str, &str)] = &[
        ("--domain-id", " 0xd0\n"),
        ("--app-id", "\t160\r\n"),
        ("--release-id", "0x1 "),
        ("--log-level", " warn\n"),
        ("--service-log-level", " quota = DEBUG ,\n metrics=INFO\n"),
        ("--log-format", "json\n"),
        ("--require-sealed", " false\n"),
        ("--drain-delay", " 1m30s\n"),
        ("--worker-threads", " 2\n"),
        ("--check", " yes\n"),
    ];
    let by_variable =
        VALUES.iter().fold(Program::service(), |program, (flag, value)| program.env(&variable(flag), value));
    by_variable.run().expect_code(0);
    let by_flag = VALUES.iter().filter(|(flag, _)| !SWITCHES.contains(flag));
    Program::service()
        .args(by_flag.map(|(flag, value)| format!("{flag}={value}")))
        .args(["--check"])
        .run()
        .expect_code(0);
}

#[test]
fn a_variable_that_is_not_text_is_named() {
    use std::os::unix::ffi::OsStrExt;

    let not_text = std::ffi::OsStr::from_bytes(b"\xff");
    for flag in ["--app-id", "--log-level", "--drain-delay", "--check"] {
        let ended = Program::service().env(&variable(flag), not_text).run();
        ended.expect_code(2);
        let expected = format!("error: the variable {} holds bytes that are not UTF-8\n", variable(flag));
        assert_eq!(ended.stderr, expected);
    }
}

#[test]
fn a_variable_that_is_nearly_named_as_a_known_one_is_warned_of_and_those_of_other_programs_never() {
    let program = Program::service().env("OP_LOGLEVEL", "DEBUG").env("OP_SESSION_my", "x");
    let ended = program.env("OP_SERVICE_ACCOUNT_TOKEN", "secret").args(["--check"]).run();
    ended.expect_code(0);
    let [warning] = &*ended.records() else { panic!("not one warning:\n{}", ended.stderr) };
    assert_eq!(warning["level"], "warn");
    assert_eq!(warning["message"], "OP_LOGLEVEL: no such variable is read; did you mean OP_LOG_LEVEL?");
}

#[test]
fn a_subcommand_that_takes_the_flags_of_the_application_has_those_of_its_services_too() {
    let content = rules_content(&[("mails", |mut rule| {
        rule.set_permits(5);
        rule.set_period_millis(1_000);
        rule.set_max_keys(100);
    })]);
    let configs = Configs::none().file(QUOTA, &content);
    let dir = configs.path().to_str().unwrap();
    let expected = "queue 7\nrule mails: 5 permits every 1s, burst 5, at most 100 keys\n";
    for args in [
        ["--config-dir", dir, "--quota-queue=7", "rules"],
        ["--quota-queue=7", "rules", "--config-dir", dir],
        ["rules", "--quota-queue=7", "--config-dir", dir],
    ] {
        let ended = Program::service().args(args).run();
        ended.expect_code(0);
        assert_eq!(ended.stdout, expected, "{args:?}");
    }
    let ended = Program::service().env("OP_CONFIG_DIR", dir).env("OP_QUOTA_QUEUE", "7").args(["rules"]).run();
    assert_eq!(ended.stdout, expected);
    for args in [["--check", "rules"], ["rules", "--check"]] {
        is_usage_error(Program::service().args(args), "'--check' has no meaning for 'rules'");
    }
    is_usage_error(
        Program::service().args(["--quota-queue=7", "acquire", "--context", "none", "key"]),
        "'--quota-queue' has no meaning for",
    );
    let refused = Program::service().args(["rules", "--config-dir", dir]).args(["--require-sealed"]).run();
    refused.expect_code(78);
    assert_eq!(refused.stderr, "the config is refused; `config check` says why\n");
}

#[test]
fn a_flag_of_a_service_has_help_and_a_variable_and_a_near_miss_is_told() {
    let help = Program::service().args(["--help"]).run();
    assert!(help.stdout.contains("--quota-queue <N>"), "{}", help.stdout);
    assert!(help.stdout.contains("[env: OP_QUOTA_QUEUE=]"), "{}", help.stdout);
    is_usage_error(Program::service().args(["--quota-queu=7"]), "--quota-queue");
    let warned = Program::service().env("OP_QUOTA_QUEU", "7").args(["--check"]).run();
    assert!(warned.stderr.contains("OP_QUOTA_QUEU: no such variable is read; did you mean OP_QUOTA_QUEUE?"));
}

#[test]
fn a_flag_before_a_subcommand_counts_as_one_behind_it_or_is_refused() {
    let configs = Configs::none().file(QUOTA, b"nonsense");
    let dir = configs.path().to_str().unwrap();
    let run = |args: &[&str]| Program::service().args(args).run();
    for args in [["--config-dir", dir, "config", "check"], ["config", "check", "--config-dir", dir]] {
        let ended = run(&args);
        ended.expect_code(78);
        assert!(ended.stdout.contains("zlib"), "{args:?}: {}", ended.stdout);
    }
    run(&["--config-dir", dir, "config", "check", dir]).expect_code(78);
    for (args, named) in [
        (vec!["--config-dir", dir, "config", "check", "--config-dir", "/tmp"], "given twice"),
        (vec!["--config-dir", dir, "config", "check", "/tmp"], "two directories"),
        (
            vec!["--log-level", "DEBUG", "config", "check", dir],
            "'--log-level' has no meaning for 'config check'",
        ),
        (vec!["--config-dir", dir, "health", "live"], "'--config-dir' has no meaning for 'health'"),
        (vec!["--check", "config", "explain"], "'--check' has no meaning for 'config explain'"),
        (vec!["--dev", "metrics"], "'--dev' has no meaning for 'metrics'"),
    ] {
        is_usage_error(Program::service().args(args), named);
    }
    let sealed = run(&["--config-dir", dir, "--require-sealed", "config", "check"]);
    sealed.expect_code(78);
    assert!(sealed.stdout.contains("is not sealed"), "{}", sealed.stdout);
}

#[test]
fn a_named_config_directory_that_is_not_there_is_refused_and_one_without_configs_warned_of() {
    let empty = Configs::none();
    let missing = empty.path().join("secerts");
    let file = empty.path().join("README");
    std::fs::write(&file, "no config").unwrap();
    let ways = |dir: &std::path::Path| {
        [
            (Program::service().args([std::path::Path::new("--config-dir"), dir]), "--config-dir"),
            (Program::service().env("OP_CONFIG_DIR", dir), "OP_CONFIG_DIR"),
        ]
    };
    for (dir, reason) in [(&missing, "does not exist"), (&file, "not a directory")] {
        for check in [&["--check"][..], &[]] {
            for (program, named_by) in ways(dir) {
                let ended = program.args(check).run();
                ended.expect_code(78);
                for part in [reason, named_by, dir.to_str().unwrap()] {
                    assert!(ended.stderr.contains(part), "{part}:\n{}", ended.stderr);
                }
            }
        }
    }
    for (program, named_by) in ways(empty.path()) {
        let ended = program.args(["--check"]).run();
        ended.expect_code(0);
        let [warning] = &*ended.records() else { panic!("not one warning:\n{}", ended.stderr) };
        let message = warning["message"].as_str().unwrap();
        for part in ["has no config in it", named_by, empty.path().to_str().unwrap()] {
            assert!(message.contains(part), "{part}: {message}");
        }
    }
    let identity = Program::service().env("OP_CONFIG_IDENTITY", &missing).args(["--check"]).run();
    identity.expect_code(78);
    assert!(identity.stderr.contains("named by OP_CONFIG_IDENTITY"), "{}", identity.stderr);
}

#[test]
fn a_file_that_is_nearly_named_as_a_config_is_warned_of() {
    let configs = Configs::any_port();
    for name in ["quota", "CE1F32C680E1EF0B", "ce1f32c680e1ef0b.json"] {
        std::fs::write(configs.path().join(name), "nonsense").unwrap();
        let ended = configs.service().args(["--check"]).run();
        ended.expect_code(0);
        let told = format!(
            "file {name} is not read; if it is the config of service quota (ce1f32c680e1ef0b), rename it to"
        );
        assert!(ended.stderr.contains(&told), "{told}:\n{}", ended.stderr);
        std::fs::remove_file(configs.path().join(name)).unwrap();
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

/// The environment variable of a flag: `OP_<FLAG>`.
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
        // The tests above cover every flag.
        let shown: BTreeSet<_> =
            ended.stdout.split_whitespace().filter(|word| word.starts_with("--") && word.len() > 2).collect();
        let known = BAD_VALUES.iter().map(|(flag, _)| *flag).chain(SWITCHES.iter().copied());
        assert_eq!(shown, known.chain(["--help", "--version", "--dev[=<PORT>]", "--nats"]).collect());
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
    for configs in [Configs::any_port(), Configs::any_port().rules(&[("a", |mut rule| rule.set_permits(1))])]
    {
        let ended = configs.service().args(["--check"]).run();
        ended.expect_code(0);
        assert!(ended.stdout.starts_with("ok: 8 services"), "{}", ended.stdout);
        assert_eq!(ended.stderr, "", "nothing started, nothing to log");
    }
    let ended = Program::service().env("OP_CHECK", "true").run();
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
