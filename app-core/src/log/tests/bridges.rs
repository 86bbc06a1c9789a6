//! Records of the `log` and `tracing` crates. One test, because both crates have one receiver for the process.

use serde_json::{Value, json};

use super::identity;
use crate::log::{CapturedLog, Log, LogLevel, capture_dependencies};

/// The records of this test. Other tests of this process may log through the same bridge.
fn own_records(captured: &CapturedLog) -> Vec<Value> {
    let is_own =
        |record: &Value| record["target"].as_str().is_some_and(|target| target.starts_with("bridged"));
    captured.records().into_iter().filter(is_own).collect()
}

fn log_at_all_levels() {
    log::error!(target: "bridged::log", "log error");
    log::debug!(target: "bridged::log", "log {}", "debug");
    log::trace!(target: "bridged::log", "never");
    tracing::warn!(target: "bridged::tracing", peer = "p", tries = 3_u64, ratio = 0.5, ok = true, shown = ?Some(1), "tracing {}", "warn");
    tracing::debug!(target: "bridged::tracing", message = "forged\nline", time = 5, "tracing debug");
    tracing::trace!(target: "bridged::tracing", "never");
    let _span = tracing::info_span!(target: "bridged::tracing", "a span", key = 1).entered();
}

#[test]
fn what_dependencies_log_arrives_with_its_target_fields_and_level() {
    let (log, captured) = Log::captured(&identity(), LogLevel::Info);
    capture_dependencies(&log);
    log_at_all_levels();
    let records = own_records(&captured);
    assert_eq!(records.len(), 2, "{captured:?}");
    assert_eq!((&records[0]["message"], &records[0]["level"]), (&json!("log error"), &json!("error")));
    assert_eq!(records[0]["target"], "bridged::log");
    assert_eq!(records[1]["message"], "tracing warn");
    let text = captured.text();
    assert!(
        text.contains(r#""target":"bridged::tracing","peer":"p","tries":3,"ratio":0.5,"ok":true,"shown":"Some(1)","message":"#),
        "{text}"
    );

    // A very long record of a dependency also has a bounded length.
    let long = "x".repeat(200_000);
    log::error!(target: "bridged::long", "{long}");
    tracing::error!(target: "bridged::long", field = %long, "{long}");
    for line in captured.text().lines().filter(|line| line.contains("bridged::long")) {
        assert!(line.len() < 16_000 && line.contains(" bytes cut)"), "{}", line.len());
    }

    // A change of the level applies to call sites that have cached the old one.
    let change = log.set_level(LogLevel::Debug);
    log_at_all_levels();
    assert_eq!(own_records(&captured).len(), 8);
    assert_eq!(log::max_level(), log::LevelFilter::Debug);
    assert!(log.revert(change));
    log_at_all_levels();
    assert_eq!(own_records(&captured).len(), 10);

    // Another application becomes the receiver, and the first one gets no more records.
    let (second, second_captured) = Log::captured(&identity(), LogLevel::Error);
    capture_dependencies(&second);
    log_at_all_levels();
    assert_eq!(own_records(&second_captured).len(), 1);
    let _ = log.set_level(LogLevel::Debug);
    log_at_all_levels();
    assert_eq!(own_records(&captured).len(), 10);
    assert_eq!(own_records(&second_captured).len(), 2);
}
