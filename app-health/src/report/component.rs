//! One check in the document of a probe: the members of the draft, then our own.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_core::prelude::HealthCheckId;
use serde_json::{Map, Value, json};

use crate::{HealthCheckResult, HealthCheckState, HealthChecks, HealthStatus, HealthTransition};

/// Upper bound of the characters of an error text, which is untrusted.
const MAX_OUTPUT_CHARS: usize = 1_000;

/// The last second of the year 9999. RFC 3339 has no form for later times.
const LAST_YEAR: Duration = Duration::from_secs(253_402_300_799);

/// Builds the entry of a check. `unknown` is the value of `status` for a check whose status is unknown.
pub(super) fn component(check: &HealthCheckState, unknown: &str) -> Value {
    let HealthCheckState { spec, result, .. } = check;
    let status = match check.status {
        HealthStatus::Passing => "pass",
        HealthStatus::Failing => "fail",
        HealthStatus::Unknown => unknown,
    };
    let mut members = Map::new();
    let mut add = |name: &str, value: Value| drop(members.insert(name.to_owned(), value));
    add("componentId", json!(spec.id.hex()));
    add("componentType", json!("component"));
    add("status", json!(status));
    if let Some(result) = result {
        add("time", json!(rfc3339(result.started_at)));
        add("observedValue", json!(result.error_count));
        add("observedUnit", json!("failures in a row"));
        add("durationSeconds", json!(result.duration.as_secs_f64()));
    }
    if let Some(problem) = check.problem() {
        add("output", json!(shortened(&problem)));
    }
    if let Some(description) = &spec.description {
        add("description", json!(description));
    }
    add("state", json!(check.status.as_str()));
    add("since", json!(rfc3339(check.since)));
    add("stale", json!(check.stale));
    add("paused", json!(check.paused));
    if let Some(since) = check.paused_since {
        add("pausedSince", json!(rfc3339(since)));
    }
    add("critical", json!(spec.critical));
    add("groups", json!(spec.groups));
    add("intervalSeconds", json!(spec.interval.as_secs_f64()));
    add("timeoutSeconds", json!(spec.timeout.as_secs_f64()));
    add("failureThreshold", json!(spec.failure_threshold));
    add("successThreshold", json!(spec.success_threshold));
    Value::Object(members)
}

/// Adds the history and the transitions of the check, newest first.
pub(super) fn details(checks: &HealthChecks, id: HealthCheckId, component: &mut Value) {
    // The check may just have been removed.
    let (Ok(history), Ok(transitions)) = (checks.history(id), checks.transitions(id)) else { return };
    component["history"] = history.iter().rev().map(past).collect();
    component["transitions"] = transitions.iter().rev().map(change).collect();
}

fn past(result: &HealthCheckResult) -> Value {
    let mut past = json!({
        "time": rfc3339(result.started_at),
        "outcome": result.outcome.as_str(),
        "durationSeconds": result.duration.as_secs_f64(),
    });
    if let Some(error) = &result.error {
        past["output"] = json!(shortened(&error.to_string()));
    }
    past
}

fn change(transition: &HealthTransition) -> Value {
    json!({
        "time": rfc3339(transition.at),
        "from": transition.from.as_str(),
        "to": transition.to.as_str(),
    })
}

pub(super) fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_OUTPUT_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    short
}

/// The time in RFC 3339; `None` for a time before 1970 or after 9999.
fn rfc3339(time: SystemTime) -> Option<String> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    (since_epoch <= LAST_YEAR).then(|| humantime::format_rfc3339_millis(time).to_string())
}
