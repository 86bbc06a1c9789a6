//! An app for one test, with free ports, a temporary config directory and a captured log.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt, mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use app_ids::{AppId, DomainId, ReleaseId, ServiceId};
use futures_util::future::BoxFuture;
use tempfile::TempDir;

use super::replacement::{Replaced, Replacement};
use crate::{
    App, AppBuilder, Exposed, Flags, HandleType, Host, Identity, Log, LogLevel, Service, ServiceDescriptor,
    StopCause, StopReport, linked_services,
    log::CapturedLog,
    operations::{Caller, OperationCall, OperationRole},
    provided::ProvidedValues,
};

/// An app that runs for one test. The apps of several tests run in parallel in one process.
///
/// ```
/// use app_core::{prelude::*, testing::{TestApp, runs}};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
/// assert_eq!(app.service_ids(), [ServiceId::new(7)]);
/// app.stop().await.expect_clean();
/// # }
/// ```
#[derive(Debug)]
pub struct TestApp {
    app: App,
    log: CapturedLog,
    config_dir: Arc<TempDir>,
}

/// The settings of a [`TestApp`]. `await` it to start the app, as [`start`](Self::start) does.
#[must_use = "the app starts when you `await` this"]
pub struct TestAppBuilder {
    services: Vec<ServiceDescriptor>,
    flags: Flags,
    provided: ProvidedValues,
    config_dir: Arc<TempDir>,
    /// Set once it is awaited.
    starting: Option<BoxFuture<'static, TestApp>>,
}

impl TestApp {
    /// Runs these linked services, and every service that they need: `TestApp::with([QUOTA]).await`. Before the `await` you can
    /// change the settings, as in `TestApp::with([ORDERS]).replace(STOCK_CLIENT, FakeStock::default()).await`.
    ///
    /// # Panics
    /// When one is not linked into the test (`use quota as _;`), or the app does not start.
    pub fn with(services: impl IntoIterator<Item = ServiceId>) -> TestAppBuilder {
        Self::builder().linked(services)
    }

    /// Runs an app without services.
    ///
    /// # Panics
    /// When the app does not start.
    pub async fn empty() -> Self {
        Self::builder().start().await
    }

    /// The settings of an app that is about to be made.
    ///
    /// # Panics
    /// When there is no temporary directory.
    pub fn builder() -> TestAppBuilder {
        #[expect(clippy::expect_used, reason = "a test cannot go on without it")]
        let config_dir = tempfile::tempdir().expect("a temporary config directory");
        let mut flags = Flags::with_config_dir(config_dir.path());
        flags.log_level = LogLevel::Debug;
        let (config_dir, provided) = (Arc::new(config_dir), ProvidedValues::default());
        TestAppBuilder { services: Vec::new(), flags, provided, config_dir, starting: None }
    }

    /// The handle that a service exposes.
    ///
    /// # Panics
    /// When it does not run.
    #[must_use]
    #[track_caller]
    pub fn get<T: Exposed>(&self) -> Arc<T> {
        match self.app.get() {
            Ok(handle) => handle,
            Err(error) => panic!("{error:#}"),
        }
    }

    /// Makes a service at run time and registers it.
    ///
    /// # Panics
    /// When it cannot be registered.
    #[must_use]
    #[track_caller]
    pub fn new_service(&self, id: ServiceId, name: &'static str) -> Service {
        let service = Service::new(&self.app, id, name)
            .and_then(|service| self.app.register(&service).map(|()| service));
        service.unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Calls an operation of a service, by name: as an administrator with a reason, confirmed. The application itself is `app`.
    ///
    /// # Errors
    /// As [`App::call_operation`].
    ///
    /// # Panics
    /// When no service has the name.
    pub async fn operation(
        &self,
        service: &str,
        name: &str,
        arguments: serde_json::Value,
    ) -> Result<serde_json::Value, app_errors::Error> {
        let of = self.app.operations().into_iter().find(|info| info.service_name == service);
        let Some(of) = of else { panic!("no service {service:?} of this app has operations") };
        let caller = Caller::new("test", OperationRole::Admin, "a test");
        let call = OperationCall::new(of.service, name, arguments, caller);
        self.app.call_operation(call.confirmed(true)).await
    }

    /// The app itself.
    #[must_use]
    pub fn app(&self) -> &App {
        &self.app
    }

    /// The captured log.
    #[must_use]
    pub fn captured(&self) -> &CapturedLog {
        &self.log
    }

    /// The config directory, empty unless the test put something there.
    #[must_use]
    pub fn config_dir(&self) -> &std::path::Path {
        self.config_dir.path()
    }

    /// Stops the app.
    pub async fn stop(self) -> StopReport {
        self.app.kill(StopCause::Killed("the test is over".to_owned()));
        self.app.stopped().await
    }
}

/// For [`Service::new`].
impl AsRef<Arc<Host>> for TestApp {
    fn as_ref(&self) -> &Arc<Host> {
        self.app.host()
    }
}

impl std::ops::Deref for TestApp {
    type Target = App;

