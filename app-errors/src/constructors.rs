//! Constructors for the errors that every application has. Each sets a message that names the thing.

use app_ids::{HealthCheckId, ServiceId};
use serde_json::Value;

use crate::{BoxError, ErrSpec, Error, errors};

/// The application. It raises the errors that belong to no service.
const APP: ServiceId = ServiceId::new(0);

/// The health check service, which raises the errors about health checks. This crate cannot import the service's crate,
/// so the id is here a second time.
const HEALTH_CHECKS: ServiceId = ServiceId::new(0xe105_d090_9fcc_5ec5);

/// [`APP_NOT_ALIVE`](errors::APP_NOT_ALIVE).
#[must_use]
#[track_caller]
pub fn app_not_alive_error() -> Error {
    errors::APP_NOT_ALIVE
        .error(APP)
        .message("the application is not alive: it was killed and accepts no more work")
        .build()
}

/// [`CONFIG_FAILURE`](errors::CONFIG_FAILURE) of `service`; the message should name the file, the field and the reason.
#[must_use]
#[track_caller]
pub fn config_error(service: ServiceId, cause: impl Into<BoxError>, message: impl Into<String>) -> Error {
    errors::CONFIG_FAILURE.error(service).cause(cause).message(message).build()
}

/// [`HEALTH_CHECK_ALREADY_REGISTERED`](errors::HEALTH_CHECK_ALREADY_REGISTERED).
#[must_use]
#[track_caller]
pub fn health_check_already_registered_error(id: HealthCheckId) -> Error {
    let message = format!("health check {} is already registered", id.describe());
    errors::HEALTH_CHECK_ALREADY_REGISTERED.error(HEALTH_CHECKS).message(message).build()
}

/// [`HEALTH_CHECK_KILL_TIMEOUT`](errors::HEALTH_CHECK_KILL_TIMEOUT).
#[must_use]
#[track_caller]
pub fn health_check_kill_timeout_error(id: HealthCheckId) -> Error {
    let message = format!("health check {} did not end in time after it was cancelled", id.describe());
    errors::HEALTH_CHECK_KILL_TIMEOUT.error(HEALTH_CHECKS).message(message).build()
}

/// [`HEALTH_CHECK_NOT_ALIVE`](errors::HEALTH_CHECK_NOT_ALIVE).
#[must_use]
#[track_caller]
pub fn health_check_not_alive_error(id: HealthCheckId) -> Error {
    let message = format!("health check {} is not alive: it is paused, or was removed", id.describe());
    errors::HEALTH_CHECK_NOT_ALIVE.error(HEALTH_CHECKS).message(message).build()
}

/// [`HEALTH_CHECK_NOT_REGISTERED`](errors::HEALTH_CHECK_NOT_REGISTERED).
#[must_use]
#[track_caller]
pub fn health_check_not_registered_error(id: HealthCheckId) -> Error {
    let message = format!("health check {} is not registered", id.describe());
    errors::HEALTH_CHECK_NOT_REGISTERED.error(HEALTH_CHECKS).message(message).build()
}

/// [`HEALTH_CHECK_TIMEOUT`](errors::HEALTH_CHECK_TIMEOUT).
#[must_use]
#[track_caller]
pub fn health_check_timeout_error(id: HealthCheckId) -> Error {
    let message = format!("health check {} did not answer in time, and was cancelled", id.describe());
    errors::HEALTH_CHECK_TIMEOUT.error(HEALTH_CHECKS).message(message).build()
}

/// [`ILLEGAL_ARGUMENT`](errors::ILLEGAL_ARGUMENT), raised by the application. For a service, use
/// `ILLEGAL_ARGUMENT.error(service)`.
#[must_use]
#[track_caller]
pub fn illegal_argument_error(message: impl Into<String>) -> Error {
    errors::ILLEGAL_ARGUMENT.error(APP).message(message).build()
}

/// [`INVALID_LOG_LEVEL`](errors::INVALID_LOG_LEVEL).
#[must_use]
#[track_caller]
pub fn invalid_log_level_error(message: impl Into<String>) -> Error {
    errors::INVALID_LOG_LEVEL.error(APP).message(message).build()
}

/// [`BUG`](errors::BUG): an unexpected error. Takes everything that a builder takes.
#[must_use]
#[track_caller]
pub fn new_bug(
    cause: Option<BoxError>,
    message: impl Into<String>,
    service: ServiceId,
    context: Option<Value>,
    tags: &[&str],
) -> Error {
    new_error(cause, message, &errors::BUG, service, context, tags)
}

/// The error of `spec`. Takes everything that a builder takes.
#[must_use]
#[track_caller]
pub fn new_error(
    cause: Option<BoxError>,
    message: impl Into<String>,
    spec: &ErrSpec,
    service: ServiceId,
    context: Option<Value>,
    tags: &[&str],
) -> Error {
    let mut error = spec.error(service).message(message).tags(tags.iter().copied());
    if let Some(cause) = cause {
        error = error.cause(cause);
    }
    if let Some(context) = context {
        error = error.context(context);
    }
    error.build()
}

/// [`SERVICE_ALREADY_REGISTERED`](errors::SERVICE_ALREADY_REGISTERED).
#[must_use]
#[track_caller]
pub fn service_already_registered_error(id: ServiceId) -> Error {
    let message = format!("service {} is already registered", id.describe());
    errors::SERVICE_ALREADY_REGISTERED.error(id).message(message).build()
}

/// [`SERVICE_INIT_FAILED`](errors::SERVICE_INIT_FAILED).
#[must_use]
#[track_caller]
pub fn service_init_error(id: ServiceId, cause: impl Into<BoxError>) -> Error {
    let message = format!("service {} could not be started", id.describe());
    errors::SERVICE_INIT_FAILED.error(id).cause(cause).message(message).build()
}

/// [`SERVICE_NOT_ALIVE`](errors::SERVICE_NOT_ALIVE).
#[must_use]
#[track_caller]
pub fn service_not_alive_error(id: ServiceId) -> Error {
    let message = format!("service {} is not alive: it was killed, or has failed", id.describe());
    errors::SERVICE_NOT_ALIVE.error(id).message(message).build()
}

/// [`SERVICE_NOT_AVAILABLE`](errors::SERVICE_NOT_AVAILABLE).
#[must_use]
#[track_caller]
pub fn service_not_available_error(id: ServiceId) -> Error {
    let message = format!("service {} is not available now", id.describe());
    errors::SERVICE_NOT_AVAILABLE.error(id).message(message).build()
}

/// [`SERVICE_NOT_REGISTERED`](errors::SERVICE_NOT_REGISTERED).
#[must_use]
#[track_caller]
pub fn service_not_registered_error(id: ServiceId) -> Error {
    let message =
        format!("service {} is not registered: its crate is not linked, or it has ended", id.describe());
    errors::SERVICE_NOT_REGISTERED.error(id).message(message).build()
}

/// [`SERVICE_SHUTDOWN_FAILED`](errors::SERVICE_SHUTDOWN_FAILED).
#[must_use]
#[track_caller]
pub fn service_shutdown_error(id: ServiceId, cause: impl Into<BoxError>) -> Error {
    let message = format!("service {} did not stop as it should", id.describe());
    errors::SERVICE_SHUTDOWN_FAILED.error(id).cause(cause).message(message).build()
}

#[cfg(test)]
mod tests;
