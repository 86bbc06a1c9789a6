//! The app: a set of services in one process, or, in tests, one of several such sets.

use std::{
    any::Any,
    collections::{BTreeMap, HashMap},
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use app_errors::{Error, ErrorOrigin, illegal_argument_error, service_not_alive_error};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};
use parking_lot::{Mutex, RwLock};
use slog::{Logger, error};
use tokio::{
    runtime::Handle,
    sync::{Notify, broadcast, watch},
};
use tokio_util::sync::CancellationToken;

use crate::{
    AppEvent, Flags, Identity, Log, Package, Readiness, Restart, Service, ServiceDescriptor,
    ServiceEventKind, ServiceState, ServiceStatus, StopCause, StopReport,
    commands::CommandServers,
    lifecycle::{self, Stage},
    panics,
    provided::ProvidedValues,
    registry::Registry,
    status::Board,
};

mod builder;
mod dump;
mod end;
mod handles;
mod kept;
mod levels;
mod restart;
mod timers;

pub(crate) use self::restart::RestartRequest;
pub use self::{
    builder::{AppBuilder, DEFAULT_APP_STOP_TIMEOUT},
    end::KillOutcome,
};

/// The service id under which the app itself logs and raises errors.
pub const APP_SERVICE: ServiceId = ServiceId::new(0);

/// How many lifecycle events a slow subscriber may lag behind before it misses some.
const EVENTS: usize = 1024;

/// A set of services that start, run and stop together. A cheap handle; clones are the same app.
#[derive(Clone)]
pub struct App {
    pub(crate) inner: Arc<Inner>,
}

/// What an incarnation of a service exposes.
type ExposedHandle = (Service, Arc<dyn Any + Send + Sync>);

pub(crate) struct Inner {
    identity: Identity,
    flags: Flags,
    any_port: bool,
    stop_timeout: Duration,
    log: Log,
    logger: Logger,
    started_on: SystemTime,
    pub(crate) created: Instant,
    pub(crate) services: Vec<ServiceDescriptor>,
    /// Where start functions run, and with them what they spawn.
    runtime: OnceLock<Handle>,
    /// The runtime that the kernel runs in.
    timers: OnceLock<Handle>,
    /// Whether these are all services that are linked into the program.
    pub(crate) linked: bool,
    pub(crate) package: Package,
    /// Values for the services.
    pub(crate) provided: ProvidedValues,
    pub(crate) registry: Registry,
    handles: RwLock<HashMap<ServiceId, ExposedHandle>>,
    kept: kept::Kept,
    pub(crate) board: Board,
    pub(crate) command_servers: CommandServers,
    phase: AtomicU8,
    cause: OnceLock<end::Kill>,
    /// When the drain is over; set by the first kill, made earlier by later ones.
    drain_end: watch::Sender<Option<tokio::time::Instant>>,
    dying: CancellationToken,
    dead: CancellationToken,
    pub(crate) report: OnceLock<StopReport>,
    events: broadcast::Sender<AppEvent>,
    /// How often a reload was asked for.
    reloads: watch::Sender<u64>,
    /// Services that were killed and that the supervisor has not looked at: one entry each, and one more for one whose
    /// failure turned out to be FATAL.
    fallen: Mutex<Vec<Service>>,
    /// Restart policies in place of those of the descriptors.
    restart_policies: RwLock<BTreeMap<ServiceId, Restart>>,
    /// Restarts that were asked for and not answered; each has a caller who waits.
    restarts: Mutex<Vec<restart::RestartRequest>>,
    /// Wakes the supervisor, for either.
    pub(crate) fell: Notify,
}

/// Where an app is in its life.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(crate) enum Phase {
    Made = 0,
    Starting = 1,
    Running = 2,
    Stopping = 3,
    Stopped = 4,
}

impl App {
    /// The settings of an app that is to be made.
    pub fn builder() -> AppBuilder {
        AppBuilder::default()
    }

    /// Starts the services, level by level; ready when it returns.
    ///
    /// # Errors
    /// The report of an app that stopped before it was ready: because a service failed to start, with what had started
    /// stopped again, or because the app was killed in the meantime.
    pub async fn start(&self) -> Result<(), StopReport> {
        lifecycle::start(self).await
    }

    /// Waits until the app has stopped. Cancel safe.
    ///
    /// Inside a task or a command of one of its services, which the stop waits for, it returns once the app and that service
    /// are dying. The report then has the cause, and what is known up to that moment.
    pub async fn stopped(&self) -> StopReport {
        self.dead().await;
        // Set before the app is dead.
        let unknown = || StopReport {
            cause: self.cause().unwrap_or_else(|| StopCause::Killed(String::new())),
            took: self.killed_at().elapsed(),
            abandoned: Vec::new(),
        };
        self.inner.report.get().cloned().unwrap_or_else(unknown)
    }

