//! The answers of the probes, from snapshots. A probe runs no check and waits for nothing.
//!
//! | probe | question | reasons for no |
//! |---|---|---|
//! | liveness | should the process keep running, rather than be restarted? | the scheduler gets no turns, for example because the runtime is blocked; the health service has ended; a critical check in `liveness` fails |
//! | readiness | should it get work? | starting, stopping, a service that is down, a critical check in `readiness` that is not passing, a critical check in `startup` that has never passed |
//! | startup | has it started? | a service that has not started, a critical check in `startup` that has never passed |
//! | health | how are the checks? | a critical check that is not passing |
//!
//! Liveness depends on nothing outside the process, because a restart does not repair a database that is down. So a
//! check counts only if it is in the group `liveness`, and only if it fails. A check with the status unknown does not
//! count.
//!
//! While the process is stopped (SIGSTOP) no probe is answered. When the process continues, its heartbeat is old for a
//! moment. It counts as stopped only if it is still old 2 s after a probe first saw that.

use std::{sync::Arc, time::Duration};

use app_config::Configs;
use app_core::{App, ServiceState, duration::show_duration, plugins::ReadyWhen, status::Readiness};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckState, HealthChecks, HealthStatus, LIVENESS_GROUP, LinkedNotes,
    READINESS_GROUP, STARTUP_GROUP,
};

/// The health service, as the probes see it.
pub(crate) enum HealthService {
    /// The service runs.
    Running(Arc<HealthChecks>),
    /// The app has no health service, and so no checks.
    Absent,
    /// The service starts, or is about to.
    Starting,
    /// The service has ended, with the reason.
    Down(String),
}

/// Whether the process is alive, with every reason why it should be restarted.
///
/// The call is cheap and never waits. A watchdog may call it from any thread. A thread outside of the runtime also
/// notices when the runtime is blocked.
///
/// An application that is stopping is alive as long as it answers.
#[must_use]
pub fn liveness(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    match health_service(app) {
        HealthService::Running(checks) => {
            if let Some(age) = checks.heartbeat().stopped() {
                reasons.push(format!(
                    "the runtime is blocked: its last heartbeat was {} ago",
                    show_duration(Duration::from_secs(age.as_secs()))
                ));
            }
            let fails = |check: &HealthCheckState| check.blocks() && check.status == HealthStatus::Failing;
            reasons.extend(checks.critical(LIVENESS_GROUP).iter().filter(|check| fails(check)).map(failure));
        }
        HealthService::Down(reason) if app.alive() => reasons.push(reason),
        // Its start has a deadline of its own. A probe of an inherited listener may come before the health service runs.
        HealthService::Starting | HealthService::Down(_) | HealthService::Absent => {}
    }
    Readiness::new(reasons)
}

inventory::submit! { ReadyWhen::new(|app| readiness(app).reasons) }

/// Whether the application can do its work, with every reason why not.
///
/// The reasons are those of [`App::readiness`] and of the critical health checks.
#[must_use]
pub fn readiness(app: &App) -> Readiness {
    let mut readiness = app.readiness();
    if let HealthService::Running(checks) = health_service(app) {
        let not_run = |spec| format!("critical health check {spec} has not run yet");
        readiness.reasons.extend(checks.pending(READINESS_GROUP).iter().map(not_run));
        let critical = checks.critical(READINESS_GROUP);
        readiness.reasons.extend(critical.iter().filter(|check| check.blocks()).map(failure));
        readiness.reasons.extend(unstarted(&checks));
    }
    readiness
}

/// A note for each critical check that is paused. Readiness does not depend on these checks.
pub(crate) fn paused(app: &App) -> Vec<String> {
    let HealthService::Running(checks) = health_service(app) else { return Vec::new() };
    let mut critical = checks.critical(READINESS_GROUP);
    critical.extend(
        checks.critical(STARTUP_GROUP).into_iter().filter(|check| !check.spec.in_group(READINESS_GROUP)),
    );
    critical.iter().filter_map(HealthCheckState::pause_note).collect()
}

/// Problems that need attention although the application can do its work.
///
/// These are configs and identities whose files went bad ([`Configs::notes`]), critical checks that are paused, and the notes of
/// linked crates ([`LinkedNotes`](crate::LinkedNotes)).
#[must_use]
pub fn notes(app: &App) -> Vec<String> {
    let mut notes = stale_configs(app);
    notes.extend(paused(app));
    notes.extend(LinkedNotes::all(app));
    notes
}

/// Notes on configs and identities whose files went bad.
pub(crate) fn stale_configs(app: &App) -> Vec<String> {
    // Without a config service, the app has no configs.
    app.get::<Configs>().map(|configs| configs.notes()).unwrap_or_default()
}

/// Whether the application has started, with every reason why not. Once it has started, it stays so.
#[must_use]
pub fn startup(app: &App) -> Readiness {
    let statuses = app.service_statuses();
    let unstarted_services = statuses.iter().filter(|status| status.started_on.is_none());
    let mut reasons: Vec<_> = unstarted_services
        .map(|status| format!("service {} ({}) has not started", status.name, status.id))
        .collect();
    match health_service(app) {
        HealthService::Running(checks) => reasons.extend(unstarted(&checks)),
        HealthService::Absent if statuses.is_empty() => reasons.push("starting".to_owned()),
        HealthService::Absent | HealthService::Starting | HealthService::Down(_) => {}
    }
    Readiness::new(reasons)
}

/// The critical checks in `startup` that have never passed, with the reasons.
fn unstarted(checks: &HealthChecks) -> Vec<String> {
    let pending = checks.pending(STARTUP_GROUP);
    let pending = pending.iter().map(|spec| format!("critical health check {spec} has not run yet"));
    let critical = checks.critical(STARTUP_GROUP);
    pending.chain(critical.iter().filter(|check| check.blocks() && !check.passed_once).map(failure)).collect()
}

fn failure(check: &HealthCheckState) -> String {
    format!("critical health check {} {}", check.spec, check.problem().unwrap_or_default())
}

pub(crate) fn health_service(app: &App) -> HealthService {
    if let (Ok(checks), Some(service)) = (app.get::<HealthChecks>(), app.service(HEALTHCHECK_SERVICE_ID))
        && service.alive()
    {
        return HealthService::Running(checks);
    }
    let status = app.service_statuses().into_iter().find(|status| status.id == HEALTHCHECK_SERVICE_ID);
    match status {
        None => HealthService::Absent,
        Some(status) if status.state <= ServiceState::Running => HealthService::Starting,
        Some(status) => {
            let reason = status.reason.unwrap_or_default();
            HealthService::Down(format!("the health service is {}: {reason}", status.state))
        }
    }
}

#[cfg(test)]
mod tests;
