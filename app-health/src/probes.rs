//! What the probes answer, from snapshots: they run nothing and wait for nothing.
//!
//! | probe | asks | answered no by |
//! |---|---|---|
//! | liveness | should the process be killed and started again? | a blocked runtime, a health service that is gone |
//! | readiness | should it get work? | starting, stopping, a service that is down, a critical check that is not known to pass |
//! | health | how are the checks? | a critical check that is not known to pass |
//!
//! Liveness asks about nothing outside the process: to restart a process because its database is down makes things worse.

use app_core::{App, Readiness, ServiceState};

use crate::{HEALTHCHECK_SERVICE_ID, HealthCheckState, HealthChecks, heartbeat::OLDEST_BEAT};

/// What the health service says of itself.
enum Presence {
    /// It runs.
    Up(std::sync::Arc<HealthChecks>),
    /// The app has no health service: it has no checks either.
    None,
    /// It does not run, and why.
    Down(String),
}

/// Whether the process turns over: every reason why it should be killed and started again.
///
/// An application that stops is alive, for as long as it answers.
#[must_use]
pub fn liveness(app: &App) -> Readiness {
    let mut reasons = Vec::new();
    match presence(app) {
        Presence::Up(checks) => {
            let age = checks.heartbeat().age();
            if age > OLDEST_BEAT {
                reasons
                    .push(format!("the runtime is blocked: its last heartbeat was {} s ago", age.as_secs()));
            }
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
        readiness.reasons.extend(checks.blocking().iter().map(blocked));
    }
    readiness
}

/// The state of every check, or why there is none.
pub(crate) fn states(app: &App) -> Result<Vec<HealthCheckState>, String> {
    match presence(app) {
        Presence::Up(checks) => checks.states().map_err(|error| error.to_string()),
        Presence::None => Ok(Vec::new()),
        Presence::Down(reason) => Err(reason),
    }
}

fn blocked(check: &HealthCheckState) -> String {
    format!("critical health check {} {}", check.spec, check.problem().unwrap_or_default())
}

fn presence(app: &App) -> Presence {
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
