//! A health check that flaps: its thresholds show in the probes, in the metrics of a real Prometheus, and in the log.

use std::{fs, net::SocketAddr, path::Path};

use app_core::prelude::*;
use app_health::{HEALTHCHECK_METRIC_ID, HEALTHCHECK_SERVICE_ID};
use app_ids::MetricId;
use nix::sys::signal::Signal;
use serde_json::Value;

use crate::{
    files::Configs,
    http::get,
    program::{Ended, Program, poll},
    scraper::Scraper,
};

/// The check of the program `flapping`. Its thresholds are 3 failures and 2 successes.
const CHECK: HealthCheckId = HealthCheckId::new(0x9f2c_afb3_cdb8_0b24);

/// The check in the answer of `/healthz/file_is_there`.
fn health(address: SocketAddr) -> Value {
    let answer: Value = serde_json::from_str(&get(address, "/healthz/file_is_there").body).unwrap();
    answer["checks"]["file_is_there"][0].clone()
}

fn failures_in_a_row(health: &Value) -> u64 {
    health["observedValue"].as_u64().unwrap_or_default()
}

fn transitions(health: &Value) -> usize {
    health["transitions"].as_array().unwrap().len()
}

fn is_ready(address: SocketAddr, ready: bool) {
    let status = if ready { 200 } else { 503 };
    poll("another readiness", || (get(address, "/readyz").status == status).then_some(()));
}

/// Removes the file until the check has failed, and restores it. Returns the check after the next success.
fn blips(address: SocketAddr, file: &Path) -> Value {
    fs::remove_file(file).unwrap();
    poll("a failure", || (failures_in_a_row(&health(address)) > 0).then_some(()));
    fs::write(file, "").unwrap();
    poll("a success", || Some(health(address)).filter(|health| failures_in_a_row(health) == 0))
}

#[test]
fn a_check_that_flaps_changes_only_by_its_thresholds_in_probes_in_prometheus_and_in_the_log() {
    let configs = Configs::any_port();
    let file = configs.path().join("healthy");
    let process = Program::new(env!("CARGO_BIN_EXE_flapping"))
        .args([Path::new("--config-dir"), configs.path(), Path::new("--file"), &file])
        .args(["--interval-millis=200"])
        .start();
    let address = process.address();
    let prometheus = Scraper::of(address, &[]);
    let shows = |metric: MetricId, value: &str| {
        let name = metric.prometheus_name(HEALTHCHECK_SERVICE_ID);
        // Prometheus asks for OpenMetrics, in which the name of a counter has a suffix.
        let query = format!("{{__name__=~\"{name}(_total)?\",healthcheck=\"{}\"}}", CHECK.hex());
        prometheus.as_ref().map(|prometheus| prometheus.sample(&query, value))
    };

    // The status goes from unknown to failing. The check has never passed, so the app has never been ready.
    poll("three failures", || (health(address)["state"] == "failing").then_some(()));
    let readyz = get(address, "/readyz");
    assert_eq!(readyz.status, 503);
    assert!(readyz.body.contains("critical health check file_is_there"), "{}", readyz.body);
    assert_eq!((get(address, "/healthz").status, get(address, "/livez").status), (503, 200));

    fs::write(&file, "").unwrap();
    is_ready(address, true);
    shows(HEALTHCHECK_METRIC_ID, "0");

    // One or two failures change nothing. On a busy machine there may be three; then the test repeats this.
    let mut before = transitions(&health(address));
    let after = loop {
        let after = blips(address, &file);
        if transitions(&after) == before {
            break after;
        }
        is_ready(address, true);
        before = transitions(&health(address));
    };
    assert_eq!((&after["state"], &after["status"]), (&"passing".into(), &"pass".into()));
    let outcomes = after["history"].as_array().unwrap().iter().map(|run| run["outcome"].as_str().unwrap());
    assert!(outcomes.take(3).any(|outcome| outcome == "failed"), "{after:#}");
    assert_eq!(get(address, "/readyz").status, 200);
    shows(app_health::HEALTHCHECK_TRANSITIONS_METRIC_ID, &before.to_string());

    fs::remove_file(&file).unwrap();
    is_ready(address, false);
    let failing = health(address);
    assert_eq!((transitions(&failing), failing["state"].as_str()), (before + 1, Some("failing")));
    shows(app_health::HEALTHCHECK_TRANSITIONS_METRIC_ID, &(before + 1).to_string());
    shows(HEALTHCHECK_METRIC_ID, &(failures_in_a_row(&failing) + 2).to_string());

    fs::write(&file, "").unwrap();
    is_ready(address, true);
    process.signal(Signal::SIGTERM);
    let ended = process.ended();
    ended.expect_code(0);
    assert_eq!(changes_in_the_log(&ended), before + 2);
}

/// Number of status changes in the log. Each change to failing comes with the third failure in a row.
fn changes_in_the_log(ended: &Ended) -> usize {
    let records = ended.records();
    let of_check = records.iter().filter(|record| record["healthcheck"] == CHECK.hex());
    let changes: Vec<_> =
        of_check.filter(|record| record["message"].as_str().unwrap().contains(", was ")).collect();
    for change in &changes {
        let message = change["message"].as_str().unwrap();
        if message.contains(" is failing, ") {
            assert_eq!((&change["failures"], &change["level"]), (&3.into(), &"warn".into()), "{change}");
        } else {
            assert!(message.ends_with(" is passing, was failing") && change["level"] == "info", "{change}");
        }
    }
    changes.len()
}
