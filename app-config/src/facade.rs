//! The functions of the package: each is one line to the process's current app.

use std::path::PathBuf;

use app_core::prelude::{Error, ServiceId};

use crate::codec::Message;
use crate::dir::ConfigDir;
use crate::service::Configs;

fn dir() -> Result<ConfigDir, Error> {
    app_core::current().map(|app| ConfigDir::new(app.config_dir()))
}

/// The config of the service as a message; `None` if there is no file.
///
/// # Errors
/// `ConfigFailure`: the file can't be read or opened, or does not hold one message. `AppNotAlive` without an app.
pub fn config(service: ServiceId) -> Result<Option<Message>, Error> {
    let app = app_core::current()?;
    if let Ok(configs) = app.get::<Configs>() {
        return configs.dir().read(service);
    }
    match ConfigDir::of(&app) {
        (dir, None) => dir.read(service),
        (_, Some(fault)) => Err(fault.of_identities()),
    }
}

/// The config directory.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn config_dir() -> Result<PathBuf, Error> {
    dir().map(|dir| dir.path().to_owned())
}

/// Whether the config directory exists.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn config_dir_exists() -> Result<bool, Error> {
    dir().map(|dir| dir.exists())
}

/// The services that there are configs for, sorted.
///
/// # Errors
/// `ConfigFailure`: the directory can't be listed, or has a file that is named as configs are, and wrongly. `AppNotAlive`
/// without an app.
pub fn config_service_ids() -> Result<Vec<ServiceId>, Error> {
    dir()?.service_ids()
}

/// Whether there is a config for the service.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn service_config_exists(service: ServiceId) -> Result<bool, Error> {
    dir().map(|dir| dir.has(service))
}

/// The name of the file that holds the config of the service, such as `0xe49214fa20b35ba8`.
#[must_use]
pub fn service_config_id(service: ServiceId) -> String {
    ConfigDir::file_name(service)
}

/// The file that holds the config of the service.
///
/// # Errors
/// `AppNotAlive` without an app.
pub fn service_config_path(service: ServiceId) -> Result<PathBuf, Error> {
    dir().map(|dir| dir.file(service))
}
