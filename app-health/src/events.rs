//! Log lines of health checks: changes at full volume, what stays as it was at debug level.

use app_core::{
    events::{
        HEALTHCHECK_PAUSED, HEALTHCHECK_REGISTERED, HEALTHCHECK_RESULT, HEALTHCHECK_RESUMED,
        ZERO_HEALTHCHECKS,
    },
    prelude::{HealthCheckId, Logger, debug, info, warn},
};

use crate::{HealthCheckResult, HealthCheckSpec, HealthStatus};

/// The log field that has the id of a health check, in hex.
pub const HEALTHCHECK_ID_LOG_FIELD: &str = "healthcheck";

pub(crate) fn registered(log: &Logger, spec: &HealthCheckSpec, replaced: bool) {
    info!(log, "health check {spec} registered";
        "event" => HEALTHCHECK_REGISTERED.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex(),
        "interval_seconds" => spec.interval.as_secs_f64(), "timeout_seconds" => spec.timeout.as_secs_f64(),
        "critical" => spec.critical, "replaced" => replaced);
}

pub(crate) fn paused(log: &Logger, spec: &HealthCheckSpec) {
    info!(log, "health check {spec} paused";
        "event" => HEALTHCHECK_PAUSED.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex());
}

pub(crate) fn resumed(log: &Logger, spec: &HealthCheckSpec) {
    info!(log, "health check {spec} resumed";
        "event" => HEALTHCHECK_RESUMED.hex(), HEALTHCHECK_ID_LOG_FIELD => spec.id.hex());
}

pub(crate) fn none_registered(log: &Logger) {
    warn!(log, "no health check is registered"; "event" => ZERO_HEALTHCHECKS.hex());
}

pub(crate) fn config_without_check(log: &Logger, id: HealthCheckId) {
    warn!(log, "the config has a schedule for health check {}, which is not registered", id.describe();
        HEALTHCHECK_ID_LOG_FIELD => id.hex());
}

/// A result: a change of status, a first failure, and of further ones the 2nd, 4th, 8th .. are at full volume.
pub(crate) fn result(
    log: &Logger,
    spec: &HealthCheckSpec,
    result: &HealthCheckResult,
    change: Option<(HealthStatus, HealthStatus)>,
) {
    let HealthCheckResult { error, duration, error_count, .. } = result;
    let (id, seconds) = (spec.id.hex(), duration.as_secs_f64());
    let event = HEALTHCHECK_RESULT.hex();
    match (error, change) {
        (Some(error), Some((from, to))) => warn!(log, "health check {spec} is {to}, was {from}";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "duration_seconds" => seconds,
            "failures" => error_count, "critical" => spec.critical, "err" => #error),
        (Some(error), None) if error_count.is_power_of_two() => warn!(log, "health check {spec} failed";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "duration_seconds" => seconds,
            "failures" => error_count, "critical" => spec.critical, "err" => #error),
        (Some(error), None) => debug!(log, "health check {spec} failed again: {error}";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "duration_seconds" => seconds,
            "failures" => error_count),
        (None, Some((from, to))) => info!(log, "health check {spec} is {to}, was {from}";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "duration_seconds" => seconds),
        (None, None) => debug!(log, "health check {spec} passed";
            "event" => event, HEALTHCHECK_ID_LOG_FIELD => id, "duration_seconds" => seconds),
    }
}
