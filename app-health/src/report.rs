//! The answers of the probes as JSON, in the shape of the IETF draft "Health Check Response Format for HTTP APIs"
//! (draft-inadarei-api-health-check-06), with members of our own beside those of the draft.

mod component;

use std::collections::BTreeMap;

use app_core::{App, status::Readiness};
use serde_json::{Value, json};

use self::component::{component, details, shortened};
use crate::{
    HealthCheckState, HealthChecks, HealthStatus, LIVENESS_GROUP, LinkedNotes, READINESS_GROUP,
    STARTUP_GROUP,
    probes::{self, HealthService},
};

/// The media type of the draft.
pub(crate) const CONTENT_TYPE: &str = "application/health+json";

/// An answer: HTTP status and document.
pub(crate) struct Report {
    pub(crate) http_status: u16,
    pub(crate) document: Value,
}

/// The answer of a probe without checks: yes, or no with reasons.
pub(crate) fn verdict(app: &App, verdict: Readiness) -> Report {
    report(app, worst([grade(&verdict)]), verdict.reasons, None)
}

/// The answer of the readiness probe, with reasons and notes.
///
/// Configs whose files went bad turn `pass` into `warn`. Paused checks do not.
pub(crate) fn readiness(app: &App) -> Report {
    let (readiness, stale) = (probes::readiness(app), probes::stale_configs(app));
    let status = worst([grade(&readiness), u8::from(!stale.is_empty())]);
    let notes = readiness
        .reasons
        .into_iter()
        .chain(stale)
        .chain(probes::paused(app))
        .chain(LinkedNotes::all(app))
        .collect();
    report(app, status, notes, None)
}

/// The answer with all checks.
pub(crate) fn health(app: &App) -> Report {
    match states(app, HealthChecks::states) {
        Ok(states) => of_checks(app, &states),
        Err(reason) => report(app, 2, vec![reason], None),
    }
}

/// The answer for a name: the probe of a group, a group, the check with this id, or the checks with this name, in this
/// order.
///
/// So no check can hide a group, and `0x` with the id of a check always means that check.
pub(crate) fn named(app: &App, name: &str) -> Report {
    let probe = match name {
        LIVENESS_GROUP => Some(probes::liveness(app)),
        READINESS_GROUP => Some(probes::readiness(app)),
        STARTUP_GROUP => Some(probes::startup(app)),
        _ => None,
    };
    if let Some(probe) = probe {
        let members = states(app, |checks| checks.group(name)).unwrap_or_default();
        let warns = u8::from(members.iter().any(|check| importance(check) > 0));
        let notes = if name == READINESS_GROUP { probes::stale_configs(app) } else { Vec::new() };
        let status = worst([grade(&probe), warns, u8::from(!notes.is_empty())]);
        let notes = probe.reasons.into_iter().chain(notes).collect();
        return report(app, status, notes, Some(components(&members)));
    }
    let all = match states(app, HealthChecks::states) {
        Ok(all) => all,
        Err(reason) => return report(app, 2, vec![reason], None),
    };
    let chosen = |choose: &dyn Fn(&HealthCheckState) -> bool| -> Vec<HealthCheckState> {
        all.iter().filter(|check| choose(check)).cloned().collect()
    };
    let group = chosen(&|check| check.spec.in_group(name));
    if !group.is_empty() {
        return of_checks(app, &group);
    }
    let id = u64::from_str_radix(name.strip_prefix("0x").unwrap_or(name), 16).ok();
    let by_id = chosen(&|check| Some(check.spec.id.as_u64()) == id);
    let found = if by_id.is_empty() { chosen(&|check| check.spec.label() == name) } else { by_id };
    if found.is_empty() {
        let reason = format!("no health check and no group has the name {}", shortened(name));
        return Report { http_status: 404, ..report(app, 2, vec![reason], None) };
    }
    single(app, &found)
}

/// The answer with checks that were requested by id or name, in full.
fn single(app: &App, found: &[HealthCheckState]) -> Report {
    let grades = found.iter().map(|check| match check.status {
        HealthStatus::Passing => 0,
        HealthStatus::Failing => 2,
        HealthStatus::Unknown => importance(check),
    });
    let checks = match probes::health_service(app) {
        HealthService::Running(checks) => Some(checks),
        HealthService::Absent | HealthService::Starting | HealthService::Down(_) => None,
    };
    let mut by_label: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for check in found {
        let mut value = component(check, word(importance(check)));
        if let Some(checks) = &checks {
            details(checks, check.spec.id, &mut value);
        }
        by_label.entry(check.spec.label().into_owned()).or_default().push(value);
    }
    report(app, worst(grades), Vec::new(), Some(json!(by_label)))
}

fn of_checks(app: &App, checks: &[HealthCheckState]) -> Report {
    report(app, worst(checks.iter().map(importance)), Vec::new(), Some(components(checks)))
}

fn components(checks: &[HealthCheckState]) -> Value {
    let mut by_label: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for check in checks {
        let value = component(check, word(importance(check)));
        by_label.entry(check.spec.label().into_owned()).or_default().push(value);
    }
    json!(by_label)
}

fn report(app: &App, status: u8, notes: Vec<String>, checks: Option<Value>) -> Report {
    let mut document = json!({
        "status": word(status),
        "serviceId": app.id().hex(),
        "releaseId": app.release().hex(),
        "instanceId": app.instance().hex(),
    });
    if !notes.is_empty() {
        let notes: Vec<_> = notes.iter().map(|note| shortened(note)).collect();
        document["notes"] = json!(notes);
    }
    if let Some(checks) = checks {
        document["checks"] = checks;
    }
    Report { http_status: if status == 2 { 503 } else { 200 }, document }
}

/// The states of checks, or the reason why they cannot be read.
fn states(
    app: &App,
    read: impl FnOnce(&HealthChecks) -> Result<Vec<HealthCheckState>, app_core::prelude::Error>,
) -> Result<Vec<HealthCheckState>, String> {
    match probes::health_service(app) {
        HealthService::Running(checks) => read(&checks).map_err(|error| error.to_string()),
        HealthService::Absent => Ok(Vec::new()),
        HealthService::Starting => Err("starting: the health service does not run yet".to_owned()),
        HealthService::Down(reason) => Err(reason),
    }
}

/// How much the state of a check matters: 2 if the application cannot do its work, 1 if an operator should look, else
/// 0.
fn importance(check: &HealthCheckState) -> u8 {
    match (check.blocks(), check.status) {
        (true, _) => 2,
        (false, HealthStatus::Passing) => 0,
        (false, _) => 1,
    }
}

fn grade(verdict: &Readiness) -> u8 {
    if verdict.ready() { 0 } else { 2 }
}

fn worst(grades: impl IntoIterator<Item = u8>) -> u8 {
    grades.into_iter().max().unwrap_or_default()
}

const fn word(grade: u8) -> &'static str {
    match grade {
        0 => "pass",
        1 => "warn",
        _ => "fail",
    }
}

#[cfg(test)]
mod tests;
