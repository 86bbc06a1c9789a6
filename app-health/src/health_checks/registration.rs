//! How health checks come and go.

use std::{future::Future, sync::Arc};

use app_core::prelude::{Error, HealthCheckId, Service};
use app_errors::{BoxError, service_not_alive_error};
use tokio_util::sync::CancellationToken;

use super::{HealthChecks, Inner};
use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthEventKind,
    check::{self, Check},
    entry::Entry,
    schedule::jitter,
};

impl HealthChecks {
    /// Registers a health check, which runs at once and then by its interval.
    ///
    /// If there is one of the same id it is replaced: it is cancelled now, and has ended before the new one runs. Its
    /// results are gone with it. If it was paused, the new one is paused too.
    ///
    /// The check is asynchronous: code that blocks its thread can't be stopped when its time is up. It is given a token
    /// that is cancelled then, or when the run is not wanted any more; 0.1 s later it is dropped.
    ///
    /// # Errors
    /// `IllegalArgument` when the id is zero, a time can't be scheduled, or a group has a name that it can't have;
    /// `ServiceNotAlive`.
    pub fn register<F, Run, E>(&self, spec: HealthCheckSpec, check: F) -> Result<(), Error>
    where
        F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let spec = self.spec_as_it_counts(spec)?;
        let check = check::boxed(Arc::clone(&spec), check);
        self.enter(spec, check, None).map(drop)
    }

    /// As [`register`](Self::register), for as long as a service lives: with its death the check is unregistered. A
    /// service that is started again registers it again.
    ///
    /// # Errors
    /// Those of [`register`](Self::register); `ServiceNotAlive` also when the owner was killed.
    pub fn register_for<F, Run, E>(
        &self,
        owner: &Service,
        spec: HealthCheckSpec,
        check: F,
    ) -> Result<(), Error>
    where
        F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let spec = self.spec_as_it_counts(spec)?;
        let check = check::boxed(Arc::clone(&spec), check);
        self.enter(spec, check, Some(owner.clone())).map(drop)
    }

    pub(crate) fn spec_as_it_counts(&self, spec: HealthCheckSpec) -> Result<Arc<HealthCheckSpec>, Error> {
        self.service().ensure_alive()?;
        Ok(Arc::new(self.0.config.over(spec.checked()?)))
    }

    pub(crate) fn enter(
        &self,
        spec: Arc<HealthCheckSpec>,
        check: Check,
        owner: Option<Service>,
    ) -> Result<Arc<Entry>, Error> {
        let Inner { surroundings, desk, meters, registry, .. } = &*self.0;
        let id = spec.id;
        let first = jitter(spec.interval, spec.critical);
        let mut registry = registry.write();
        if registry.closed {
            return Err(service_not_alive_error(HEALTHCHECK_SERVICE_ID));
        }
        if let Some(owner) = &owner {
            owner.ensure_alive()?;
        }
        let old = registry.checks.get(&id).cloned();
        if let Some(old) = &old {
            old.retire();
            meters.forget_name(&old.spec)?;
        }
        let meters = meters.of(&spec)?;
        let entry = Arc::new(Entry::new(spec, check, owner, Arc::clone(surroundings), meters));
        // Before the timetable has it: the scheduler may be awake, and its first run tells of itself at once.
        entry.tell(HealthEventKind::Registered { replaced: old.is_some() });
        let mine = Arc::clone(&entry);
        let still_paused = surroundings.pauses.since(id).is_some();
        let ((), orders) = desk.with(|timetable, now, orders| {
            timetable.register(mine, now + first, now, orders);
            if still_paused {
                timetable.pause(id, now, orders);
            }
        });
        registry.checks.insert(id, Arc::clone(&entry));
        drop(registry);
        self.carry_out(orders);
        Ok(entry)
    }

    /// Removes a health check: cancels it, and removes its metrics. False when there is none of this id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub fn unregister(&self, id: HealthCheckId) -> Result<bool, Error> {
        self.service().ensure_alive()?;
        self.remove(id, |_| true)
    }

    /// Removes a check, if it is the very one.
    pub(crate) fn forget(&self, entry: &Arc<Entry>) {
        // It can only fail on labels of our own, which a test would see.
        let _ = self.remove(entry.spec.id, |found| Arc::ptr_eq(found, entry));
    }

    fn remove(&self, id: HealthCheckId, which: impl FnOnce(&Arc<Entry>) -> bool) -> Result<bool, Error> {
        let Inner { desk, meters, registry, .. } = &*self.0;
        let mut registry = registry.write();
        if !registry.checks.get(&id).is_some_and(which) {
            return Ok(false);
        }
        let Some(entry) = registry.checks.remove(&id) else { return Ok(false) };
        entry.retire();
        let removed = meters.remove(&entry.spec);
        let (_, orders) = desk.with(|timetable, now, orders| timetable.remove(id, now, orders));
        drop(registry);
        self.carry_out(orders);
        entry.tell(HealthEventKind::Unregistered);
        removed.map(|()| true)
    }

    /// Removes the checks whose owners are gone.
    pub(crate) fn forget_orphans(&self) {
        let orphaned = |entry: &&Arc<Entry>| entry.owner().is_some_and(|owner| !owner.alive());
        let orphans: Vec<_> = self.0.registry.read().checks.values().filter(orphaned).cloned().collect();
        orphans.iter().for_each(|entry| self.forget(entry));
    }
}
