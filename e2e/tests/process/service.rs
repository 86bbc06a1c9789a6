//! The service runs, answers and logs.

use app_core::events;
use nix::sys::signal::Signal;
use svc_example::{GRANTS, KEYS, QUOTA};

use crate::{files::Configs, http::get};

#[test]
fn the_probes_and_the_metrics_answer() {
    let configs = Configs::any_port();
    let process = configs.service().start();
    let address = process.ready();
    for probe in ["/livez", "/readyz", "/healthz"] {
        let answer = get(address, probe);
        assert_eq!(answer.status, 200, "{probe}: {answer:?}");
    }
    let health = get(address, "/healthz").body;
    assert!(health.contains("8d0a0181c77fe5ec"), "the check of the quota service: {health}");
    let metrics = get(address, "/metrics");
    assert_eq!(metrics.status, 200);
    assert!(metrics.head.contains("text/plain; version=0.0.4"), "{}", metrics.head);
    for metric in [GRANTS, KEYS] {
        let name = metric.prometheus_name(QUOTA);
        assert!(metrics.body.contains(&format!("\n{name}{{")), "{name}");
    }
    assert_eq!(get(address, "/nosuch").status, 404);
    process.signal(Signal::SIGTERM);
    process.ended().expect_code(0);
}

#[test]
fn the_rules_of_the_config_are_in_effect() {
    let configs = Configs::any_port()
        .rules(&[("mails", |mut rule| rule.set_permits(3)), ("logins", |mut rule| rule.set_permits(5))]);
    let process = configs.service().start();
    let metrics = get(process.ready(), "/metrics").body;
    assert!(metrics.contains("rule=\"mails\",outcome=\"granted\""));
    assert!(metrics.contains("rule=\"logins\",outcome=\"denied\""));
    assert!(!metrics.contains("rule=\"default\""));
}

#[test]
fn identity_and_levels_come_from_flags_or_the_environment() {
    let configs = Configs::any_port();
    let process = configs
        .service()
        .args(["--domain-id", "0xA1", "--service-log-level", "quota=DEBUG,metrics=ERROR"])
        .env("OP_APP_ID", "178")
        .env("OP_RELEASE_ID", "0xc3")
        .env("OP_LOG_LEVEL", "info")
        .start();
    let started = process.event(events::APP_STARTED);
    assert_eq!(
        [&started["domain"], &started["app"], &started["release"]].map(|id| id.as_str()),
        [Some("a1"), Some("b2"), Some("c3")]
    );
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(!ended.records().iter().any(|record| record["svc_name"] == "metrics"), "{}", ended.stderr);
    assert!(ended.records().iter().any(|record| record["svc_name"] == "quota"), "{}", ended.stderr);
}

#[test]
fn every_line_of_the_log_is_a_record_of_one_instance() {
    let configs = Configs::any_port();
    let process = configs.service().start();
    process.ready();
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    let records = ended.records();
    assert_eq!(records.len(), ended.stderr.lines().count(), "{}", ended.stderr);
    for record in &records {
        assert_eq!(record["instance"], records[0]["instance"]);
        for key in ["time", "level", "message"] {
            assert!(record[key].is_string(), "{key}: {record}");
        }
    }
    assert_eq!(ended.stdout, "");
}

#[test]
fn the_log_for_people_has_lines_that_people_read() {
    let configs = Configs::any_port();
    let process = configs.service().args(["--log-format=term"]).start();
    process.line("health check quota_commands_answer (8d0a0181c77fe5ec) is passing");
    process.line("app started");
    process.signal(Signal::SIGINT);
    let ended = process.ended();
    ended.expect_code(0);
    assert!(ended.stderr.contains(" INFO  quota: service started"), "{}", ended.stderr);
    assert!(ended.stderr.contains(" INFO  app stopped: signal SIGINT"), "{}", ended.stderr);
    assert!(!ended.stderr.contains('\u{1b}'), "no colours where there is no terminal: {}", ended.stderr);
}
