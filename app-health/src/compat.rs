//! The functions of the Go library that this project follows. Each calls the health checks of the process's current
//! app.
//!
//! New code should take `Dep<HealthChecks>` as a parameter instead: tests can then run many apps in one process.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use app_core::prelude::{Error, HealthCheckId};
use app_errors::{BoxError, service_not_registered_error};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckResult, HealthCheckSpec, HealthChecks, HealthEvent, HealthTransition,
};

/// Registers a health check that belongs to no service: [`HealthChecks::register_unbound`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn register<F, Run, E>(spec: HealthCheckSpec, check: F) -> Result<(), Error>
where
    F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    checks()?.register_unbound(spec, check)
}

/// Removes a health check: [`HealthChecks::unregister`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn unregister(id: HealthCheckId) -> Result<bool, Error> {
    checks()?.unregister(id)
}

/// Whether a health check is registered: [`HealthChecks::registered`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn registered(id: HealthCheckId) -> Result<bool, Error> {
    checks()?.registered(id)
}

/// The ids of the registered health checks: [`HealthChecks::ids`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn ids() -> Result<Vec<HealthCheckId>, Error> {
    checks()?.ids()
}

/// The effective spec of a check: [`HealthChecks::spec`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn spec(id: HealthCheckId) -> Result<HealthCheckSpec, Error> {
    checks()?.spec(id)
}

/// The last result of a check: [`HealthChecks::result`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn result(id: HealthCheckId) -> Result<Option<HealthCheckResult>, Error> {
    checks()?.result(id)
}

/// The last result of each check that has run: [`HealthChecks::results`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn results() -> Result<BTreeMap<HealthCheckId, HealthCheckResult>, Error> {
    checks()?.results()
}

/// The last results of a check: [`HealthChecks::history`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn history(id: HealthCheckId) -> Result<Arc<[HealthCheckResult]>, Error> {
    checks()?.history(id)
}

/// The last status changes of a check: [`HealthChecks::transitions`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn transitions(id: HealthCheckId) -> Result<Arc<[HealthTransition]>, Error> {
    checks()?.transitions(id)
}

/// Subscribes to the events of health checks: [`HealthChecks::events`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run.
pub fn events() -> Result<broadcast::Receiver<HealthEvent>, Error> {
    Ok(checks()?.events())
}

/// Runs a check now: [`HealthChecks::run`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub async fn run(id: HealthCheckId) -> Result<HealthCheckResult, Error> {
    checks()?.run(id).await
}

/// Pauses a check: [`HealthChecks::pause`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn pause(id: HealthCheckId) -> Result<bool, Error> {
    checks()?.pause(id)
}

/// Resumes a paused check: [`HealthChecks::resume`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn resume(id: HealthCheckId) -> Result<(), Error> {
    checks()?.resume(id)
}

/// The ids of the paused checks: [`HealthChecks::paused`].
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotRegistered` if its health service does not run; the errors of the method.
pub fn paused() -> Result<Vec<HealthCheckId>, Error> {
    checks()?.paused()
}

fn checks() -> Result<Arc<HealthChecks>, Error> {
    app_core::compat::current().and_then(|app| match app.service(HEALTHCHECK_SERVICE_ID) {
        Some(_) => app.get(),
        None => Err(service_not_registered_error(HEALTHCHECK_SERVICE_ID)),
    })
}
