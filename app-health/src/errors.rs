//! Errors of runs. Each message names the check.

use std::{any::Any, time::Duration};

use app_core::duration::show_duration;
use app_core::prelude::{Error, ErrorId, HealthCheckId, errors};
use app_errors::{BoxError, ErrSpec, ErrorSeverity, ErrorType};

use crate::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec};

/// A check failed with an error of another type, which is the cause of this error.
pub const HEALTH_CHECK_FAILED: ErrSpec =
    ErrSpec::new(ErrorId::new(0x48d1_067a_6848_7a96), ErrorType::KnownEdgeCase, ErrorSeverity::Medium)
        .without_stack();

/// Too many callers wait for a result of one check.
pub const HEALTH_CHECK_BUSY: ErrSpec =
    ErrSpec::new(ErrorId::new(0xeb0f_3ff4_a905_c698), ErrorType::KnownEdgeCase, ErrorSeverity::Low)
        .without_stack();

app_ids::__inventory::submit! {
    app_ids::IdName::new(app_ids::IdKind::Error, HEALTH_CHECK_BUSY.id.as_u64(), "HealthCheckBusy")
}

app_ids::__inventory::submit! {
    app_ids::IdName::new(app_ids::IdKind::Error, HEALTH_CHECK_FAILED.id.as_u64(), "HealthCheckFailed")
}

/// The error of a failed check. A platform error stays as it is; any other error becomes the cause of one.
pub(crate) fn failed(spec: &HealthCheckSpec, cause: BoxError) -> Error {
    match cause.downcast::<Error>() {
        Ok(error) => *error,
        Err(cause) => {
            let message = format!("health check {spec} failed");
            HEALTH_CHECK_FAILED.error(HEALTHCHECK_SERVICE_ID).cause(cause).message(message).build()
        }
    }
}

pub(crate) fn panicked(spec: &HealthCheckSpec, panic: &(dyn Any + Send)) -> Error {
    let text = panic.downcast_ref::<&'static str>().copied();
    let text = text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("(no message)");
    let message = format!("health check {spec} panicked: {text}");
    errors::BUG.error(HEALTHCHECK_SERVICE_ID).message(message).tag("PANIC").build()
}

pub(crate) fn timed_out(spec: &HealthCheckSpec) -> Error {
    let timeout = show_duration(spec.timeout);
    let message = format!("health check {spec}: timed out after {timeout}, and was cancelled");
    errors::HEALTH_CHECK_TIMEOUT.error(HEALTHCHECK_SERVICE_ID).message(message).build()
}

/// A run could not begin, because an earlier run was cancelled and has not ended.
pub(crate) fn still_running(spec: &HealthCheckSpec, since: Duration) -> Error {
    let since = show_duration(since);
    let message = format!(
        "health check {spec}: its run was cancelled {since} ago and has not ended; run blocking code with `run_blocking`"
    );
    errors::HEALTH_CHECK_KILL_TIMEOUT.error(HEALTHCHECK_SERVICE_ID).message(message).build()
}

pub(crate) fn busy(id: HealthCheckId) -> Error {
    let message =
        format!("health check {}: too many callers wait for its result; try again later", id.describe());
    HEALTH_CHECK_BUSY.error(HEALTHCHECK_SERVICE_ID).message(message).build()
}
