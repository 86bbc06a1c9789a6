//! Making an app: everything that can differ between a process and a test.

use std::{
    io,
    path::PathBuf,
    time::{Duration, Instant, SystemTime},
};

use app_ids::InstanceId;
use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::{App, EVENTS, Inner};
use crate::{Flags, Identity, Log, Package, ServiceDescriptor, linked_services};

/// How long the services of an app may take to stop, all together.
pub const DEFAULT_APP_STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of an app that is to be made.
#[derive(Debug)]
#[must_use]
pub struct AppBuilder {
    flags: Flags,
    identity: Option<Identity>,
    services: Option<Vec<ServiceDescriptor>>,
    log: Option<Log>,
    package: Option<Package>,
    any_port: bool,
    stop_timeout: Duration,
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self {
            flags: Flags::default(),
            identity: None,
            services: None,
            log: None,
            package: None,
            any_port: false,
            stop_timeout: DEFAULT_APP_STOP_TIMEOUT,
        }
    }
}

impl AppBuilder {
    /// Sets the flags; without, they have their defaults.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = flags;
        self
    }

    /// Sets the identity; without, it comes from the flags, and the instance id is new.
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the services; without, they are all that are linked.
    pub fn services(mut self, services: impl IntoIterator<Item = ServiceDescriptor>) -> Self {
        self.services = Some(services.into_iter().collect());
        self
    }

    /// Sets the log; without, it writes to standard error as the flags say.
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Sets the package of the application; without, it is guessed from the name of the program.
    pub fn package(mut self, package: Package) -> Self {
        self.package = Some(package);
        self
    }

    /// Has services that listen take any free port in place of their default.
    pub fn any_port(mut self, any_port: bool) -> Self {
        self.any_port = any_port;
        self
    }

    /// Sets how long the services may take to stop, all together.
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Makes the app; nothing runs yet.
    ///
    /// # Errors
    /// When the log can't be opened.
    pub fn build(self) -> io::Result<App> {
        let identity = self.identity.unwrap_or_else(|| identity_of(&self.flags));
        let log = match self.log {
            Some(log) => log,
            None => Log::to_stderr(
                &identity,
                self.flags.log_format,
                self.flags.log_level,
                self.flags.log_record_bytes,
            )?,
        };
        let linked = self.services.is_none();
        let descriptors = self.services.unwrap_or_else(linked_services);
        let package = self.package.unwrap_or_else(|| Package::guessed(&descriptors));
        let inner = Inner {
            identity,
            flags: self.flags,
            any_port: self.any_port,
            stop_timeout: self.stop_timeout,
            logger: log.logger(),
            log,
            started_on: SystemTime::now(),
            created: Instant::now(),
            package,
            services: descriptors,
            runtime: std::sync::OnceLock::new(),
            timers: std::sync::OnceLock::new(),
            linked,
            registry: crate::registry::Registry::default(),
            handles: parking_lot::RwLock::default(),
            kept: Mutex::default(),
            board: crate::status::Board::default(),
            command_servers: crate::commands::CommandServers::default(),
            phase: 0.into(),
            cause: std::sync::OnceLock::new(),
            drain_end: watch::channel(None).0,
            dying: tokio_util::sync::CancellationToken::new(),
            dead: tokio_util::sync::CancellationToken::new(),
            report: std::sync::OnceLock::new(),
            events: broadcast::channel(EVENTS).0,
            reloads: watch::channel(0).0,
            fallen: Mutex::default(),
            restart_policies: parking_lot::RwLock::default(),
            restarts: Mutex::default(),
            fell: tokio::sync::Notify::new(),
        };
        Ok(App { inner: inner.into() })
    }
}

fn identity_of(flags: &Flags) -> Identity {
    Identity {
        domain: flags.domain_id,
        app: flags.app_id,
        release: flags.release_id,
        instance: InstanceId::random(),
    }
}

impl App {
    /// Another app of the same services, with the same identity, flags and log but for the config directory.
    pub(crate) fn remake(&self, config_dir: PathBuf) -> io::Result<App> {
        App::builder()
            .identity(*self.identity())
            .flags(Flags { config_dir, ..self.flags().clone() })
            .services(self.inner.services.iter().cloned())
            .log(self.log().clone())
            .package(self.package().clone())
            .any_port(self.any_port())
            .stop_timeout(self.stop_timeout())
            .build()
    }
}
