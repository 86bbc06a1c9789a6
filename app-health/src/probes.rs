//! What the probes answer, from snapshots: they run nothing and wait for nothing.
//!
//! | probe | asks | answered no by |
//! |---|---|---|
//! | liveness | should the process be killed and started again? | a scheduler that does not turn, as when the runtime is blocked; a health service that is gone; a critical check in `liveness` that fails |
//! | readiness | should it get work? | starting, stopping, a service that is down, a critical check in `readiness` that is not known to pass, one in `startup` that has never passed |
//! | startup | has it started? | a service that has not started, a critical check in `startup` that has never passed |
//! | health | how are the checks? | a critical check that is not known to pass |
//!
//! Liveness asks about nothing outside the process: to restart a process because its database is down makes things worse.
//! So a check counts for it only when it says so, with the group `liveness`, and only when it fails: one that has not run
//! yet, or not for long, does not.
//!
//! While the process is stopped (SIGSTOP) no probe is answered, which is the truth. When it goes on, it is alive: the
//! heartbeat is old for a moment, and counts as stopped only when it stays so (2 s after it was first seen to be old).

use std::{sync::Arc, time::Duration};

use app_config::Configs;
use app_core::{App, Readiness, ServiceState, show_duration};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckState, HealthChecks, HealthStatus, LIVENESS_GROUP, READINESS_GROUP,
    STARTUP_GROUP,
};

/// What the health service says of itself.
pub(crate) enum Presence {
    /// It runs.
    Up(Arc<HealthChecks>),
    /// The app has no health service: it has no checks either.
    None,
    /// It does not run, and why.
    Down(String),
}

/// Whether the process turns over: every reason why it should be killed and started again. Cheap, and never waits: a
/// watchdog may ask from any thread, also one outside of the runtime, which then notices a runtime that is blocked.
///
/// An application that stops is alive, for as long as it answers.
#[must_use]
pub fn liveness(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    match presence(app) {
        Presence::Up(checks) => {
            if let Some(age) = checks.heartbeat().stopped() {
                reasons.push(format!(
                    "the runtime is blocked: its last heartbeat was {} ago",
                    show_duration(Duration::from_secs(age.as_secs()))
                ));
            }
            let fails = |check: &HealthCheckState| check.blocks() && check.status == HealthStatus::Failing;
            reasons.extend(checks.critical(LIVENESS_GROUP).iter().filter(|check| fails(check)).map(blocked));
        }
        Presence::Down(reason) if app.alive() => reasons.push(reason),
        Presence::Down(_) | Presence::None => {}
    }
    Readiness { reasons }
}

/// Whether the application can do its work: every reason why not. Beside what the app knows itself
/// ([`App::readiness`]) these are its critical health checks.
#[must_use]
pub fn readiness(app: &App) -> Readiness {
    let mut readiness = app.readiness();
    if let Presence::Up(checks) = presence(app) {
        let awaited = |spec| format!("critical health check {spec} has not run yet");
        readiness.reasons.extend(checks.awaited(READINESS_GROUP).iter().map(awaited));
        let critical = checks.critical(READINESS_GROUP);
        readiness.reasons.extend(critical.iter().filter(|check| check.blocks()).map(blocked));
        readiness.reasons.extend(unstarted(&checks));
    }
    readiness
}

/// The critical checks that readiness does not depend on because they are paused, a note for each.
pub(crate) fn paused(app: &App) -> Vec<String> {
    let Presence::Up(checks) = presence(app) else { return Vec::new() };
    let mut critical = checks.critical(READINESS_GROUP);
    critical.extend(
        checks.critical(STARTUP_GROUP).into_iter().filter(|check| !check.spec.in_group(READINESS_GROUP)),
    );
    critical.iter().filter_map(HealthCheckState::pause_note).collect()
}

/// What should be looked at although the application can do its work: configs and identities whose files went bad while it
/// runs ([`Configs::notes`]), and critical checks that are paused.
#[must_use]
pub fn notes(app: &App) -> Vec<String> {
    let mut notes = stale_configs(app);
    notes.extend(paused(app));
    notes
}

/// The notes on configs and identities whose files went bad.
pub(crate) fn stale_configs(app: &App) -> Vec<String> {
    // Without a config service there are no configs.
    app.get::<Configs>().map(|configs| configs.notes()).unwrap_or_default()
}

/// Whether the application has started: every reason why not. Once it has, it has for good.
#[must_use]
pub fn startup(app: &App) -> Readiness {
    let statuses = app.service_statuses();
    let unstarted_services = statuses.iter().filter(|status| status.started_on.is_none());
    let mut reasons: Vec<_> = unstarted_services
        .map(|status| format!("service {} ({}) has not started", status.name, status.id))
        .collect();
    match presence(app) {
        Presence::Up(checks) => reasons.extend(unstarted(&checks)),
        Presence::None if statuses.is_empty() => reasons.push("starting".to_owned()),
        Presence::None | Presence::Down(_) => {}
    }
    Readiness { reasons }
}

/// The critical checks of `startup` that have never passed.
fn unstarted(checks: &HealthChecks) -> Vec<String> {
    let awaited = checks.awaited(STARTUP_GROUP);
    let awaited = awaited.iter().map(|spec| format!("critical health check {spec} has not run yet"));
    let critical = checks.critical(STARTUP_GROUP);
    awaited.chain(critical.iter().filter(|check| check.blocks() && !check.passed_once).map(blocked)).collect()
}

fn blocked(check: &HealthCheckState) -> String {
    format!("critical health check {} {}", check.spec, check.problem().unwrap_or_default())
}

pub(crate) fn presence(app: &App) -> Presence {
    if let (Ok(checks), Some(service)) = (app.get::<HealthChecks>(), app.service(HEALTHCHECK_SERVICE_ID))
        && service.alive()
    {
        return Presence::Up(checks);
    }
    let status = app.service_statuses().into_iter().find(|status| status.id == HEALTHCHECK_SERVICE_ID);
    match status {
        None => Presence::None,
        Some(status) if status.state <= ServiceState::Running => {
            Presence::Down("starting: the health service does not run yet".to_owned())
        }
        Some(status) => {
            let reason = status.reason.unwrap_or_default();
            Presence::Down(format!("the health service is {}: {reason}", status.state))
        }
    }
}

#[cfg(test)]
mod tests;
