//! The handle of the health check service.
//!
//! Invariants:
//! 1. The lock of the registry is taken before that of the timetable or of an entry, never the other way round, and none
//!    is held across an await.
//! 2. What is registered changes in the registry and in the timetable under the registry's write lock, so that both hold
//!    the same checks; but for one whose owner is gone, which the timetable forgets first.
//! 3. Entries are dropped outside of the locks: what a check holds may run code of its own then.

use std::{collections::BTreeMap, fmt, sync::Arc, time::SystemTime};

use app_core::prelude::{Error, Exposed, HealthCheckId, Service, ServiceId};
use app_errors::{
    app_not_alive_error, health_check_kill_timeout_error, health_check_not_alive_error,
    health_check_not_registered_error,
};
use parking_lot::RwLock;
use tokio::{
    runtime::Handle,
    sync::{broadcast, oneshot},
    time::Instant,
};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthConfig, HealthEvent,
    HealthEventKind, HealthTransition,
    desk::Desk,
    entry::{Entry, Surroundings, WallClock},
    errors as health_errors,
    events::Herald,
    heartbeat::Heartbeat,
    metrics::Meters,
    pauses::Pauses,
    schedule::jitter,
    timetable::{Refused, Unresumed},
};

/// The health checks of the application. A cheap handle; a service takes it as a parameter: `health: Dep<HealthChecks>`.
///
/// After the health service was killed every call is answered with `ServiceNotAlive`.
#[derive(Clone)]
pub struct HealthChecks(Arc<Inner>);

struct Inner {
    surroundings: Arc<Surroundings>,
    runtime: Handle,
    config: HealthConfig,
    desk: Desk,
    meters: Meters,
    registry: RwLock<Registry>,
    /// Critical checks that are to be registered when their services have started.
    awaited: RwLock<Vec<HealthCheckSpec>>,
    heartbeat: Heartbeat,
}

#[derive(Default)]
struct Registry {
    checks: BTreeMap<HealthCheckId, Arc<Entry>>,
    /// The service was killed: nothing is registered any more.
    closed: bool,
}

impl Exposed for HealthChecks {
    const SERVICE: ServiceId = HEALTHCHECK_SERVICE_ID;
}

impl HealthChecks {
    /// Must be called inside of the runtime that is to run the checks.
    pub(crate) fn new(service: Service, config: HealthConfig, meters: Meters) -> Self {
        Self::with_wall_clock(service, config, meters, Arc::new(SystemTime::now))
    }

    pub(crate) fn with_wall_clock(
        service: Service,
        config: HealthConfig,
        meters: Meters,
        wall_clock: WallClock,
    ) -> Self {
        let desk = Desk::new(service.app().clone(), config.max_concurrent_runs);
        let herald = Herald::new(service.log().clone());
        let pauses = service.app().kept::<Pauses>();
        Self(Arc::new(Inner {
            surroundings: Arc::new(Surroundings { service, herald, wall_clock, pauses }),
            runtime: Handle::current(),
            config,
            desk,
            meters,
            registry: RwLock::default(),
            awaited: RwLock::default(),
            heartbeat: Heartbeat::default(),
        }))
    }

