//! What happens to health checks: typed values, sent to whoever subscribes; log lines are an adapter of them.
//!
//! Changes are logged at full volume. What stays as it was is not: of failures in a row the 1st, 2nd, 4th, 8th .. are,
//! with their number, the others at debug level like the runs that pass.

use std::{sync::Arc, time::SystemTime};

use app_core::{
    events::{
        HEALTHCHECK_PAUSED, HEALTHCHECK_REGISTERED, HEALTHCHECK_RESULT, HEALTHCHECK_RESUMED,
        ZERO_HEALTHCHECKS,
    },
    prelude::{HealthCheckId, Logger, debug, info, warn},
};
use tokio::sync::broadcast;

use crate::{HealthCheckResult, HealthCheckSpec, HealthStatus};

/// The log field that has the id of a health check, in hex.
pub const HEALTHCHECK_ID_LOG_FIELD: &str = "healthcheck";

/// How many events a slow subscriber may lag behind before it misses some.
pub(crate) const EVENTS: usize = 1_024;

/// Something happened to a health check. Subscribe with [`HealthChecks::events`](crate::HealthChecks::events).
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthEvent {
    /// The check.
    pub spec: Arc<HealthCheckSpec>,
    /// What happened to it.
    pub kind: HealthEventKind,
}

/// What happened to a health check.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HealthEventKind {
    /// It was registered.
    Registered {
        /// Whether it replaced one with its id.
        replaced: bool,
    },
    /// It was removed.
    Unregistered,
    /// It was paused.
    Paused,
    /// It was resumed.
    Resumed,
    /// What is held of it changed.
    Changed(Box<HealthTransition>),
    /// A run of it was cancelled and dropped, and has not ended: it blocks its thread.
    Abandoned,
}

/// A change of what is held of a health check.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthTransition {
    /// What was held of it.
    pub from: HealthStatus,
    /// What is held of it now.
    pub to: HealthStatus,
    /// When it changed.
    pub at: SystemTime,
    /// The result that made it change; `None` when there was none for so long that it is unknown.
    pub result: Option<HealthCheckResult>,
}

/// Tells subscribers and the log.
pub(crate) struct Herald {
    log: Logger,
    sender: broadcast::Sender<HealthEvent>,
}

impl Herald {
    pub(crate) fn new(log: Logger) -> Self {
        Self { log, sender: broadcast::Sender::new(EVENTS) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<HealthEvent> {
        self.sender.subscribe()
    }

    pub(crate) fn tell(&self, spec: &Arc<HealthCheckSpec>, kind: HealthEventKind) {
        self.log(spec, &kind);
        // Refused when nobody listens.
        let _ = self.sender.send(HealthEvent { spec: Arc::clone(spec), kind });
    }

    fn log(&self, spec: &HealthCheckSpec, kind: &HealthEventKind) {
        let (log, id) = (&self.log, spec.id.hex());
        match kind {
            HealthEventKind::Registered { replaced } => {
                debug!(log, "health check {spec} registered";
                    "event" => HEALTHCHECK_REGISTERED.hex(), HEALTHCHECK_ID_LOG_FIELD => id,
                    "interval_seconds" => spec.interval.as_secs_f64(),
                    "timeout_seconds" => spec.timeout.as_secs_f64(),
                    "critical" => spec.critical, "replaced" => replaced);
            }
            HealthEventKind::Unregistered => {
                debug!(log, "health check {spec} unregistered"; HEALTHCHECK_ID_LOG_FIELD => id);
            }
            HealthEventKind::Paused => info!(log, "health check {spec} paused";
                "event" => HEALTHCHECK_PAUSED.hex(), HEALTHCHECK_ID_LOG_FIELD => id),
            HealthEventKind::Resumed => info!(log, "health check {spec} resumed";
                "event" => HEALTHCHECK_RESUMED.hex(), HEALTHCHECK_ID_LOG_FIELD => id),
            HealthEventKind::Changed(transition) => changed(log, spec, transition),
            HealthEventKind::Abandoned => warn!(log,
                "health check {spec} was cancelled and does not end: it blocks its thread";
                HEALTHCHECK_ID_LOG_FIELD => id),
        }
    }

    /// A result that changed nothing.
    pub(crate) fn log_result(&self, spec: &HealthCheckSpec, result: &HealthCheckResult) {
        let HealthCheckResult { error, duration, error_count, outcome, .. } = result;
        let log = &self.log;
        let seconds = duration.as_secs_f64();
        match error {
            Some(error) if error_count.is_power_of_two() => warn!(log, "health check {spec} failed";
                "event" => HEALTHCHECK_RESULT.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex(),
                "outcome" => outcome.as_str(), "duration_seconds" => seconds,
                "failures" => error_count, "critical" => spec.critical, "err" => #error),
            Some(error) => debug!(log, "health check {spec} failed again: {error}";
                "event" => HEALTHCHECK_RESULT.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex(),
                "outcome" => outcome.as_str(), "duration_seconds" => seconds, "failures" => error_count),
            None => debug!(log, "health check {spec} passed";
                "event" => HEALTHCHECK_RESULT.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex(),
                "outcome" => outcome.as_str(), "duration_seconds" => seconds),
        }
    }
}

fn changed(log: &Logger, spec: &HealthCheckSpec, transition: &HealthTransition) {
    let HealthTransition { from, to, result, .. } = transition;
    let (id, event) = (spec.id.hex(), HEALTHCHECK_RESULT.hex());
    let Some(HealthCheckResult { error, duration, error_count, outcome, .. }) = result else {
        warn!(log, "health check {spec} is {to}, was {from}: its last result is too old";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "critical" => spec.critical);
        return;
    };
    let seconds = duration.as_secs_f64();
    match error {
        Some(error) => warn!(log, "health check {spec} is {to}, was {from}";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "outcome" => outcome.as_str(),
            "duration_seconds" => seconds, "failures" => error_count, "critical" => spec.critical,
            "err" => #error),
        None => info!(log, "health check {spec} is {to}, was {from}";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "outcome" => outcome.as_str(),
            "duration_seconds" => seconds),
    }
}

pub(crate) fn none_registered(log: &Logger) {
    warn!(log, "no health check is registered"; "event" => ZERO_HEALTHCHECKS.hex());
}

/// The id is `None` where the config is sealed.
pub(crate) fn config_without_check(log: &Logger, id: Option<HealthCheckId>) {
    let Some(id) = id else {
        return warn!(log, "the config has a schedule for a health check that is not registered");
    };
    warn!(log, "the config has a schedule for health check {}, which is not registered", id.describe();
        HEALTHCHECK_ID_LOG_FIELD => id.hex());
}
