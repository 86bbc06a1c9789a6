//! Registration and removal of health checks.

use std::{future::Future, sync::Arc};

use app_core::prelude::{Error, HealthCheckId, Service};
use app_errors::{BoxError, service_not_alive_error};
use tokio_util::sync::CancellationToken;

use super::{HealthChecks, Inner};
use crate::{
    HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthEventKind,
    check::{self, CheckFunction},
    entry::Entry,
    jitter::jitter,
};

impl HealthChecks {
    /// Registers a health check of a service. The check runs at once, and then at its interval.
    ///
    /// The check ends with its service: when `owner` is killed, the check is unregistered. A restarted service
    /// registers it again.
    ///
    /// A check with the same id is replaced: its run is cancelled, and its results are dropped. The first run of the
    /// new check begins after that run has ended. If the old check was paused, the new check is paused too.
    ///
    /// The check is asynchronous. Its token is cancelled when the run times out or its result is no longer needed. The
    /// future is dropped 0.1 s later. A check that blocks its thread cannot be stopped.
    ///
    /// # Errors
    /// - `IllegalArgument` if the id is zero, a time is out of range, or the name of a group is not valid.
    /// - `ServiceNotAlive` if `owner` or the health service was killed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// async fn start(service: Service, health: Dep<HealthChecks>) -> Result<(), Error> {
    ///     let spec = HealthCheckSpec::new(DISK).name("disk").interval(Duration::from_secs(10)).critical();
    ///     health.register(&service, spec, |_cancel| async { std::fs::metadata(".").map(drop) })
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let store = ServiceDescriptor::of(STORE, "store", start);
    /// # let app = TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]).service(store).start().await;
    /// # let health = app.get::<HealthChecks>();
    /// assert_eq!(health.state(DISK)?.owner, Some(STORE));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn register<F, Run, E>(&self, owner: &Service, spec: HealthCheckSpec, check: F) -> Result<(), Error>
    where
        F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let spec = self.effective_spec(spec)?;
        let check = check::boxed(Arc::clone(&spec), check);
        self.insert(spec, check, Some(owner.clone())).map(drop)
    }

    /// Registers a health check that belongs to no service. Otherwise like [`register`](Self::register).
    ///
    /// The check runs until you [`unregister`](Self::unregister) it or the health service ends.
    ///
    /// # Errors
    /// - `IllegalArgument` if the id is zero, a time is out of range, or the name of a group is not valid.
    /// - `ServiceNotAlive` if the health service was killed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// let spec = HealthCheckSpec::new(DISK).name("disk");
    /// health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert_eq!(health.state(DISK)?.owner, None);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn register_unbound<F, Run, E>(&self, spec: HealthCheckSpec, check: F) -> Result<(), Error>
    where
        F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
        Run: Future<Output = Result<(), E>> + Send + 'static,
        E: Into<BoxError>,
    {
        let spec = self.effective_spec(spec)?;
        let check = check::boxed(Arc::clone(&spec), check);
        self.insert(spec, check, None).map(drop)
    }

    /// Checks a spec and applies the config to it.
    pub(crate) fn effective_spec(&self, spec: HealthCheckSpec) -> Result<Arc<HealthCheckSpec>, Error> {
        self.service().ensure_alive()?;
        Ok(Arc::new(self.0.config.applied_to(spec.validated()?)))
    }

    pub(crate) fn insert(
        &self,
        spec: Arc<HealthCheckSpec>,
        check: CheckFunction,
        owner: Option<Service>,
    ) -> Result<Arc<Entry>, Error> {
        let Inner { shared, check_queue, meters, registry, .. } = &*self.0;
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
        let entry = Arc::new(Entry::new(spec, check, owner, Arc::clone(shared), meters));
        // Before the timetable gets the check: its first run may begin, and publish an event, at once.
        entry.send_event(HealthEventKind::Registered { replaced: old.is_some() });
        let scheduled = Arc::clone(&entry);
        let still_paused = shared.paused_checks.since(id).is_some();
        let ((), actions) = check_queue.with(|timetable, now, actions| {
            timetable.register(scheduled, now + first, now, actions);
            if still_paused {
                timetable.pause(id, now, actions);
            }
        });
        registry.checks.insert(id, Arc::clone(&entry));
        drop(registry);
        self.perform(actions);
        Ok(entry)
    }

    /// Removes a health check: cancels its run and removes its metrics.
    ///
    /// Returns `false` if no check with this id is registered.
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
    /// assert!(health.unregister(DISK)?);
    /// assert!(!health.registered(DISK)?);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn unregister(&self, id: HealthCheckId) -> Result<bool, Error> {
        self.service().ensure_alive()?;
        self.remove(id, |_| true)
    }

    /// Removes this entry, unless another check has replaced it.
    pub(crate) fn remove_entry(&self, entry: &Arc<Entry>) {
        // Fails only for a wrong number of labels, which is a constant of this crate.
        let _ = self.remove(entry.spec.id, |found| Arc::ptr_eq(found, entry));
    }

    fn remove(&self, id: HealthCheckId, which: impl FnOnce(&Arc<Entry>) -> bool) -> Result<bool, Error> {
        let Inner { check_queue, meters, registry, .. } = &*self.0;
        let mut registry = registry.write();
        if !registry.checks.get(&id).is_some_and(which) {
            return Ok(false);
        }
        let Some(entry) = registry.checks.remove(&id) else { return Ok(false) };
        entry.retire();
        let removed = meters.remove(&entry.spec);
        let (_, actions) = check_queue.with(|timetable, now, actions| timetable.remove(id, now, actions));
        drop(registry);
        self.perform(actions);
        entry.send_event(HealthEventKind::Unregistered);
        removed.map(|()| true)
    }

    /// Removes the checks whose owners have ended.
    pub(crate) fn remove_orphans(&self) {
        let orphaned = |entry: &&Arc<Entry>| entry.owner().is_some_and(|owner| !owner.alive());
        let orphans: Vec<_> = self.0.registry.read().checks.values().filter(orphaned).cloned().collect();
        orphans.iter().for_each(|entry| self.remove_entry(entry));
    }
}