    fn deref(&self) -> &App {
        &self.app
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.app.kill(StopCause::Killed("the test dropped it".to_owned()));
    }
}

impl TestAppBuilder {
    /// Adds linked services, and every service that they need.
    ///
    /// # Panics
    /// When one is not linked into the test.
    pub fn linked(mut self, services: impl IntoIterator<Item = ServiceId>) -> Self {
        let linked: BTreeMap<_, _> =
            linked_services().into_iter().map(|service| (service.id(), service)).collect();
        let mut wanted: Vec<_> = services.into_iter().collect();
        let mut taken: BTreeSet<_> = self.services.iter().map(ServiceDescriptor::id).collect();
        while let Some(id) = wanted.pop() {
            if !taken.insert(id) {
                continue;
            }
            let Some(service) = linked.get(&id) else {
                panic!(
                    "service {} is not linked into this test: name its crate (`use .. as _;`)",
                    id.describe()
                );
            };
            wanted.extend(service.needs());
            self.services.push(service.clone());
        }
        self
    }

    /// Puts a value in the place of a service: its dependents get this handle, and the service itself does not start. `with` is a handle,
    /// or a fake that becomes one: see [`Replacement`]. The service need not be linked.
    ///
    /// # Panics
    /// When the service is linked, or was added before, and its handle is of another type.
    #[track_caller]
    pub fn replace<R: Replacement>(mut self, service: ServiceId, with: R) -> Self {
        let replaced = HandleType::of::<R::Handle>();
        let mut known = linked_services().into_iter().chain(self.services.iter().cloned());
        let known = known.find(|known| known.id() == service);
        let wanted = known.as_ref().and_then(ServiceDescriptor::handle);
        if let Some(wanted) = wanted.filter(|wanted| *wanted != replaced) {
            panic!(
                "service {}: {} cannot replace it, because its handle is {}: replace it with that type, or implement `Replacement` for your fake",
                service.describe(),
                replaced.name(),
                wanted.name()
            );
        }
        let name = known.map_or("replaced".into(), |known| known.shared_name());
        self.services.retain(|other| other.id() != service);
        self.service(ServiceDescriptor::of(service, name, Replaced(Arc::new(with.into_handle()))))
    }

    /// Adds a service.
    pub fn service(mut self, service: ServiceDescriptor) -> Self {
        self.services.push(service);
        self
    }

    /// Adds services.
    pub fn services(mut self, services: impl IntoIterator<Item = ServiceDescriptor>) -> Self {
        self.services.extend(services);
        self
    }

    /// Changes the flags. Ids of 0 stand for those of every test: domain 0xd0, app 0xa0, release 0x10.
    pub fn flags(mut self, change: impl FnOnce(&mut Flags)) -> Self {
        change(&mut self.flags);
        self
    }

    /// Sets the values of a [flag group](crate::flag_group); without, they are its defaults.
    pub fn flag_group<T: clap::Args + Send + Sync + 'static>(mut self, values: T) -> Self {
        self.flags.set_group(values);
        self
    }

    /// Provides a value for the services: as [`AppBuilder::provide`](crate::AppBuilder::provide).
    pub fn provide<T: Send + Sync + 'static>(self, value: T) -> Self {
        self.provide_shared(Arc::new(value))
    }

    /// Provides a shared value for the services: as [`AppBuilder::provide_shared`](crate::AppBuilder::provide_shared).
    pub fn provide_shared<T: ?Sized + Send + Sync + 'static>(mut self, value: Arc<T>) -> Self {
        self.provided.insert(value);
        self
    }

    /// The config directory, to put configs there before the start.
    #[must_use]
    pub fn config_dir(&self) -> &std::path::Path {
        self.config_dir.path()
    }

    /// Moves the settings out.
    fn take(&mut self) -> Self {
        Self {
            services: mem::take(&mut self.services),
            flags: mem::take(&mut self.flags),
            provided: mem::take(&mut self.provided),
            config_dir: Arc::clone(&self.config_dir),
            starting: None,
        }
    }

    /// Makes the app without starting it.
    ///
    /// # Panics
    /// When the app cannot be made.
    #[must_use]
    pub fn build(self) -> TestApp {
        let Flags { domain_id: domain, app_id: app, release_id: release, .. } = self.flags;
        let identity = Identity::new(
            if domain == DomainId::default() { DomainId::new(0xd0) } else { domain },
            if app == AppId::default() { AppId::new(0xa0) } else { app },
            if release == ReleaseId::default() { ReleaseId::new(0x10) } else { release },
        );
        let (log, captured) = Log::captured(&identity, self.flags.log_level);
        let builder = AppBuilder::new()
            .identity(identity)
            .flags(self.flags)
            .provided(self.provided)
            .services(self.services)
            .log(log)
            .any_port(true);
        match builder.build() {
            Ok(app) => TestApp { app, log: captured, config_dir: self.config_dir },
            Err(error) => panic!("{error}"),
        }
    }

    /// Makes the app and starts it.
    ///
    /// # Panics
    /// When the app does not start. The message has the reasons and the log.
    pub async fn start(self) -> TestApp {
        let app = self.build();
        if let Err(report) = app.app.start().await {
            panic!("the app did not start: {report:#?}\n{}", app.log.text());
        }
        app
    }
}

/// Starts the app, as [`TestAppBuilder::start`] does.
impl Future for TestAppBuilder {
    type Output = TestApp;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<TestApp> {
        let starting = match self.starting.take() {
            Some(starting) => starting,
            None => Box::pin(self.take().start()),
        };
        self.starting.insert(starting).as_mut().poll(context)
    }
}

impl fmt::Debug for TestAppBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let services: Vec<_> = self.services.iter().map(ServiceDescriptor::id).collect();
        f.debug_struct("TestAppBuilder").field("services", &services).finish_non_exhaustive()
    }
}
