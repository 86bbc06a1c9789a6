//! The handle of the health check service.
//!
//! Invariants:
//! 1. The lock of the registry is taken before that of an entry, never the other way round, and neither is held across an
//!    await.
//! 2. Of every id there is at most one runner that is not on its way out; each waits for the one before it. Those of
//!    checks that were unregistered are remembered until they are dead.

use std::{collections::BTreeMap, fmt, future::Future, sync::Arc};

use app_core::prelude::{Error, Exposed, HealthCheckId, Service, ServiceId};
use app_errors::{
    BoxError, app_not_alive_error, health_check_not_alive_error, health_check_not_registered_error,
};
use parking_lot::RwLock;
use tokio::{runtime::Handle, sync::Semaphore, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthConfig, check,
    entry::Entry, events, heartbeat::Heartbeat, metrics::Gauges, schedule,
};

/// The health checks of the application. A cheap handle; a service takes it as a parameter: `health: Dep<HealthChecks>`.
///
/// After the health service was killed every call is answered with `ServiceNotAlive`.
#[derive(Clone)]
pub struct HealthChecks(Arc<Inner>);

struct Inner {
    service: Service,
    runtime: Handle,
    config: HealthConfig,
    turns: Arc<Semaphore>,
    gauges: Gauges,
    registry: RwLock<Registry>,
    heartbeat: Heartbeat,
}

#[derive(Default)]
struct Registry {
    checks: BTreeMap<HealthCheckId, Arc<Entry>>,
    /// Runners of checks that were unregistered (invariant 2).
    departed: BTreeMap<HealthCheckId, Service>,
}

impl Exposed for HealthChecks {
    const SERVICE: ServiceId = HEALTHCHECK_SERVICE_ID;
}

impl HealthChecks {
    /// Must be called inside of the runtime that is to run the checks.
    pub(crate) fn new(service: Service, config: HealthConfig, gauges: Gauges) -> Self {
        let turns = Arc::new(Semaphore::new(config.max_concurrent_runs));
        Self(Arc::new(Inner {
            service,
            runtime: Handle::current(),
            config,
            turns,
            gauges,
            registry: RwLock::default(),
            heartbeat: Heartbeat::default(),
        }))
    }

