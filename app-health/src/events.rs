//! Events of health checks: typed values for subscribers. The log records are made from the same values.
//!
//! Status changes are logged as info or warning. Of failures in a row, the 1st, 2nd, 4th, 8th and so on are warnings,
//! with their number. All other failures, and runs that pass, are logged as debug.

use std::{fmt, sync::Arc, time::SystemTime};

use app_core::events::Journal;
use app_core::prelude::{HealthCheckId, LogEventId, Logger, debug, info, warn};
use tokio::sync::broadcast;

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthStatus,
    log_events::{
        HEALTHCHECK_PAUSED, HEALTHCHECK_REGISTERED, HEALTHCHECK_RESULT, HEALTHCHECK_RESUMED,
        ZERO_HEALTHCHECKS,
    },
};

/// Log field with the id of a health check, in hex.
pub const HEALTHCHECK_ID_LOG_FIELD: &str = "healthcheck";

/// Capacity of a subscriber's queue. A subscriber that lags further behind misses events.
pub(crate) const EVENTS: usize = 1_024;

/// An event of a health check. Subscribe with `HealthChecks::events`.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthEvent {
    /// The check.
    pub spec: Arc<HealthCheckSpec>,
    /// What happened.
    pub kind: HealthEventKind,
}

/// The kinds of [`HealthEvent`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum HealthEventKind {
    /// The check was registered.
    Registered {
        /// Whether it replaced a check with the same id.
        replaced: bool,
    },
    /// The check was removed.
    Unregistered,
    /// The check was paused.
    Paused,
    /// The check was resumed.
    Resumed,
    /// The status of the check changed.
    Changed(Box<HealthTransition>),
    /// A run was cancelled and dropped, and has not ended. It blocks its thread.
    Abandoned,
}

impl HealthEventKind {
    /// The name of the kind, such as `healthcheck_result`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Unregistered => "healthcheck_unregistered",
            Self::Abandoned => "healthcheck_abandoned",
            _ => self.log_event_id().and_then(LogEventId::name).unwrap_or_default(),
        }
    }

    /// The id under which the event is logged, if it has one.
    #[must_use]
    pub fn log_event_id(&self) -> Option<LogEventId> {
        match self {
            Self::Registered { .. } => Some(HEALTHCHECK_REGISTERED),
            Self::Paused => Some(HEALTHCHECK_PAUSED),
            Self::Resumed => Some(HEALTHCHECK_RESUMED),
            Self::Changed(_) => Some(HEALTHCHECK_RESULT),
            Self::Unregistered | Self::Abandoned => None,
        }
    }
}

/// What happened, in one sentence for people.
impl fmt::Display for HealthEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "health check {}: ", self.spec)?;
        match &self.kind {
            HealthEventKind::Registered { replaced: false } => f.write_str("registered"),
            HealthEventKind::Registered { replaced: true } => {
                f.write_str("registered, replaces an earlier check")
            }
            HealthEventKind::Unregistered => f.write_str("unregistered"),
            HealthEventKind::Paused => f.write_str("paused"),
            HealthEventKind::Resumed => f.write_str("resumed"),
            HealthEventKind::Changed(transition) => transition.fmt(f),
            HealthEventKind::Abandoned => f.write_str("a cancelled run does not end: it blocks its thread"),
        }
    }
}

impl fmt::Display for HealthTransition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { from, to, result, .. } = self;
        match result.as_ref().map(|result| &result.error) {
            Some(Some(error)) => write!(f, "is {to}, was {from}: {error}"),
            Some(None) => write!(f, "is {to}, was {from}"),
            None => write!(f, "is {to}, was {from}: the last result is too old"),
        }
    }
}

/// A change of a health check's status.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthTransition {
    /// The status before the change.
    pub from: HealthStatus,
    /// The status after the change.
    pub to: HealthStatus,
    /// When the status changed.
    pub at: SystemTime,
    /// The result that caused the change; `None` if the status is unknown because the last result became stale.
    pub result: Option<HealthCheckResult>,
}

/// Sends events to the log, the journal and the subscribers.
pub(crate) struct EventSender {
    log: Logger,
    journal: Journal,
    sender: broadcast::Sender<HealthEvent>,
}

impl EventSender {
    pub(crate) fn new(log: Logger, journal: Journal) -> Self {
        Self { log, journal, sender: broadcast::Sender::new(EVENTS) }
    }

    pub(crate) fn subscribe(&self) -> broadcast::Receiver<HealthEvent> {
        self.sender.subscribe()
    }

    pub(crate) fn send(&self, spec: &Arc<HealthCheckSpec>, kind: HealthEventKind) {
        self.log(spec, &kind);
        let event = HealthEvent { spec: Arc::clone(spec), kind };
        let kind = (event.kind.name(), event.kind.log_event_id());
        self.journal.add_of_check((spec.id, spec.shown_name()), kind, &event.to_string());
        // Fails if there is no subscriber.
        let _ = self.sender.send(event);
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
                "health check {spec}: a run was cancelled and does not end; it blocks its thread";
                HEALTHCHECK_ID_LOG_FIELD => id),
        }
    }

    /// Logs a result that did not change the status.
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
        warn!(log, "health check {spec} is {to}, was {from}: its last result is stale";
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

/// Warns of a schedule for an unknown check. `id` is `None` if the config is sealed.
pub(crate) fn config_without_check(log: &Logger, id: Option<HealthCheckId>) {
    let Some(id) = id else {
        return warn!(log, "the config has a schedule for a health check that is not registered");
    };
    warn!(log, "the config has a schedule for health check {}, which is not registered", id.describe();
        HEALTHCHECK_ID_LOG_FIELD => id.hex());
}
