//! The handle of the config service.

use std::path::PathBuf;
use std::sync::Arc;

use app_core::plugins::StartContext;
use app_core::prelude::{App, Error, Exposed, Logger, ServiceId, error, warn};
use parking_lot::RwLock;
use tokio::sync::watch;

use super::dir::ConfigDir;
use super::in_use::{InUse, StaleKind, StartBefore, Taken, Watched};
use super::load::LoadError;
use crate::codec::Message;
use crate::file::Located;
use crate::ids::{CONFIG_SERVICE_ID, label};
use crate::sealing::{DEFAULT_IDENTITY_FILE, named_identities};
use crate::value::{Config, Configured};

/// The configs of an application's services: the handle of the config service. Cheap to clone.
///
/// A file is read each time when its config is asked for, and again when it changes while its service runs. The identities
/// that open sealed files are read at the start, and when their file changes.
#[derive(Debug, Clone)]
pub struct Configs {
    kept: Arc<Kept>,
    log: Logger,
}

impl Exposed for Configs {
    const SERVICE: ServiceId = CONFIG_SERVICE_ID;
}

/// What survives a restart of the config service: the last good values, and the identities that opened their files.
#[derive(Debug)]
pub(crate) struct Kept {
    dir: RwLock<ConfigDir>,
    in_use: InUse,
    /// The number of the last requested reload that is done.
    reloaded: watch::Sender<u64>,
}

impl Kept {
    pub(crate) fn read(app: &App) -> Result<Self, Error> {
        // The stamp is taken before the file is read, so that a change in between is seen.
        let identities = Watched::new(identities_file(app));
        match ConfigDir::of(app) {
            (dir, None) => Ok(Self {
                dir: RwLock::new(dir),
                in_use: InUse::new(identities),
                reloaded: watch::Sender::default(),
            }),
            (_, Some(refused)) => Err(refused.of_identities()),
        }
    }
}

fn identities_file(app: &App) -> PathBuf {
    let named = named_identities(app.flags()).map(|named| named.path);
    named.unwrap_or_else(|| app.config_dir().join(DEFAULT_IDENTITY_FILE))
}

impl Configs {
    pub(crate) fn new(kept: Arc<Kept>, log: Logger) -> Self {
        Self { kept, log }
    }

    /// The directory with the files, and the identities that are in use now.
    #[must_use]
    pub fn dir(&self) -> ConfigDir {
        self.kept.dir.read().clone()
    }

    pub(super) fn set_dir(&self, dir: ConfigDir) {
        *self.kept.dir.write() = dir;
    }

    pub(super) fn in_use(&self) -> &InUse {
        &self.kept.in_use
    }

    pub(super) fn set_reloaded(&self, number: u64) {
        self.kept.reloaded.send_replace(number);
    }

    /// Receives the number of each requested reload when the reload is done. [`App::reloads`] counts the requests.
    ///
    /// A reload is done when every file was read, and every good config was handed to its service.
    #[must_use]
    pub fn reloaded(&self) -> watch::Receiver<u64> {
        self.kept.reloaded.subscribe()
    }

    pub(crate) fn log(&self) -> &Logger {
        &self.log
    }

    /// The config of the service as a message of any schema; `None` if there is no file.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read, or does not hold exactly one message.
    pub fn config(&self, service: ServiceId) -> Result<Option<Message>, Error> {
        self.dir().load(service).map_err(|error| self.refuse(error, service))
    }

    /// The config of type `C`: from its file, or the default if there is none.
    ///
    /// Once this process had a good value, the call succeeds. If the file turned bad or is gone, the log says so, and you get
    /// the last good value.
    ///
    /// The returned value does not change. When the file changes, the log says that the next start takes the new value.
    /// [`follow`](Self::follow) returns a config that changes.
    ///
    /// # Errors
    /// There is no good value yet. `ConfigFailure`: the file is not a config that `C` accepts, or can't be read. The error names
    /// all problems. [`CONFIG_NOT_READ`](crate::CONFIG_NOT_READ): the machine could not read the file.
    pub fn load<C: Config>(&self) -> Result<Configured<C>, Error> {
        self.take::<C>(None).map(|taken| taken.values.last())
    }

    /// As [`load`](Self::load). A starting service passes the outcome of its previous start.
    pub(super) fn take<C: Config>(&self, before: Option<&StartBefore>) -> Result<Taken<C>, Error> {
        let taken = self
            .kept
            .in_use
            .take::<C>(&self.dir(), before)
            .map_err(|error| self.refuse(error, C::SERVICE))?;
        if let Some(refused) = &taken.refused {
            let (name, event) = (label(C::SERVICE), refused.error().event());
            match StaleKind::of(refused) {
                StaleKind::Refused | StaleKind::Unread => {
                    error!(self.log, "{name} is the last good one: {refused}"; "event" => %event, "config" => %C::SERVICE);
                }
                StaleKind::Gone => {
                    warn!(self.log, "{name} is from a file that is gone: {refused}"; "event" => %event, "config" => %C::SERVICE);
                }
            }
        }
        Ok(taken)
    }

    /// The config for a service that starts.
    pub(crate) fn take_for_start<C: Config>(&self, context: &StartContext) -> Result<Taken<C>, Error> {
        let before = match context.retries() {
            Some(failure) => StartBefore::Failed(failure.to_string()),
            None if context.ran_before() => StartBefore::Ran,
            None => StartBefore::Unknown,
        };
        let taken = self.take::<C>(Some(&before))?;
        if taken.has_other {
            context.ask_for_second_try();
        }
        Ok(taken)
    }

    #[track_caller]
    fn refuse(&self, refused: Located<LoadError>, service: ServiceId) -> Error {
        let event = refused.error().event();
        let refused = refused.of_service(service);
        error!(self.log, "{refused}"; "event" => %event, "err" => #&refused);
        refused
    }
}
