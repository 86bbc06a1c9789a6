//! The handle of the health check service.
//!
//! Invariants:
//! 1. The registry's lock is taken before the lock of the timetable or of an entry, never after. No code awaits while
//!    it holds one of them.
//! 2. The registry and the timetable hold the same checks: both change under the registry's write lock. There is one
//!    exception: the timetable removes a check whose owner has ended before the registry does.
//! 3. Entries are dropped after the locks were released, because the drop may run code of the check.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use app_core::prelude::{App, Error, Exposed, HealthCheckId, Service, ServiceId};
use app_errors::{
    app_not_alive_error, health_check_kill_timeout_error, health_check_not_alive_error,
    health_check_not_registered_error,
};
use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::oneshot, time::Instant};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthConfig,
    HealthEventKind,
    check_queue::CheckQueue,
    entry::{Entry, Shared, WallClock},
    errors as health_errors,
    events::EventSender,
    heartbeat::Heartbeat,
    jitter::jitter,
    metrics::Meters,
    paused_checks::PausedChecks,
    timetable::{ResumeRefused, RunRefused},
};

mod actions;
mod reads;
mod registration;
mod run;
mod spans;
#[cfg(test)]
mod tests;

/// The health checks of the application. A cheap handle; clones share the checks.
///
/// A service takes it as a parameter: `health: Dep<HealthChecks>`. After the health service was killed, every method
/// that returns a `Result` fails with `ServiceNotAlive`.
#[derive(Clone)]
pub struct HealthChecks(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    runtime: Handle,
    config: HealthConfig,
    check_queue: CheckQueue,
    meters: Meters,
    registry: RwLock<Registry>,
    /// Critical linked checks whose services have not started yet.
    pending: RwLock<Vec<HealthCheckSpec>>,
    heartbeat: Heartbeat,
}

#[derive(Default)]
struct Registry {
    checks: BTreeMap<HealthCheckId, Arc<Entry>>,
    /// Set once the service was killed. Registration is refused from then on.
    closed: bool,
}

impl Exposed for HealthChecks {
    const SERVICE: ServiceId = HEALTHCHECK_SERVICE_ID;
}

impl HealthChecks {
    /// Call it within the runtime that will run the checks.
    pub(crate) fn new(service: Service, config: HealthConfig, meters: Meters) -> Self {
        Self::with_wall_clock(service, config, meters, Arc::new(SystemTime::now))
    }

    pub(crate) fn with_wall_clock(
        service: Service,
        config: HealthConfig,
        meters: Meters,
        wall_clock: WallClock,
    ) -> Self {
        let check_queue = CheckQueue::new(App::of(&service), config.max_concurrent_runs);
        let events = EventSender::new(service.log().clone(), App::of(&service).journal().clone());
        let paused_checks = App::of(&service).kept::<PausedChecks>();
        Self(Arc::new(Inner {
            shared: Arc::new(Shared { service, events, wall_clock, paused_checks }),
            runtime: Handle::current(),
            config,
            check_queue,
            meters,
            registry: RwLock::default(),
            pending: RwLock::default(),
            heartbeat: Heartbeat::default(),
        }))
    }

    /// Runs a check now and waits for its result. Joins a run that is in progress or queued.
    ///
    /// The schedule of the check does not change.
    ///
    /// # Cancel safety
    /// The run continues if you drop this future.
    ///
    /// # Errors
    /// - `HealthCheckNotRegistered`.
    /// - `HealthCheckNotAlive` if the check is paused, or is removed or replaced before it has a result.
    /// - [`HEALTH_CHECK_BUSY`](crate::errors::HEALTH_CHECK_BUSY) if 1,024 other callers wait for its result.
    /// - `ServiceNotAlive`; `AppNotAlive` once the application stops.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert!(health.run(DISK).await?.passed());
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub async fn run(&self, id: HealthCheckId) -> Result<HealthCheckResult, Error> {
        let service = self.service();
        let app = App::of(service);
        service.ensure_alive()?;
        if !app.alive() {
            return Err(app_not_alive_error());
        }
        let (waiter, result) = oneshot::channel();
        let (demanded, actions) =
            self.0.check_queue.with(|timetable, now, actions| timetable.run_now(id, waiter, now, actions));
        self.perform(actions);
        demanded.map_err(|refused| match refused {
            RunRefused::Unknown => health_check_not_registered_error(id),
            RunRefused::Paused => health_check_not_alive_error(id),
            RunRefused::Busy => health_errors::busy(id),
        })?;
        let result = tokio::select! {
            biased;
            result = result => result.ok(),
            () = app.dying() => None,
        };
        if result.is_none() && !app.alive() {
            return Err(app_not_alive_error());
        }
        service.ensure_alive()?;
        result.ok_or_else(|| health_check_not_alive_error(id))
    }

