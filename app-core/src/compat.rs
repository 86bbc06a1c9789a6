//! The functions of the Go library that this project follows: each is one line to the process's current app.

use std::{
    io::{self, Write},
    path::PathBuf,
    time::SystemTime,
};

use app_errors::Error;
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use slog::Logger;

pub use crate::current::{current, install};
use crate::{LogLevel, StopCause, StopReport, current as process};

/// Whether the app runs and was not killed.
#[must_use]
pub fn alive() -> bool {
    current().is_ok_and(|app| app.alive())
}

/// Kills the app: it stops, and [`run`](crate::run) returns. Does nothing without an app.
pub fn kill() {
    current().map(|app| app.kill(StopCause::Killed("on request".to_owned()))).unwrap_or_default();
}

/// Waits until the app is killed; at once without an app. Cancel safe.
pub async fn dying() {
    process::wait_for(|app| async move { app.dying().await }).await;
}

/// Waits until the app has stopped; at once without an app. Cancel safe.
pub async fn dead() {
    process::wait_for(|app| async move { app.dead().await }).await;
}

/// The domain that the app belongs to.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn domain() -> Result<DomainId, Error> {
    current().map(|app| app.domain())
}

/// The app's id.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn id() -> Result<AppId, Error> {
    current().map(|app| app.id())
}

/// The release that runs.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn release() -> Result<ReleaseId, Error> {
    current().map(|app| app.release())
}

/// The id of this very instance.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn instance() -> Result<InstanceId, Error> {
    current().map(|app| app.instance())
}

/// When the app was made.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn started_on() -> Result<SystemTime, Error> {
    current().map(|app| app.started_on())
}

/// The app's logger.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn logger() -> Result<Logger, Error> {
    current().map(|app| app.logger().clone())
}

/// The app's log level.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn log_level() -> Result<LogLevel, Error> {
    current().map(|app| app.log_level())
}

/// Writes the stack of every thread of the process, then the live tasks of every service by name.
///
/// Blocks the calling thread, 100 ms for each thread that does not answer and 10 s at most: call it with
/// [`run_blocking`](crate::threads::run_blocking) from a task.
///
/// # Errors
/// When writing fails.
pub fn dump_all_stacks(out: &mut dyn Write) -> io::Result<()> {
    process::dump_all_stacks(out)
}

/// For tests: stops the current app and starts another one of the same services, with the same flags and log.
///
/// # Errors
/// `AppNotAlive` without an app; the first problem when the new app does not start.
pub async fn reset() -> Result<StopReport, Error> {
    process::reset_with(current()?.config_dir().to_owned()).await
}

/// For tests: as [`reset`], with another config directory.
///
/// # Errors
/// As [`reset`].
pub async fn reset_with_config_dir(config_dir: impl Into<PathBuf>) -> Result<StopReport, Error> {
    process::reset_with(config_dir.into()).await
}

/// The services of the process's current app.
pub mod services {
    use app_errors::Error;
    use app_ids::ServiceId;

    use super::current;
    use crate::{LogLevel, Service};

    /// Registers a service that was made at run time.
    ///
    /// # Errors
    /// `AppNotAlive`, `ServiceNotAlive`, or `ServiceAlreadyRegistered`.
    pub fn register(service: &Service) -> Result<(), Error> {
        current()?.register(service)
    }

    /// Takes this very incarnation out of the registry.
    ///
    /// # Errors
    /// `AppNotAlive` or `ServiceNotRegistered`.
    pub fn unregister(service: &Service) -> Result<(), Error> {
        current()?.unregister(service)
    }

    /// Has a service restarted, with everything that depends on it; see [`App::restart`](crate::App::restart).
    ///
    /// # Errors
    /// As there; `AppNotAlive` without an app.
    pub async fn restart(service: ServiceId, reason: impl Into<String>) -> Result<(), Error> {
        current()?.restart(service, reason).await
    }

    /// Looks a registered service up.
    ///
    /// # Errors
    /// `AppNotAlive` without an app.
    pub fn service(id: ServiceId) -> Result<Option<Service>, Error> {
        current().map(|app| app.service(id))
    }

    /// The ids of the registered services, sorted.
    ///
    /// # Errors
    /// `AppNotAlive` without an app.
    pub fn service_ids() -> Result<Vec<ServiceId>, Error> {
        current().map(|app| app.service_ids())
    }

    /// The registered services, sorted by id.
    ///
    /// # Errors
    /// `AppNotAlive` without an app.
    pub fn services() -> Result<Vec<Service>, Error> {
        current().map(|app| app.services())
    }

    /// The log level of a service: its own, or the app's.
    ///
    /// # Errors
    /// `AppNotAlive` without an app.
    pub fn log_level(id: ServiceId) -> Result<LogLevel, Error> {
        current().map(|app| app.service_log_level(id))
    }
}
