//! The configs of the current app.

use app_core::prelude::{Error, ServiceId};

use super::dir::ConfigDir;
use super::handle::Configs;
use crate::codec::Message;

/// The config directory of the current app, without identities.
pub(crate) fn current_dir() -> Result<ConfigDir, Error> {
    app_core::compat::current().map(|app| ConfigDir::new(app.config_dir()))
}

/// The config of a service, with the identities of the config service if it runs, else with those of the flags.
pub(crate) fn current_config(service: ServiceId) -> Result<Option<Message>, Error> {
    let app = app_core::compat::current()?;
    if let Ok(configs) = app.get::<Configs>() {
        return configs.dir().read(service);
    }
    match ConfigDir::of(&app) {
        (dir, None) => dir.read(service),
        (_, Some(refused)) => Err(refused.of_identities()),
    }
}