    /// Pauses a check: cancels its run and starts no further run until the check is resumed.
    ///
    /// Returns `false` if no check with this id is registered. The pause survives a restart of the check's service and
    /// of the health service. It ends when the check is resumed, or with the process.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert!(health.pause(DISK)?);
    /// assert!(health.run(DISK).await.is_err());
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn pause(&self, id: HealthCheckId) -> Result<bool, Error> {
        let Some(entry) = self.find(id)? else { return Ok(false) };
        let (paused, actions) =
            self.0.check_queue.with(|timetable, now, actions| timetable.pause(id, now, actions));
        self.perform(actions);
        if paused == Some(true) {
            entry.send_event(HealthEventKind::Paused);
        }
        Ok(paused.is_some())
    }

    /// Resumes a paused check, which then runs at once. Does nothing if the check is not paused.
    ///
    /// If the check's service is down, the check runs when it is registered again. If a run that the pause cancelled
    /// has not ended yet, the next run begins after it. The caller does not wait for that.
    ///
    /// # Errors
    /// - `HealthCheckNotRegistered`.
    /// - `HealthCheckKillTimeout` if a run from before the pause was abandoned and has not ended. The check stays
    ///   paused.
    /// - `ServiceNotAlive`; `AppNotAlive` once the application stops.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.pause(DISK)?;
    /// health.resume(DISK)?;
    /// assert!(health.run(DISK).await?.passed());
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn resume(&self, id: HealthCheckId) -> Result<(), Error> {
        let service = self.service();
        service.ensure_alive()?;
        if !App::of(service).alive() {
            return Err(app_not_alive_error());
        }
        // Under the registry's lock: otherwise a check could be registered as paused in between.
        let found = self.read(|registry| match registry.checks.get(&id) {
            Some(entry) => Ok(Some(Arc::clone(entry))),
            None if self.0.shared.paused_checks.end(id) => Ok(None),
            None => Err(health_check_not_registered_error(id)),
        })??;
        let Some(entry) = found else { return Ok(()) };
        let first = jitter(entry.spec.interval, entry.spec.critical);
        let (resumed, actions) =
            self.0.check_queue.with(|timetable, now, _| timetable.resume(id, now + first));
        self.perform(actions);
        match resumed {
            Ok(true) => entry.send_event(HealthEventKind::Resumed),
            Ok(false) => {}
            Err(ResumeRefused::Unknown) => return Err(health_check_not_registered_error(id)),
            Err(ResumeRefused::StillRunning) => return Err(health_check_kill_timeout_error(id)),
        }
        Ok(())
    }

    /// The state of each critical check in a group.
    pub(crate) fn critical(&self, group: &str) -> Vec<HealthCheckState> {
        let now = Instant::now();
        let counts = |entry: &&Arc<Entry>| entry.spec.critical && entry.spec.in_group(group);
        let entries: Vec<_> = self.0.registry.read().checks.values().filter(counts).cloned().collect();
        entries.iter().map(|entry| entry.state(now)).collect()
    }

    /// The critical linked checks of a group whose services have not started yet.
    pub(crate) fn pending(&self, group: &str) -> Vec<HealthCheckSpec> {
        self.0.pending.read().iter().filter(|spec| spec.in_group(group)).cloned().collect()
    }

    pub(crate) fn set_pending(&self, checks: Vec<HealthCheckSpec>) {
        *self.0.pending.write() = checks;
    }

    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.0.heartbeat
    }

    pub(crate) fn config(&self) -> &HealthConfig {
        &self.0.config
    }

    pub(crate) fn check_queue(&self) -> &CheckQueue {
        &self.0.check_queue
    }

    pub(crate) fn service(&self) -> &Service {
        &self.0.shared.service
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Cancels all runs and drops all checks. A check may hold this handle, so the checks must not outlive the service.
    pub(crate) fn close(&self) {
        let mut registry = self.0.registry.write();
        registry.closed = true;
        let ((), actions) = self.0.check_queue.with(|timetable, now, actions| timetable.close(now, actions));
        let checks = std::mem::take(&mut registry.checks);
        drop(registry);
        self.perform(actions);
        drop(checks);
    }

    /// The checks, sorted by id. Holds the lock only to copy the list.
    fn entries(&self) -> Result<Vec<Arc<Entry>>, Error> {
        self.read(|registry| registry.checks.values().cloned().collect())
    }

    fn read<T>(&self, read: impl FnOnce(&Registry) -> T) -> Result<T, Error> {
        self.service().ensure_alive()?;
        Ok(read(&self.0.registry.read()))
    }

    fn find(&self, id: HealthCheckId) -> Result<Option<Arc<Entry>>, Error> {
        self.read(|registry| registry.checks.get(&id).cloned())
    }

    fn entry(&self, id: HealthCheckId) -> Result<Arc<Entry>, Error> {
        self.find(id)?.ok_or_else(|| health_check_not_registered_error(id))
    }
}

impl fmt::Debug for HealthChecks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HealthChecks").field("ids", &self.ids().unwrap_or_default()).finish_non_exhaustive()
    }
}