    /// Has the services run on this runtime; without, they run where [`start`](Self::start) is called.
    pub(crate) fn run_services_on(&self, runtime: &Handle) {
        // A second call changes nothing: an app is started once.
        let _ = self.inner.runtime.set(runtime.clone());
    }

    /// The runtime of the services.
    pub(crate) fn runtime(&self) -> &Handle {
        self.inner.runtime.get_or_init(Handle::current)
    }

    /// Whether two handles are of the same app.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// The ids of this instance.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.inner.identity
    }

    /// The domain that the app belongs to.
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.identity().domain
    }

    /// The app's id.
    #[must_use]
    pub fn id(&self) -> AppId {
        self.identity().app
    }

    /// The release that runs.
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        self.identity().release
    }

    /// The id of this very instance, new in every process.
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.identity().instance
    }

    /// What a reporter of errors adds to each: who, and on which machine.
    #[must_use]
    pub fn error_origin(&self) -> ErrorOrigin {
        let Identity { domain, app, release, instance } = *self.identity();
        ErrorOrigin::new(domain, app, release, instance, std::process::id(), host_name())
    }

    /// When the app was made.
    #[must_use]
    pub fn started_on(&self) -> SystemTime {
        self.inner.started_on
    }

    /// What it was made of: the descriptors of its services, in no order.
    #[must_use]
    pub fn descriptors(&self) -> &[ServiceDescriptor] {
        &self.inner.services
    }

    /// The flags that it was made with.
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.inner.flags
    }

    /// The directory of configs. Only app-config reads it.
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.inner.flags.config_dir
    }

    /// Whether services that listen take any free port in place of their default: so that tests run in parallel.
    #[must_use]
    pub fn any_port(&self) -> bool {
        self.inner.any_port
    }

    /// The app's logger.
    pub fn logger(&self) -> &Logger {
        &self.inner.logger
    }

    /// The app's log: its levels, and what it wrote and dropped.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.inner.log
    }

    /// Registers a service that was made at run time.
    ///
    /// # Errors
    /// `AppNotAlive`, `ServiceNotAlive`, or `ServiceAlreadyRegistered` when a service with this id is alive.
    pub fn register(&self, service: &Service) -> Result<(), Error> {
        if service.parent().is_some() || !Arc::ptr_eq(&service.app().inner, &self.inner) {
            let message = format!("service {} is part of another service or app", service.describe());
            return Err(illegal_argument_error(message));
        }
        // The registry closes only when the stop gets to it.
        if !self.alive() {
            return Err(app_errors::app_not_alive_error());
        }
        service.ensure_alive()?;
        self.enter(std::slice::from_ref(service))?;
        service.advance(ServiceState::Running);
        // It may have died in the meantime: then its burial came too early to take it out.
        if service.is_dead() && self.inner.registry.unregister(service) {
            self.emit_service(service, ServiceEventKind::Unregistered);
            return Err(service_not_alive_error(service.id()));
        }
        Ok(())
    }

    pub(crate) fn enter(&self, services: &[Service]) -> Result<(), Error> {
        self.inner.registry.register(services)?;
        for service in services {
            self.emit_service(service, ServiceEventKind::Registered);
        }
        Ok(())
    }

    /// Takes a service out of the registry: this very incarnation, not another one under its id. It lives on.
    ///
    /// # Errors
    /// `ServiceNotRegistered` when it isn't; `AppNotAlive` once the app was killed.
    pub fn unregister(&self, service: &Service) -> Result<(), Error> {
        if !self.alive() {
            return Err(app_errors::app_not_alive_error());
        }
        if !self.inner.registry.unregister(service) {
            return Err(app_errors::service_not_registered_error(service.id()));
        }
        self.emit_service(service, ServiceEventKind::Unregistered);
        Ok(())
    }

    /// Looks a registered service up.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<Service> {
        self.inner.registry.service(id)
    }

    /// The ids of the registered services, sorted.
    #[must_use]
    pub fn service_ids(&self) -> Vec<ServiceId> {
        self.services().iter().map(Service::id).collect()
    }

    /// The registered services, sorted by id.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        self.inner.registry.services()
    }

    /// Every service that the app was made of, alive or not, sorted by id.
    #[must_use]
    pub fn service_statuses(&self) -> Vec<ServiceStatus> {
        let mut statuses = self.inner.board.statuses();
        for status in &mut statuses {
            status.tasks = self.service(status.id).map_or(0, |service| service.open_tasks().len());
        }
        statuses
    }

    /// Whether the app can do its work: every service runs, and it is not stopping.
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        match (self.cause(), self.phase()) {
            (Some(cause), _) => reasons.push(format!("stopping: {cause}")),
            (None, Phase::Made | Phase::Starting) => reasons.push("starting".to_owned()),
            (None, _) => {}
        }
        reasons.extend(self.inner.board.down());
        Readiness { reasons }
    }

    /// Subscribes to lifecycle events. A subscriber that lags too far behind is told how many it missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<AppEvent> {
        self.inner.events.subscribe()
    }

    /// Asks for a reload: configs are read again, as on SIGHUP. Whether anybody takes such requests.
    pub fn reload(&self) -> bool {
        self.inner.reloads.send_modify(|asked| *asked = asked.wrapping_add(1));
        self.inner.reloads.receiver_count() > 0
    }

    /// Tells of each time that a reload is asked for; several in a row may be told as one.
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.inner.reloads.subscribe()
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.inner.phase.load(Ordering::Acquire) {
            0 => Phase::Made,
            1 => Phase::Starting,
            2 => Phase::Running,
            3 => Phase::Stopping,
            _ => Phase::Stopped,
        }
    }

    /// Leaves the first phase; false when somebody else did.
    pub(crate) fn begin(&self, next: Phase) -> bool {
        let (made, next) = (Phase::Made as u8, next as u8);
        self.inner.phase.compare_exchange(made, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }

    pub(crate) fn enter_phase(&self, phase: Phase) {
        self.inner.phase.store(phase as u8, Ordering::Release);
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        self.inner.stop_timeout
    }

    /// Tells the supervisor of a service that was killed.
    pub(crate) fn fallen(&self, service: &Service) {
        let mut fallen = self.inner.fallen.lock();
        // Once the app stops, nobody looks at it, and an entry would keep the app alive by its own service.
        if self.phase() < Phase::Stopping {
            fallen.push(service.clone());
            self.inner.fell.notify_one();
        }
    }

    pub(crate) fn take_fallen(&self) -> Vec<Service> {
        std::mem::take(&mut self.inner.fallen.lock())
    }

    /// The failures of services that the supervisor has not looked at.
    pub(crate) fn failures(&self) -> Vec<(Service, Error)> {
        let fallen = self.inner.fallen.lock().clone();
        fallen.into_iter().filter_map(|service| service.error().map(|failure| (service, failure))).collect()
    }

    pub(crate) fn expose(&self, service: &Service, handle: Arc<dyn Any + Send + Sync>) {
        self.inner.handles.write().insert(service.id(), (service.clone(), handle));
    }

    /// What is done for a service that has just died, before anyone learns of it.
    pub(crate) fn buried(&self, service: &Service, failure: Option<Error>) {
        let its_own = |handles: &HashMap<_, ExposedHandle>| {
            handles.get(&service.id()).is_some_and(|(owner, _)| owner.same(service))
        };
        // Most services that are made at run time have none.
        let has_one = its_own(&self.inner.handles.read());
        let handle = has_one.then(|| {
            let mut handles = self.inner.handles.write();
            if its_own(&handles) { handles.remove(&service.id()) } else { None }
        });
        // Outside the lock: a handle's drop is the service's own code, and must not stop its burial.
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| drop(handle))) {
            error!(
                service.log(),
                "the drop of the service's handle panicked: {}",
                panics::message(panic.as_ref())
            );
        }
        let registered = self.inner.registry.unregister(service);
        self.emit_service(service, ServiceEventKind::Stopped { failure });
        if registered {
            self.emit_service(service, ServiceEventKind::Unregistered);
        }
    }

    pub(crate) fn emit_service(&self, service: &Service, kind: ServiceEventKind) {
        let stage = match self.inner.board.note(service, &kind, !self.alive()) {
            true => Stage::HasRun,
            false if self.alive() && self.phase() == Phase::Starting => Stage::Starting,
            false => Stage::Restarting,
        };
        if service.tells(lifecycle::service_level(&kind, stage)) {
            lifecycle::log_service_event(service.log(), service.id(), &kind, stage);
        }
        self.publish(AppEvent::Service { id: service.id(), kind });
    }

    pub(crate) fn emit(&self, event: AppEvent) {
        lifecycle::log_event(self.logger(), &event);
        self.publish(event);
    }

    fn publish(&self, event: AppEvent) {
        // Without a subscriber there is nobody to tell.
        let _ = self.inner.events.send(event);
    }

    /// The very end: nobody waits for anything after this.
    pub(crate) fn close(&self, report: StopReport) {
        let _ = self.inner.report.set(report);
        self.enter_phase(Phase::Stopped);
        self.inner.fallen.lock().clear();
        self.inner.restarts.lock().clear();
        let handles = std::mem::take(&mut *self.inner.handles.write());
        if !handles.is_empty() {
            // Of services that were abandoned. A drop is their own code, which may block: it runs on their runtime.
            self.runtime().spawn(async move { drop(handles) });
        }
        self.inner.dead.cancel();
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("identity", self.identity())
            .field("services", &self.service_ids())
            .finish_non_exhaustive()
    }
}

/// The name of this machine, as error reports carry it.
fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
