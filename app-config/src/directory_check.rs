//! A config directory without configs: refused, warned of, or fine, by who named it.
//!
//! | directory | named by a flag or a variable | default |
//! |---|---|---|
//! | does not exist | refused | fine |
//! | can't be listed | refused | refused |
//! | has no config in it | warned of | fine; a name that is nearly that of a config is warned of |

use std::io;

use app_core::events::CONFIG_LOADING_ERR;
use app_core::prelude::{App, Error, ServiceId, info, warn};
use app_core::{FlagSource, Flags, ServiceDescriptor};

use crate::dir::{ConfigDir, Listing, explained};
use crate::fault::{Fault, Reason, shown};

/// What is in the place of a directory.
enum State {
    /// Nothing.
    Absent(Reason),
    /// A file, or what can't be looked at.
    Unreadable(io::Error),
}

/// The directory of an app, and where its name came from.
pub(crate) struct DirectoryCheck<'a> {
    app: &'a App,
    named_by: Option<FlagSource>,
}

impl<'a> DirectoryCheck<'a> {
    pub(crate) fn new(app: &'a App) -> Self {
        Self { app, named_by: app.flags().given.config_dir }
    }

    /// Why a directory that was named cannot be used: it is missing, or is no directory.
    pub(crate) fn problem(&self) -> Option<Error> {
        let reason = match self.state()? {
            State::Absent(reason) => self.named_by.map(|_| reason)?,
            State::Unreadable(error) => Reason::Directory(error),
        };
        Some(Fault::new(self.app.config_dir(), reason).named_by(self.named_by).of_directory())
    }

    /// `None` for a directory.
    fn state(&self) -> Option<State> {
        let path = self.app.config_dir();
        match path.metadata() {
            Ok(found) if found.is_dir() => None,
            Ok(_) => Some(State::Unreadable(io::ErrorKind::NotADirectory.into())),
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Some(State::Unreadable(explained(path, error)))
            }
            Err(_) if path.symlink_metadata().is_ok() => Some(State::Absent(Reason::DeadLink)),
            Err(_) => Some(State::Absent(Reason::NoDirectory)),
        }
    }

    /// Warns that a directory that was named holds no configs.
    pub(crate) fn tell_of_no_configs(&self, listing: &Listing) {
        let log = self.app.logger();
        let default = self.app.config_dir() == Flags::default().config_dir;
        match self.state() {
            Some(State::Absent(Reason::NoDirectory)) if default => return,
            Some(State::Absent(reason)) => {
                let fault = Fault::new(self.app.config_dir(), reason);
                warn!(log, "config directory: {fault}; every service runs on its defaults"; "event" => %CONFIG_LOADING_ERR);
                return;
            }
            _ => {}
        }
        let path = shown(self.app.config_dir());
        for name in &listing.others {
            if let Some(service) = self.nearly_a_config(name) {
                let expected = ConfigDir::file_name(service);
                warn!(log, "config directory {path}: file {name} is not read; is it the config of service {}? Then rename it to {expected}", service.describe();
                    "event" => %CONFIG_LOADING_ERR);
            }
        }
        let empty = listing.services.is_empty() && listing.faults.is_empty();
        match self.named_by.filter(|_| empty) {
            Some(source) => {
                warn!(log, "config directory {path}: it has no config in it, so every service runs on its defaults; {source} names it: is it the right one?";
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

    /// The service whose config a file probably is: its name is the service's name, or its id with another prefix, case or
    /// ending.
    fn nearly_a_config(&self, name: &str) -> Option<ServiceId> {
        let stem = name.split('.').next()?;
        let digits = stem.strip_prefix("0X").unwrap_or(stem);
        let is_of = |service: &&ServiceDescriptor| {
            let id = service.id().hex();
            digits.eq_ignore_ascii_case(&id) || name.eq_ignore_ascii_case(service.name())
        };
        self.app.descriptors().iter().find(is_of).map(ServiceDescriptor::id)
    }
}