    /// Whether a health check of this id is registered.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn registered(&self, id: HealthCheckId) -> Result<bool, Error> {
        self.read(|registry| registry.checks.contains_key(&id))
    }

    /// The ids of the registered health checks, sorted.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn ids(&self) -> Result<Vec<HealthCheckId>, Error> {
        self.read(|registry| registry.checks.keys().copied().collect())
    }

    /// The spec of a check as it counts: what the config says goes before what the code said.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn spec(&self, id: HealthCheckId) -> Result<HealthCheckSpec, Error> {
        self.entry(id).map(|entry| HealthCheckSpec::clone(&entry.spec))
    }

    /// The last result of a check; `None` before its first run.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn result(&self, id: HealthCheckId) -> Result<Option<HealthCheckResult>, Error> {
        self.entry(id).map(|entry| entry.record().last().cloned())
    }

    /// The last result of every check that has run.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn results(&self) -> Result<BTreeMap<HealthCheckId, HealthCheckResult>, Error> {
        let entries = self.entries()?;
        Ok(entries.iter().filter_map(|entry| Some((entry.spec.id, entry.record().last()?.clone()))).collect())
    }

    /// The last results of a check, oldest first: at most [`HISTORY_LENGTH`](crate::HISTORY_LENGTH).
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn history(&self, id: HealthCheckId) -> Result<Arc<[HealthCheckResult]>, Error> {
        self.entry(id).map(|entry| entry.record().history())
    }

    /// The last changes of what was held of a check, oldest first: at most
    /// [`TRANSITIONS_LENGTH`](crate::TRANSITIONS_LENGTH).
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn transitions(&self, id: HealthCheckId) -> Result<Arc<[HealthTransition]>, Error> {
        self.entry(id).map(|entry| entry.record().transitions())
    }

    /// Subscribes to what happens to health checks. A subscriber that lags too far behind is told how many events it
    /// missed.
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HealthEvent> {
        self.0.surroundings.herald.subscribe()
    }

    /// Everything about a check at this moment.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn state(&self, id: HealthCheckId) -> Result<HealthCheckState, Error> {
        self.entry(id).map(|entry| entry.state(Instant::now()))
    }

    /// Everything about every check at this moment, sorted by id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn states(&self) -> Result<Vec<HealthCheckState>, Error> {
        let now = Instant::now();
        Ok(self.entries()?.iter().map(|entry| entry.state(now)).collect())
    }

    /// Everything about every check of a [group](HealthCheckSpec::group) at this moment, sorted by id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn group(&self, name: &str) -> Result<Vec<HealthCheckState>, Error> {
        let now = Instant::now();
        let entries = self.entries()?;
        let members = entries.iter().filter(|entry| entry.spec.in_group(name));
        Ok(members.map(|entry| entry.state(now)).collect())
    }

    /// Runs a check now, and gives its result; joins a run that is under way or waits for its turn. The check's schedule
    /// stays as it is.
    ///
    /// Dropped before it is ready, the run still goes on.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`; `HealthCheckNotAlive` when the check is paused, or removed or replaced before there
    /// was a result; [`HEALTH_CHECK_BUSY`](crate::errors::HEALTH_CHECK_BUSY) when 1,024 others wait for its result
    /// already; `ServiceNotAlive`; `AppNotAlive` once the application stops.
    pub async fn run(&self, id: HealthCheckId) -> Result<HealthCheckResult, Error> {
        let service = self.service();
        service.ensure_alive()?;
        if !service.app().alive() {
            return Err(app_not_alive_error());
        }
        let (waiter, result) = oneshot::channel();
        let (demanded, orders) =
            self.0.desk.with(|timetable, now, orders| timetable.demand(id, waiter, now, orders));
        self.carry_out(orders);
        demanded.map_err(|refused| match refused {
            Refused::Unknown => health_check_not_registered_error(id),
            Refused::Paused => health_check_not_alive_error(id),
            Refused::Busy => health_errors::busy(id),
        })?;
        let result = tokio::select! {
            biased;
            result = result => result.ok(),
            () = service.app().dying() => None,
        };
        if result.is_none() && !service.app().alive() {
            return Err(app_not_alive_error());
        }
        service.ensure_alive()?;
        result.ok_or_else(|| health_check_not_alive_error(id))
    }

    /// Pauses a check: a run under way is cancelled, and there are no further ones until it is resumed. False when there
    /// is no check of this id.
    ///
    /// A check that is registered again under this id, because its service or the health service was restarted, is still
    /// paused. The pause ends when the check is resumed, or with the process.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn pause(&self, id: HealthCheckId) -> Result<bool, Error> {
        let Some(entry) = self.find(id)? else { return Ok(false) };
        let (paused, orders) = self.0.desk.with(|timetable, now, orders| timetable.pause(id, now, orders));
        self.carry_out(orders);
        if paused == Some(true) {
            entry.tell(HealthEventKind::Paused);
        }
        Ok(paused.is_some())
    }

    /// Resumes a paused check, which then runs at once; one that is not paused stays as it is. A paused check whose
    /// service is down runs when it is registered again.
    ///
    /// A run that was cancelled by the pause and has not ended yet is waited for, not by the caller but by the check.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`; `HealthCheckKillTimeout` when a run from before the pause was cancelled and dropped,
    /// and has not ended: the check stays paused; `ServiceNotAlive`; `AppNotAlive` once the application stops.
    pub fn resume(&self, id: HealthCheckId) -> Result<(), Error> {
        let service = self.service();
        service.ensure_alive()?;
        if !service.app().alive() {
            return Err(app_not_alive_error());
        }
        // Under the registry's lock, so that no check is registered as paused in between.
        let found = self.read(|registry| match registry.checks.get(&id) {
            Some(entry) => Ok(Some(Arc::clone(entry))),
            None if self.0.surroundings.pauses.end(id) => Ok(None),
            None => Err(health_check_not_registered_error(id)),
        })??;
        let Some(entry) = found else { return Ok(()) };
        let first = jitter(entry.spec.interval, entry.spec.critical);
        let (resumed, orders) = self.0.desk.with(|timetable, now, _| timetable.resume(id, now + first));
        self.carry_out(orders);
        match resumed {
            Ok(true) => entry.tell(HealthEventKind::Resumed),
            Ok(false) => {}
            Err(Unresumed::Unknown) => return Err(health_check_not_registered_error(id)),
            Err(Unresumed::StillRunning) => return Err(health_check_kill_timeout_error(id)),
        }
        Ok(())
    }

    /// The ids of the checks that are paused, sorted.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn paused(&self) -> Result<Vec<HealthCheckId>, Error> {
        self.read(|registry| {
            registry.checks.iter().filter(|(_, entry)| entry.paused()).map(|(id, _)| *id).collect()
        })
    }

    /// The critical checks of a group.
    pub(crate) fn critical(&self, group: &str) -> Vec<HealthCheckState> {
        let now = Instant::now();
        let counts = |entry: &&Arc<Entry>| entry.spec.critical && entry.spec.in_group(group);
        let entries: Vec<_> = self.0.registry.read().checks.values().filter(counts).cloned().collect();
        entries.iter().map(|entry| entry.state(now)).collect()
    }

    /// The critical checks of a group that are still to be registered.
    pub(crate) fn awaited(&self, group: &str) -> Vec<HealthCheckSpec> {
        self.0.awaited.read().iter().filter(|spec| spec.in_group(group)).cloned().collect()
    }

    pub(crate) fn await_for(&self, checks: Vec<HealthCheckSpec>) {
        *self.0.awaited.write() = checks;
    }

    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.0.heartbeat
    }

    pub(crate) fn config(&self) -> &HealthConfig {
        &self.0.config
    }

    pub(crate) fn desk(&self) -> &Desk {
        &self.0.desk
    }

    pub(crate) fn service(&self) -> &Service {
        &self.0.surroundings.service
    }

    pub(crate) fn runtime(&self) -> &Handle {
        &self.0.runtime
    }

    /// Cancels all runs and forgets all checks: what they hold may hold this handle.
    pub(crate) fn close(&self) {
        let mut registry = self.0.registry.write();
        registry.closed = true;
        let ((), orders) = self.0.desk.with(|timetable, now, orders| timetable.close(now, orders));
        let checks = std::mem::take(&mut registry.checks);
        drop(registry);
        self.carry_out(orders);
        drop(checks);
    }

    /// The checks, sorted by id. The lock is held for no longer than it takes to copy the list.
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

mod registration;
#[cfg(test)]
mod tests;
