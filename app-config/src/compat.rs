//! The functions of the Go library that this project follows. Each acts on the current app of the process.

use std::path::PathBuf;

use app_core::prelude::{Error, ServiceId};

use crate::codec::Message;
use crate::configs::{ConfigDir, current_config, current_dir};

/// The config of the service as a message; `None` if there is no file.
///
/// # Errors
/// `ConfigFailure`: the file can't be read or opened, or does not hold exactly one message. `AppNotAlive`: there is no current app.
pub fn config(service: ServiceId) -> Result<Option<Message>, Error> {
    current_config(service)
}

/// The config directory.
///
/// # Errors
/// `AppNotAlive`: there is no current app.
pub fn config_dir() -> Result<PathBuf, Error> {
    current_dir().map(|dir| dir.path().to_owned())
}

/// Whether the config directory exists.
///
/// # Errors
/// `AppNotAlive`: there is no current app.
pub fn config_dir_exists() -> Result<bool, Error> {
    current_dir().map(|dir| dir.exists())
}

/// The services that have a config, sorted.
///
/// # Errors
/// `ConfigFailure`: the directory can't be listed, or the name of a file begins as those of configs and is wrong. `AppNotAlive`:
/// there is no current app.
pub fn config_service_ids() -> Result<Vec<ServiceId>, Error> {
    current_dir().and_then(|dir| dir.service_ids())
}

/// Whether the service has a config.
///
/// # Errors
/// `AppNotAlive`: there is no current app.
pub fn service_config_exists(service: ServiceId) -> Result<bool, Error> {
    current_dir().map(|dir| dir.has(service))
}

/// The name of the file that holds the config of the service, such as `0xe49214fa20b35ba8`.
#[must_use]
pub fn service_config_id(service: ServiceId) -> String {
    ConfigDir::file_name(service)
}

/// The file that holds the config of the service.
///
/// # Errors
/// `AppNotAlive`: there is no current app.
pub fn service_config_path(service: ServiceId) -> Result<PathBuf, Error> {
    current_dir().map(|dir| dir.file(service))
}
