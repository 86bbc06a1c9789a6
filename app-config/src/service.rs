//! The config service: gives other services their configs, and stops a start that rests on a bad one.

mod restart_policies;

use std::path::PathBuf;
use std::sync::Arc;

use app_core::events::{CAPNP_ERR, CONFIG_LOADING_ERR};
use app_core::prelude::{App, Error, Exposed, LogEventId, Logger, Service, ServiceId, error, info, warn};
use app_core::{Preflight, ServiceDescriptor, StartContext, preflight};
use parking_lot::{Mutex, RwLock};
use tokio::sync::watch;

use crate::check::check_against;
use crate::codec::Message;
use crate::config::Config;
use crate::configured::Configured;
use crate::dir::ConfigDir;
use crate::directory_check::DirectoryCheck;
use crate::fault::{Fault, Reason, label};
use crate::identities::DEFAULT_FILE;
use crate::reload::{self, InUse, StaleKind, StartBefore, Taken, Watched};
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
    kept: Arc<Kept>,
    log: Logger,
}

/// What outlives a restart of the config service: the last good values, and the identities that opened them.
#[derive(Debug)]
struct Kept {
    dir: RwLock<ConfigDir>,
    in_use: InUse,
    /// The number of the last reload that was asked for and done.
    reloaded: watch::Sender<u64>,
}

/// Empty until the config service has started for the first time.
#[derive(Debug, Default)]
struct KeptConfigs(Mutex<Option<Arc<Kept>>>);

impl Exposed for Configs {
    const SERVICE: ServiceId = CONFIG_SERVICE_ID;
}

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service) -> Result<Configs, Error> {
    let app = service.app();
    let slot = app.kept::<KeptConfigs>();
    let before = slot.0.lock().clone();
    let is_first = before.is_none();
    let kept = match before {
        Some(kept) => kept,
        None => Arc::new(Kept::read(app)?),
    };
    *slot.0.lock() = Some(kept.clone());
    let configs = Configs { kept, log: service.log().clone() };
    if !is_first {
        configs.renew_identities(app);
    }
    restart_policies::apply(&configs, app);
    service.spawn("reload", reload::watch(service.clone(), configs.clone(), app.reloads()))?;
    Ok(configs)
}

impl Kept {
    fn read(app: &App) -> Result<Self, Error> {
        // Before they are read: a change in between is one.
        let identities = Watched::new(identities_file(app));
        match ConfigDir::of(app) {
            (dir, None) => Ok(Self {
                dir: RwLock::new(dir),
                in_use: InUse::new(identities),
                reloaded: watch::Sender::default(),
            }),
            (_, Some(fault)) => Err(fault.of_identities()),
        }
    }
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
    for note in checked.notes {
        info!(app.logger(), "{note}");
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
        self.kept.dir.read().clone()
    }

    pub(crate) fn set_dir(&self, dir: ConfigDir) {
        *self.kept.dir.write() = dir;
    }

    pub(crate) fn in_use(&self) -> &InUse {
        &self.kept.in_use
    }

    pub(crate) fn set_reloaded(&self, number: u64) {
        self.kept.reloaded.send_replace(number);
    }

    /// Tells of each reload that was asked for and is done: its number, as [`App::reloads`] counts them.
    ///
    /// Done means that every file was read, and every config that is good was handed to its service.
    #[must_use]
    pub fn reloaded(&self) -> watch::Receiver<u64> {
        self.kept.reloaded.subscribe()
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
    /// Once there was a good value in this process, a file that went bad or is gone is logged, and the last good value is
    /// what comes back.
    ///
    /// From then on the log tells when the file has changed: for the next start, since this value stays what it is.
    /// [`follow`](Self::follow) gives one that changes.
    ///
    /// # Errors
    /// There is no good value yet. `ConfigFailure`: the file is not a config that `C` accepts, or can't be read. Of several
    /// problems it names all. [`CONFIG_NOT_READ`](crate::CONFIG_NOT_READ): the machine could not read it.
    pub fn load<C: Config>(&self) -> Result<Configured<C>, Error> {
        self.take::<C>(None).map(|taken| taken.values.last())
    }

    /// As [`load`](Self::load), for a caller that is not the service that starts, or with what came of its start before.
    pub(crate) fn take<C: Config>(&self, before: Option<&StartBefore>) -> Result<Taken<C>, Error> {
        let taken = self
            .kept
            .in_use
            .take::<C>(&self.dir(), before)
            .map_err(|fault| self.refuse(fault, C::SERVICE))?;
        if let Some(fault) = &taken.fault {
            let (name, event) = (label(C::SERVICE), event_of(fault));
            match StaleKind::of(fault) {
                StaleKind::Refused | StaleKind::Unread => {
                    error!(self.log, "{name} is the last good one: {fault}"; "event" => %event, "config" => %C::SERVICE);
                }
                StaleKind::Gone => {
                    warn!(self.log, "{name} is from a file that is gone: {fault}"; "event" => %event, "config" => %C::SERVICE);
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
