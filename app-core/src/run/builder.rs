//! Making an app: the settings that differ between a process and a test.

use std::{io, sync::Arc, time::Duration};

use crate::{
    App, Flags, Identity, Log, Package, ServiceDescriptor, handover::Handover, lifecycle::Descriptors,
    linked_services, listeners::Listeners, provided::ProvidedValues, service::Settings,
};

/// How long all services of an app together may take to stop.
pub const DEFAULT_APP_STOP_TIMEOUT: Duration = Duration::from_secs(120);

/// The settings of an app that is about to be made.
#[derive(Debug)]
#[must_use]
pub struct AppBuilder {
    flags: Option<Flags>,
    identity: Option<Identity>,
    services: Option<Vec<ServiceDescriptor>>,
    log: Option<Log>,
    package: Option<Package>,
    provided: ProvidedValues,
    listeners: Listeners,
    handover: Option<Handover>,
    any_port: bool,
    stop_timeout: Duration,
}

impl Default for AppBuilder {
    fn default() -> Self {
        Self::new()
    }
}

impl AppBuilder {
    /// The default settings.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).build()?;
    /// assert!(app.services().is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn new() -> Self {
        Self {
            flags: None,
            identity: None,
            services: None,
            log: None,
            package: None,
            provided: ProvidedValues::default(),
            listeners: Listeners::default(),
            handover: None,
            any_port: false,
            stop_timeout: DEFAULT_APP_STOP_TIMEOUT,
        }
    }

    /// Takes the flags, if they were set.
    pub(super) fn take_flags(&mut self) -> Option<Flags> {
        self.flags.take()
    }

    /// The package, if it was set.
    pub(super) fn known_package(&self) -> Option<&Package> {
        self.package.as_ref()
    }

    /// Sets the flags. By default, each flag has its default value.
    ///
    /// ```
    /// # use app_core::{prelude::*, Flags, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).flags(Flags::with_config_dir("/etc/app")).build()?;
    /// assert_eq!(app.config_dir().to_str(), Some("/etc/app"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn flags(mut self, flags: Flags) -> Self {
        self.flags = Some(flags);
        self
    }

    /// Sets the identity. By default it comes from the flags, with a new instance id.
    ///
    /// ```
    /// # use app_core::{prelude::*, Identity, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).identity(Identity::new(1.into(), 2.into(), 3.into())).build()?;
    /// assert_eq!(app.domain().hex(), "1");
    /// # Ok(())
    /// # }
    /// ```
    pub fn identity(mut self, identity: Identity) -> Self {
        self.identity = Some(identity);
        self
    }

    /// Sets the services. By default, they are all linked services.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::runs, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([runs(ServiceId::new(7), "seven")]).build()?;
    /// app.start().await.expect("it starts");
    /// assert_eq!(app.service_ids(), [ServiceId::new(7)]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn services(mut self, services: impl IntoIterator<Item = ServiceDescriptor>) -> Self {
        self.services = Some(services.into_iter().collect());
        self
    }

    /// Sets the log. By default it writes to standard error, as the flags say.
    ///
    /// ```
    /// # use app_core::{prelude::*, Identity, Log, LogLevel, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let identity = Identity::new(1.into(), 2.into(), 3.into());
    /// let (log, captured) = Log::captured(&identity, LogLevel::Info);
    /// let app = AppBuilder::new().services([]).log(log).build()?;
    /// info!(app.logger(), "hello");
    /// assert!(captured.text().contains("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn log(mut self, log: Log) -> Self {
        self.log = Some(log);
        self
    }

    /// Sets the package of the application. By default it is guessed from the name of the program.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).package(app_core::package!()).build()?;
    /// assert_eq!(app.package().name(), env!("CARGO_PKG_NAME"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn package(mut self, package: Package) -> Self {
        self.package = Some(package);
        self
    }

    /// Provides a value for the services, by its type: they take it as the parameter [`Provided`](crate::Provided). A second
    /// value of the same type replaces the first.
    ///
    /// ```
    /// use app_core::{AppBuilder, Provided, ServiceDescriptor, prelude::*, testing::TestApp};
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
    ///     AppBuilder::new().package(app_core::package!()).provide(Greeting("hello")).run()
    /// }
    /// ```
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.provide_shared(Arc::new(value))
    }

    /// As [`provide`](Self::provide), for a value that is shared already, or that services know as a trait object:
    /// `provide_shared::<dyn Clock>(Arc::new(clock))`.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).provide_shared::<str>("hello".into()).build()?;
    /// assert_eq!(app.provided::<str>().as_deref(), Some("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn provide_shared<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.provided.insert(value);
        self
    }

    /// Sets all values for the services.
    pub(crate) fn provided(mut self, values: ProvidedValues) -> Self {
        self.provided = values;
        self
    }

    /// Sets the listeners that came from elsewhere.
    pub(super) fn listeners(mut self, listeners: Listeners, handover: Option<Handover>) -> Self {
        self.listeners = listeners;
        self.handover = handover;
        self
    }

    /// The identity, which stays from now on.
    pub(super) fn identity_for(&mut self, flags: &Flags) -> Identity {
        *self.identity.get_or_insert_with(|| identity_of(flags))
    }

    /// Lets services that listen take any free port instead of their default port.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).any_port(true).build()?;
    /// assert!(app.any_port());
    /// # Ok(())
    /// # }
    /// ```
    pub fn any_port(mut self, any_port: bool) -> Self {
        self.any_port = any_port;
        self
    }

    /// Sets how long all services together may take to stop, [`DEFAULT_APP_STOP_TIMEOUT`] by default.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).stop_timeout(Duration::from_secs(20)).build()?;
    /// assert!(app.alive());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stop_timeout(mut self, timeout: Duration) -> Self {
        self.stop_timeout = timeout;
        self
    }

    /// Makes the app. Nothing runs yet.
    ///
    /// ```
    /// # use app_core::{prelude::*, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).build()?;
    /// assert!(app.alive(), "made, not started");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// When the log cannot be opened.
    pub fn build(self) -> io::Result<App> {
        let flags = self.flags.unwrap_or_default();
        let identity = self.identity.unwrap_or_else(|| identity_of(&flags));
        let log = match self.log {
            Some(log) => log,
            None => Log::to_stderr(&identity, flags.log_format, flags.log_level, flags.log_record_bytes)?,
        };
        let descriptors = match self.services {
            Some(services) => Descriptors::given(services),
            None => Descriptors::linked(linked_services()),
        };
        let services = descriptors.specs();
        let settings = Settings {
            identity,
            flags,
            package: self.package.unwrap_or_else(|| Package::guessed(&services)),
            provided: self.provided,
            services,
            any_port: self.any_port,
            stop_timeout: self.stop_timeout,
        };
        Ok(descriptors.host(settings, log, self.listeners, self.handover).into())
    }
}

fn identity_of(flags: &Flags) -> Identity {
    Identity::new(flags.domain_id, flags.app_id, flags.release_id)
}

/// The whole of a `main.rs`: links the services of these crates, and runs them as the application of this package.
///
/// ```no_run
/// # use app_core as app_config; use app_core as app_health; use app_core as app_metrics; use app_core as app_rpc;
/// # use app_core as orders;
/// app_core::main! { link: [app_config, app_health, app_metrics, app_rpc, orders] }
/// ```
///
/// It is the same as:
///
/// ```no_run
/// # use app_core as app_config; use app_core as app_health; use app_core as app_metrics; use app_core as app_rpc;
/// # use app_core as orders;
/// use {app_config as _, app_health as _, app_metrics as _, app_rpc as _, orders as _};
///
/// fn main() -> std::process::ExitCode {
///     app_core::AppBuilder::new().package(app_core::package!()).run()
/// }
/// ```
#[macro_export]
macro_rules! main {
    (link: [$($service:ident),* $(,)?] $(,)?) => {
        $(use $service as _;)*

        fn main() -> ::std::process::ExitCode {
            $crate::AppBuilder::new().package($crate::package!()).run()
        }
    };
}
