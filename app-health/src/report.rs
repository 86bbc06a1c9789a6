//! Probes as JSON, in the shape of the IETF draft "Health Check Response Format for HTTP APIs"
//! (draft-inadarei-api-health-check-06), with members of our own beside the draft's.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use app_core::{App, Readiness};
use serde_json::{Map, Value, json};

use crate::{HealthCheckState, HealthStatus, probes};

/// The media type of the draft.
pub(crate) const CONTENT_TYPE: &str = "application/health+json";

/// Of an error's text so many characters are shown: it comes from anywhere.
const MAX_OUTPUT_CHARS: usize = 1_000;

/// From the year 10000 on, times have another form.
const LAST_YEAR: Duration = Duration::from_secs(253_402_300_799);

/// An answer: its HTTP status, and the document.
pub(crate) struct Report {
    pub(crate) http_status: u16,
    pub(crate) document: Value,
}

/// Yes, or no with reasons.
pub(crate) fn verdict(app: &App, verdict: Readiness) -> Report {
    let status = if verdict.ready() { "pass" } else { "fail" };
    report(app, status, verdict.reasons, None)
}

/// Every check.
pub(crate) fn health(app: &App) -> Report {
    let checks = match probes::states(app) {
        Ok(checks) => checks,
        Err(reason) => return report(app, "fail", vec![reason], None),
    };
    let status = checks.iter().map(importance).max().unwrap_or_default();
    let mut by_label: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for check in &checks {
        by_label.entry(check.spec.label().into_owned()).or_default().push(component(check));
    }
    report(app, word(status), Vec::new(), Some(json!(by_label)))
}

fn report(app: &App, status: &str, reasons: Vec<String>, checks: Option<Value>) -> Report {
    let mut document = json!({
        "status": status,
        "serviceId": app.id().hex(),
        "releaseId": app.release().hex(),
        "instanceId": app.instance().hex(),
    });
    if !reasons.is_empty() {
        let notes: Vec<_> = reasons.iter().map(|reason| shortened(reason)).collect();
        document["notes"] = json!(notes);
    }
    if let Some(checks) = checks {
        document["checks"] = checks;
    }
    Report { http_status: if status == "fail" { 503 } else { 200 }, document }
}

/// How bad it is for the application: 2 when it can't do its work, 1 when somebody should look.
fn importance(check: &HealthCheckState) -> u8 {
    match (check.blocks(), check.status) {
        (true, _) => 2,
        (false, HealthStatus::Passing) => 0,
        (false, _) => 1,
    }
}

const fn word(importance: u8) -> &'static str {
    match importance {
        0 => "pass",
        1 => "warn",
        _ => "fail",
    }
}

/// One check: the draft's members, then ours.
fn component(check: &HealthCheckState) -> Value {
    let HealthCheckState { spec, result, .. } = check;
    let status = match check.status {
        HealthStatus::Passing => "pass",
        HealthStatus::Failing => "fail",
        HealthStatus::Unknown => word(importance(check)),
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
    add("critical", json!(spec.critical));
    add("intervalSeconds", json!(spec.interval.as_secs_f64()));
    add("timeoutSeconds", json!(spec.timeout.as_secs_f64()));
    Value::Object(members)
}

fn shortened(text: &str) -> String {
    let mut short: String = text.chars().take(MAX_OUTPUT_CHARS).collect();
    if short.len() < text.len() {
        short.push_str("..");
    }
    short
}

/// `None` for a time that has no such form: clocks can be set to anything.
fn rfc3339(time: SystemTime) -> Option<String> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    (since_epoch <= LAST_YEAR).then(|| humantime::format_rfc3339_millis(time).to_string())
}
