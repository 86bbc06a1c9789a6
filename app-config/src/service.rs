//! The config service: gives other services their configs, and stops a start that rests on a bad one.

mod restart_policies;

use std::path::PathBuf;
use std::sync::Arc;

use app_core::events::{CAPNP_ERR, CONFIG_LOADING_ERR};
use app_core::prelude::{App, Error, Exposed, LogEventId, Logger, Service, ServiceId, error, warn};
use app_core::{Preflight, ServiceDescriptor, preflight};
use parking_lot::RwLock;
use tokio::sync::watch;

use crate::check::check_against;
use crate::codec::Message;
use crate::config::Config;
use crate::configured::Configured;
use crate::dir::ConfigDir;
use crate::directory_check::DirectoryCheck;
use crate::fault::{Fault, Reason, label};
use crate::identities::DEFAULT_FILE;
use crate::reload::{self, InUse, Values, Watched};
use crate::schema::ConfigSchema;

/// Service id of the config service.
pub const CONFIG_SERVICE_ID: ServiceId = ServiceId::new(0x8681_3dd7_8fd2_07f5);

app_core::service! { id: CONFIG_SERVICE_ID, name: "config", start: start, infrastructure: true }

preflight! { Preflight::new("configs", check_configs) }

/// The configs of an app's services: the interface of the config service.
///
/// Files are read when they are asked for, each time, and while their services run, when they change. The identities that open
/// sealed ones are read at the start, and when their file changes. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Configs {
    dir: Arc<RwLock<ConfigDir>>,
    in_use: Arc<InUse>,
    /// The number of the last reload that was asked for and done.
    reloaded: Arc<watch::Sender<u64>>,
    log: Logger,
}

impl Exposed for Configs {
    const SERVICE: ServiceId = CONFIG_SERVICE_ID;
}

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service) -> Result<Configs, Error> {
    let app = service.app();
    // Before they are read: a change in between is one.
    let identities = Watched::new(identities_file(app));
    let dir = match ConfigDir::of(app) {
        (dir, None) => Arc::new(RwLock::new(dir)),
        (_, Some(fault)) => return Err(fault.of_identities()),
    };
    let in_use = Arc::new(InUse::new(identities));
    let configs = Configs { dir, in_use, reloaded: Arc::default(), log: service.log().clone() };
    restart_policies::apply(&configs, app);
    service.spawn("reload", reload::watch(service.clone(), configs.clone(), app.reloads()))?;
    Ok(configs)
}

fn identities_file(app: &App) -> PathBuf {
    let named = app.flags().config_identity.clone();
    named.unwrap_or_else(|| app.config_dir().join(DEFAULT_FILE))
}

/// Reads every config before any service starts, so that all mistakes are reported at once. A start and `--check` run it.
fn check_configs(app: &App) -> Vec<Error> {
    let directory = DirectoryCheck::new(app);
    if let Some(problem) = directory.problem() {
        return vec![problem];
    }
    let (dir, fault) = ConfigDir::of(app);
    let services: Vec<_> = app.descriptors().iter().map(ServiceDescriptor::id).collect();
    let checked = check_against(&dir, &ConfigSchema::linked(), &services);
    directory.tell_of_no_configs(&dir.list());
    for warning in checked.warnings {
        warn!(app.logger(), "{warning}"; "event" => %CONFIG_LOADING_ERR);
    }
    for service in checked.unused {
        warn!(app.logger(), "{} is not used: no service of this program has a config of that name", label(service);
            "event" => %CONFIG_LOADING_ERR, "config" => %service);
    }
    let identities = fault.map(|fault| fault.named_by(app.flags().given.config_identity).of_identities());
    identities.into_iter().chain(checked.problems).collect()
}

/// The config of type `C` that the app would start with, for a [`Preflight`]. `None` when it is refused: the check of
/// configs tells why.
#[must_use]
pub fn upcoming<C: Config>(app: &App) -> Option<Configured<C>> {
    let (dir, _told_elsewhere) = ConfigDir::of(app);
    reload::read(&dir).ok().map(|loaded| loaded.config)
}

impl Configs {
    /// The directory with the files, and the identities of this moment.
    #[must_use]
    pub fn dir(&self) -> ConfigDir {
        self.dir.read().clone()
    }

    pub(crate) fn set_dir(&self, dir: ConfigDir) {
        *self.dir.write() = dir;
    }

    pub(crate) fn in_use(&self) -> &InUse {
        &self.in_use
    }

    pub(crate) fn set_reloaded(&self, number: u64) {
        self.reloaded.send_replace(number);
    }

    /// Tells of each reload that was asked for and is done: its number, as [`App::reloads`] counts them.
    ///
    /// Done means that every file was read, and every config that is good was handed to its service.
    #[must_use]
    pub fn reloaded(&self) -> watch::Receiver<u64> {
        self.reloaded.subscribe()
    }

    pub(crate) fn log(&self) -> &Logger {
        &self.log
    }

    /// The config of the service as a message, whatever its schema; `None` if there is no file.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read, or does not hold one message.
    pub fn config(&self, service: ServiceId) -> Result<Option<Message>, Error> {
        self.dir().load(service).map_err(|fault| self.refuse(fault, service))
    }

    /// The config of type `C`: from its file, or the default if there is none.
    ///
    /// From then on the log tells when the file has changed: for the next start, since this value stays what it is.
    /// [`follow`](Self::follow) gives one that changes.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read, or is not a config that `C` accepts. Of several problems it names all.
    pub fn load<C: Config>(&self) -> Result<Configured<C>, Error> {
        self.values::<C>().map(|values| values.last())
    }

    pub(crate) fn values<C: Config>(&self) -> Result<Arc<Values<C>>, Error> {
        self.in_use.values::<C>(&self.dir()).map_err(|fault| self.refuse(fault, C::SERVICE))
    }

    #[track_caller]
    fn refuse(&self, fault: Fault, service: ServiceId) -> Error {
        let event = event_of(&fault);
        let refused = fault.of_service(service);
        error!(self.log, "{refused}"; "event" => %event, "err" => #&refused);
        refused
    }
}

/// The event under which a config that is refused is logged.
pub(crate) fn event_of(fault: &Fault) -> LogEventId {
    match fault.reason() {
        Reason::Content(_) | Reason::Problem(_) | Reason::Problems(_) => CAPNP_ERR,
        _ => CONFIG_LOADING_ERR,
    }
}