    /// Registers a health check, which runs at once and then by its interval.
    ///
    /// If there is one of the same id it is replaced: it is cancelled now, and has ended before the new one runs. Its
    /// results are gone with it.
    ///
    /// The check is asynchronous: code that blocks its thread can't be stopped when its time is up. It is given a token
    /// that is cancelled then, or when the run is not wanted any more; 0.1 s later it is dropped.
    ///
    /// # Errors
    /// `IllegalArgument` when the id is zero or a time can't be scheduled; `ServiceNotAlive`.
    pub fn register<F, Run, E>(&self, spec: HealthCheckSpec, check: F) -> Result<(), Error>
    where
        F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let Inner { service, config, gauges, turns, runtime, registry, .. } = &*self.0;
        service.ensure_alive()?;
        let spec = Arc::new(config.over(spec.checked()?));
        let check = check::boxed(Arc::clone(&spec), check);
        let _runtime = runtime.enter();
        let mut registry = registry.write();
        let runner = service.child(spec.label())?;
        let old = registry.checks.get(&spec.id).map(|entry| entry.retire());
        let entry = Arc::new(Entry::new(Arc::clone(&spec), check, gauges.of(spec.id)?, runner.clone()));
        let former = old.clone().or_else(|| registry.departed.remove(&spec.id));
        events::registered(service.log(), &spec, old.is_some());
        schedule::spawn(service, &runner, &entry, turns, former)?;
        let replaced = registry.checks.insert(spec.id, entry);
        drop(registry);
        if let Some(old) = old {
            old.kill("its health check was replaced");
        }
        // Outside of the lock: what the old check holds may run code of its own when it is dropped.
        drop(replaced);
        Ok(())
    }

    /// Removes a health check: cancels it, and removes its gauges. False when there is none of this id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn unregister(&self, id: HealthCheckId) -> Result<bool, Error> {
        let Inner { service, gauges, registry, .. } = &*self.0;
        service.ensure_alive()?;
        let mut registry = registry.write();
        let Some(entry) = registry.checks.remove(&id) else { return Ok(false) };
        let runner = entry.retire();
        gauges.remove(id)?;
        registry.departed.retain(|_, runner| !runner.is_dead());
        registry.departed.insert(id, runner.clone());
        drop(registry);
        runner.kill("its health check was unregistered");
        drop(entry);
        Ok(true)
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
        self.entry(id).map(|entry| entry.last())
    }

    /// The last result of every check that has run.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn results(&self) -> Result<BTreeMap<HealthCheckId, HealthCheckResult>, Error> {
        self.read(|registry| {
            registry.checks.iter().filter_map(|(id, entry)| Some((*id, entry.last()?))).collect()
        })
    }

    /// The last results of a check, oldest first: at most [`HISTORY_LENGTH`](crate::HISTORY_LENGTH).
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    pub fn history(&self, id: HealthCheckId) -> Result<Vec<HealthCheckResult>, Error> {
        self.entry(id).map(|entry| entry.history())
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
        self.read(|registry| registry.checks.values().map(|entry| entry.state(now)).collect())
    }

    /// Runs a check now, and gives its result; joins a run that is under way or waits for its turn. The check's schedule
    /// stays as it is.
    ///
    /// Dropped before it is ready, the run still goes on.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`; `HealthCheckNotAlive` when the check is paused, or removed or replaced before there
    /// was a result; `ServiceNotAlive`; `AppNotAlive` once the application stops.
    pub async fn run(&self, id: HealthCheckId) -> Result<HealthCheckResult, Error> {
        let (service, entry) = (&self.0.service, self.entry(id)?);
        let mut ticket = entry.demand()?;
        drop(entry);
        let runner = ticket.runner.clone();
        let result = tokio::select! {
            biased;
            result = ticket.result() => result,
            () = runner.dying() => None,
            () = service.app().dying() => return Err(app_not_alive_error()),
        };
        service.ensure_alive()?;
        result.ok_or_else(|| health_check_not_alive_error(id))
    }

    /// Pauses a check: a run under way is cancelled, and there are no further ones until it is resumed. False when there
    /// is no check of this id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn pause(&self, id: HealthCheckId) -> Result<bool, Error> {
        let entry = match self.find(id)? {
            Some(entry) => entry,
            None => return Ok(false),
        };
        if let Some(runner) = entry.pause() {
            runner.kill("its health check was paused");
            events::paused(self.0.service.log(), &entry.spec);
        }
        Ok(true)
    }

    /// Resumes a paused check, which then runs at once; one that is not paused stays as it is.
    ///
    /// A run that was cancelled by the pause and has not ended yet is waited for, not by the caller but by the check: its
    /// next results are `HealthCheckKillTimeout` if that takes long.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`; `AppNotAlive` once the application stops.
    pub fn resume(&self, id: HealthCheckId) -> Result<(), Error> {
        let Inner { service, turns, runtime, registry, .. } = &*self.0;
        service.ensure_alive()?;
        if !service.app().alive() {
            return Err(app_not_alive_error());
        }
        let _runtime = runtime.enter();
        // Held to the end: if the check were replaced in between, the new runner would not know of the paused one.
        let registry = registry.read();
        let entry = registry.checks.get(&id).ok_or_else(|| health_check_not_registered_error(id))?;
        let runner = service.child(entry.spec.label())?;
        if let Some(former) = entry.resume(&runner) {
            schedule::spawn(service, &runner, entry, turns, Some(former))?;
            events::resumed(service.log(), &entry.spec);
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

    /// The critical checks that are not known to pass.
    pub(crate) fn blocking(&self) -> Vec<HealthCheckState> {
        let now = Instant::now();
        let registry = self.0.registry.read();
        let critical = registry.checks.values().filter(|entry| entry.spec.critical);
        critical.map(|entry| entry.state(now)).filter(HealthCheckState::blocks).collect()
    }

    pub(crate) fn heartbeat(&self) -> &Heartbeat {
        &self.0.heartbeat
    }

    pub(crate) fn config(&self) -> &HealthConfig {
        &self.0.config
    }

    /// Forgets all checks: what they hold may hold this handle.
    pub(crate) fn clear(&self) {
        let checks = std::mem::take(&mut *self.0.registry.write());
        drop(checks);
    }

    fn read<T>(&self, read: impl FnOnce(&Registry) -> T) -> Result<T, Error> {
        self.0.service.ensure_alive()?;
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

#[cfg(test)]
mod tests;
