//! The config service: gives other services their configs, and stops a start that rests on a bad one.

use app_core::events::{CAPNP_ERR, CONFIG_LOADING_ERR};
use app_core::prelude::{App, Error, Exposed, Logger, Service, ServiceId, error, warn};
use app_core::{Preflight, preflight};

use crate::check::check_all;
use crate::codec::Message;
use crate::config::{self, Config};
use crate::configured::Configured;
use crate::dir::ConfigDir;
use crate::fault::{Fault, Reason, label};
use crate::identities::Identities;

/// Service id of the config service.
pub const CONFIG_SERVICE_ID: ServiceId = ServiceId::new(0x8681_3dd7_8fd2_07f5);

app_core::service! { id: CONFIG_SERVICE_ID, name: "config", start: start, infrastructure: true }

preflight! { Preflight::new("configs", check_configs) }

/// The configs of an app's services: the interface of the config service.
///
/// Files are read when they are asked for, each time; the identities that open sealed ones, once, at the start.
#[derive(Debug, Clone)]
pub struct Configs {
    dir: ConfigDir,
    log: Logger,
}

impl Exposed for Configs {
    const SERVICE: ServiceId = CONFIG_SERVICE_ID;
}

// A start function is async, whether it waits for something or not.
#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start(service: Service) -> Result<Configs, Error> {
    match ConfigDir::of(service.app()) {
        (dir, None) => Ok(Configs { dir, log: service.log().clone() }),
        (_, Some(fault)) => Err(fault.of_identities()),
    }
}

/// Reads every config before any service starts, so that all mistakes are reported at once.
fn check_configs(app: &App) -> Vec<Error> {
    let (dir, fault) = ConfigDir::of(app);
    if let Some(warning) = dir.sealing().identities().and_then(Identities::warning) {
        warn!(app.logger(), "{warning}"; "event" => %CONFIG_LOADING_ERR);
    }
    let checked = check_all(&dir);
    for service in checked.unused {
        warn!(app.logger(), "{} is not used: no service of this program has a config of that name", label(service);
            "event" => %CONFIG_LOADING_ERR, "config" => %service);
    }
    fault.map(Fault::of_identities).into_iter().chain(checked.problems).collect()
}

impl Configs {
    /// The directory with the files.
    #[must_use]
    pub fn dir(&self) -> &ConfigDir {
        &self.dir
    }

    /// The config of the service as a message, whatever its schema; `None` if there is no file.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read, or does not hold one message.
    pub fn config(&self, service: ServiceId) -> Result<Option<Message>, Error> {
        self.dir.load(service).map_err(|fault| self.refuse(fault, service))
    }

    /// The config of type `C`: from its file, or the default if there is none.
    ///
    /// # Errors
    /// `ConfigFailure`: the file can't be read, or is not a config that `C` accepts. Of several problems it names all.
    pub fn load<C: Config>(&self) -> Result<Configured<C>, Error> {
        let Some(message) = self.config(C::SERVICE)? else {
            return Ok(Configured::new(<C as Config>::default(), false));
        };
        match config::parse(message) {
            Ok(config) => Ok(Configured::new(config, true)),
            Err(problems) => {
                let reason = Reason::Problems(problems.into_vec());
                Err(self.refuse(Fault::new(self.dir.file(C::SERVICE), reason), C::SERVICE))
            }
        }
    }

    #[track_caller]
    fn refuse(&self, fault: Fault, service: ServiceId) -> Error {
        let event = match fault.reason() {
            Reason::Content(_) | Reason::Problem(_) | Reason::Problems(_) => CAPNP_ERR,
            _ => CONFIG_LOADING_ERR,
        };
        let refused = fault.of_service(service);
        error!(self.log, "{refused}"; "event" => %event, "err" => #&refused);
        refused
    }
}
