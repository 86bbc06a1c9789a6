//! A config directory without configs: an error, a warning, or fine. It depends on who named the directory.
//!
//! | directory | named by a flag or a variable | default |
//! |---|---|---|
//! | does not exist | refused | fine |
//! | can't be listed | refused | refused |
//! | has no config in it | warning | fine; a name that is nearly that of a config causes a warning |

use std::io;

use app_core::prelude::{App, Error, ServiceId, info, warn};
use app_core::{Flags, flags::FlagSource, plugins::ServiceSpec};

use super::dir::ConfigDir;
use super::listing::{DirectoryError, explained};
use crate::events::CONFIG_LOADING_ERR;
use crate::file::{Located, shown};

/// Why there is no directory at the path.
enum NoDirectory {
    /// The path does not exist.
    Absent(DirectoryError),
    /// The path is a file, or can't be looked at.
    Unreadable(io::Error),
}

/// The directory of an application, and the flag that named it.
pub(crate) struct DirectoryCheck<'a> {
    app: &'a App,
    named_by: Option<FlagSource>,
}

impl<'a> DirectoryCheck<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, named_by: app.flags().given.config_dir }
    }

    /// Why the directory can't be used.
    pub(crate) fn problem(&self) -> Option<Error> {
        let error = match self.find()? {
            NoDirectory::Absent(error) => self.named_by.map(|_| error)?,
            NoDirectory::Unreadable(error) => DirectoryError::List(error),
        };
        Some(Located::in_directory(self.app.config_dir(), error).named_by(self.named_by).of_directory())
    }

    /// `None` for a directory.
    fn find(&self) -> Option<NoDirectory> {
        let path = self.app.config_dir();
        match path.metadata() {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some(NoDirectory::Unreadable(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Some(NoDirectory::Unreadable(explained(path, error)))
            }
            Err(_) if path.symlink_metadata().is_ok() => Some(NoDirectory::Absent(DirectoryError::DeadLink)),
            Err(_) => Some(NoDirectory::Absent(DirectoryError::Missing)),
        }
    }

    /// Logs a warning if the directory was named and has no configs, or if a name is nearly that of a config.
    pub(crate) fn warn_of_no_configs(&self, dir: &ConfigDir) {
        let listing = dir.list();
        let log = self.app.logger();
        let default = self.app.config_dir() == Flags::default().config_dir;
        match self.find() {
            Some(NoDirectory::Absent(DirectoryError::Missing)) if default => return,
            Some(NoDirectory::Absent(error)) => {
                let error = Located::in_directory(self.app.config_dir(), error);
                warn!(log, "config directory: {error}; every service runs on its defaults"; "event" => %CONFIG_LOADING_ERR);
                return;
            }
            _ => {}
        }
        let path = shown(self.app.config_dir());
        for name in &listing.others {
            if let Some(service) = self.nearly_a_config(name) {
                let expected = ConfigDir::file_name(service);
                warn!(log, "config directory {path}: file {name} is not read; if it is the config of service {}, rename it to {expected}", service.describe();
                    "event" => %CONFIG_LOADING_ERR);
            }
        }
        let empty = listing.services.is_empty() && listing.errors.is_empty();
        match self.named_by.filter(|_| empty) {
            Some(source) => {
                warn!(log, "config directory {path}: it has no config in it, so every service runs on its defaults; check the path, which {source} names";
                    "event" => %CONFIG_LOADING_ERR);
            }
            None if empty && !listing.others.is_empty() => {
                info!(
                    log,
                    "config directory {path}: it has no config in it, so every service runs on its defaults"
                );
            }
            None => {}
        }
    }

    /// The service whose config a file probably is: the name is that of the service, or its id with another prefix, case or
    /// extension.
    fn nearly_a_config(&self, name: &str) -> Option<ServiceId> {
        let stem = name.split('.').next()?;
        let digits = stem.strip_prefix("0X").unwrap_or(stem);
        let is_of = |service: &&ServiceSpec| {
            let id = service.id().hex();
            digits.eq_ignore_ascii_case(&id) || name.eq_ignore_ascii_case(service.name())
        };
        self.app.service_specs().iter().find(is_of).map(ServiceSpec::id)
    }
}
