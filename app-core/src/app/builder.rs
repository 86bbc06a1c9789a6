//! Making an app: everything that can differ between a process and a test.

use std::{
    io,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use parking_lot::Mutex;
use tokio::sync::{broadcast, watch};

use super::{App, EVENTS, Inner};
use crate::{Flags, Identity, Log, Package, ServiceDescriptor, linked_services, provided::ProvidedValues};

/// How long the services of an app may take to stop, all together.
pub const DEFAULT_APP_STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of an app that is to be made.
#[derive(Debug)]
#[must_use]
pub struct AppBuilder {
    flags: Option<Flags>,
    identity: Option<Identity>,
    services: Option<Vec<ServiceDescriptor>>,
    log: Option<Log>,
    package: Option<Package>,
    provided: ProvidedValues,
    any_port: bool,
    stop_timeout: Duration,
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self {
            flags: None,
            identity: None,
            services: None,
            log: None,
            package: None,
            provided: ProvidedValues::default(),
            any_port: false,
            stop_timeout: DEFAULT_APP_STOP_TIMEOUT,
        }
    }
}

impl AppBuilder {
    /// Takes the flags, if they were set.
    pub(crate) fn take_flags(&mut self) -> Option<Flags> {
        self.flags.take()
    }

    /// The package, if it was set.
    pub(crate) fn known_package(&self) -> Option<&Package> {
        self.package.as_ref()
    }

    /// Sets the flags; without, they have their defaults.
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = Some(flags);
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

    /// Provides a value for the services, by its type: they take it as the parameter [`Provided`](crate::Provided). A second
    /// value of the same type replaces the first.
    ///
    /// ```
    /// use app_core::{App, Provided, ServiceDescriptor, prelude::*, testing::TestApp};
    ///
    /// struct Greeting(&'static str);
    ///
    /// async fn start(service: Service, greeting: Provided<Greeting>) -> Result<(), Error> {
    ///     info!(service.log(), "{}", greeting.0);
    ///     Ok(())
    /// }
    ///
    /// fn main() -> std::process::ExitCode {
    /// # if true { return std::process::ExitCode::SUCCESS; }
    ///     App::builder().package(app_core::package!()).provide(Greeting("hello")).run()
    /// }
    /// ```
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.provide_shared(Arc::new(value))
    }

    /// As [`provide`](Self::provide), for a value that is shared already, or that services know as a trait object:
    /// `provide_shared::<dyn Clock>(Arc::new(clock))`.
    pub fn provide_shared<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.provided.insert(value);
        self
    }

    /// Sets all values for the services.
    pub(crate) fn provided(mut self, values: ProvidedValues) -> Self {
        self.provided = values;
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
        let flags = self.flags.unwrap_or_default();
        let identity = self.identity.unwrap_or_else(|| identity_of(&flags));
        let log = match self.log {
            Some(log) => log,
            None => Log::to_stderr(&identity, flags.log_format, flags.log_level, flags.log_record_bytes)?,
        };
        let linked = self.services.is_none();
        let descriptors = self.services.unwrap_or_else(linked_services);
        let package = self.package.unwrap_or_else(|| Package::guessed(&descriptors));
        let inner = Inner {
            identity,
            flags,
            any_port: self.any_port,
            stop_timeout: self.stop_timeout,
            logger: log.logger(),
            log,
            started_on: SystemTime::now(),
            created: Instant::now(),
            package,
            provided: self.provided,
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
    Identity::new(flags.domain_id, flags.app_id, flags.release_id)
}

impl App {
    /// Another app of the same services, with the same identity, flags and log but for the config directory.
    pub(crate) fn remake(&self, config_dir: PathBuf) -> io::Result<App> {
        let mut flags = self.flags().clone();
        flags.config_dir = config_dir;
        App::builder()
            .provided(self.inner.provided.clone())
            .identity(*self.identity())
            .flags(flags)
            .services(self.inner.services.iter().cloned())
            .log(self.log().clone())
            .package(self.package().clone())
            .any_port(self.any_port())
            .stop_timeout(self.stop_timeout())
            .build()
    }
}
