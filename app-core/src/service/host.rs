//! The host of an app's services: what they share, and what the app is made of.

use std::{
    collections::BTreeMap,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::PathBuf,
    sync::{Arc, OnceLock},
    time::{Duration, Instant, SystemTime},
};

use app_errors::Error;
use app_ids::ServiceId;
use futures_util::{FutureExt, future::BoxFuture};
use parking_lot::{Mutex, RwLock};
use slog::{Logger, error};
use tokio::{
    runtime::Handle,
    sync::watch,
    task::JoinHandle,
    time::{self, Sleep},
};

use super::{
    Service,
    app_state::AppState,
    handles::{AnyHandle, Handles},
    kept::Kept,
    mailbox::Mailbox,
    operator::Operator,
    own::OwnService,
    registry::Registry,
};
use crate::{
    Flags, Identity, Log, Package, Restart, StopReport,
    events::{AppEvent, EventBus, ServiceEventKind},
    handover::Handover,
    listeners::Listeners,
    panics,
    provided::ProvidedValues,
    spec::ServiceSpec,
};

/// What an app is made of. Nothing of it changes.
pub(crate) struct Settings {
    pub(crate) identity: Identity,
    pub(crate) flags: Flags,
    pub(crate) package: Package,
    /// Values for the services.
    pub(crate) provided: ProvidedValues,
    pub(crate) services: Vec<ServiceSpec>,
    pub(crate) any_port: bool,
    pub(crate) stop_timeout: Duration,
}

/// Starts an app of these settings. The builder gives it to the host, which knows no start functions.
pub(crate) trait Lifecycle: Send + Sync {
    /// Starts the services. The future ends when the app is ready.
    fn start(&self, host: Arc<Host>) -> BoxFuture<'static, Result<(), StopReport>>;

    /// The services in start order, each with its level and all services that it directly needs. Empty if they cannot start.
    fn edges(&self) -> Vec<(ServiceId, u32, Vec<ServiceId>)>;

    /// Another host of the same services, with the same log, and with the same settings but for the config directory.
    fn remake(&self, host: &Host, config_dir: PathBuf) -> Arc<Host>;

    /// Knows the operations.
    fn operator(&self) -> &dyn Operator;
}

/// What the services of an app share. An [`App`](crate::App) is a handle to it.
pub struct Host {
    pub(crate) settings: Settings,
    pub(crate) created: Instant,
    pub(crate) started_on: SystemTime,
    pub(crate) log: Log,
    pub(crate) logger: Logger,
    pub(crate) state: AppState,
    pub(crate) bus: EventBus,
    pub(crate) listeners: Listeners,
    /// Until the app runs.
    pub(crate) handover: Mutex<Option<Handover>>,
    pub(crate) mailbox: Mailbox,
    pub(crate) registry: Registry,
    pub(crate) handles: Handles,
    pub(crate) kept: Kept,
    /// The service of the application itself.
    pub(super) own: OwnService,
    /// Restart policies in place of those of the descriptors.
    pub(crate) restart_policies: RwLock<BTreeMap<ServiceId, Restart>>,
    /// How often a reload was requested.
    pub(crate) reloads: watch::Sender<u64>,
    /// Where start functions run, and what they spawn.
    runtime: OnceLock<Handle>,
    /// The runtime that the kernel runs in.
    timers: OnceLock<Handle>,
    pub(crate) lifecycle: Box<dyn Lifecycle>,
}

impl Host {
    pub(crate) fn new(
        settings: Settings,
        log: Log,
        listeners: Listeners,
        handover: Option<Handover>,
        lifecycle: Box<dyn Lifecycle>,
    ) -> Self {
        let logger = log.logger();
        Self {
            settings,
            created: Instant::now(),
            started_on: SystemTime::now(),
            bus: EventBus::new(logger.clone()),
            logger,
            log,
            listeners,
            handover: Mutex::new(handover),
            state: AppState::default(),
            mailbox: Mailbox::default(),
            registry: Registry::default(),
            handles: Handles::default(),
            kept: Kept::default(),
            own: OwnService::default(),
            restart_policies: RwLock::default(),
            reloads: watch::channel(0).0,
            runtime: OnceLock::new(),
            timers: OnceLock::new(),
            lifecycle,
        }
    }

    /// Runs the services on this runtime. Without it, they run where the app is started.
    pub(crate) fn run_services_on(&self, runtime: &Handle) {
        // A second call changes nothing: an app is started once.
        let _ = self.runtime.set(runtime.clone());
    }

    /// The runtime of the services.
    pub(crate) fn runtime(&self) -> &Handle {
        self.runtime.get_or_init(Handle::current)
    }

    /// Keeps timers on the current runtime. It is the kernel's own, whose thread no service blocks.
    pub(crate) fn keep_timers_here(&self) {
        // A second call changes nothing: an app is started once.
        let _ = self.timers.set(Handle::current());
    }

    /// A timer of the kernel. It fires even if every worker of the services is blocked. `None` before the start.
    pub(crate) fn timer(&self, after: Duration) -> Option<Sleep> {
        let _inside = self.timers.get()?.enter();
        Some(time::sleep(after))
    }

    /// Starts a task of the kernel, which no service owns, on this runtime. It is the only place that does.
    pub(crate) fn spawn_kernel_task<T: Send + 'static>(
        &self,
        runtime: &Handle,
        name: &'static str,
        task: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<Result<T, String>> {
        let logger = self.logger.clone();
        runtime.spawn(async move {
            AssertUnwindSafe(task).catch_unwind().await.map_err(|panic| {
                let message = panics::message(panic.as_ref()).to_owned();
                error!(logger, "internal error: the kernel's task {name:?} panicked: {message}");
                message
            })
        })
    }

    /// Publishes an event of the app.
    pub(crate) fn emit(&self, event: AppEvent) {
        self.bus.publish(event);
    }

    /// Publishes an event of a service.
    pub(crate) fn emit_service(&self, service: &Service, kind: ServiceEventKind) {
        // The application itself has events of its own.
        if service.id().is_zero() {
            return;
        }
        self.bus.publish_service(service, kind, self.state.moment());
    }

    /// Adds services to the registry, all or none.
    ///
    /// # Errors
    /// `AppNotAlive` once the registry is closed, `ServiceAlreadyRegistered` for an id that is taken.
    pub(crate) fn register(&self, services: &[Service]) -> Result<(), Error> {
        self.registry.register(services)?;
        for service in services {
            self.emit_service(service, ServiceEventKind::Registered);
        }
        Ok(())
    }

    /// Tells the supervisor of a service that was killed.
    pub(super) fn service_killed(&self, service: &Service) {
        self.mailbox.service_killed(service, &self.state);
    }

    /// Removes what belongs to a service that has just died, before anyone learns of its death.
    pub(super) fn service_dead(&self, service: &Service, failure: Option<Error>) {
        drop_handle(service, self.handles.remove(service));
        let registered = self.registry.unregister(service);
        self.emit_service(service, ServiceEventKind::Stopped { failure });
        if registered {
            self.emit_service(service, ServiceEventKind::Unregistered);
        }
    }
}

/// Drops a handle, which is code of the service. A panic in it must not keep the service from being dead.
fn drop_handle(service: &Service, handle: Option<AnyHandle>) {
    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handle))) {
        error!(
            service.log(),
            "the drop of the service's handle panicked: {}",
            panics::message(panic.as_ref())
        );
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").field("identity", &self.settings.identity).finish_non_exhaustive()
    }
}
