//! Restarts on request, and the restart policies in effect.

use std::collections::BTreeMap;

use app_errors::{Error, app_not_alive_error, errors};
use app_ids::ServiceId;
use tokio::sync::oneshot;

use super::{App, Phase};
use crate::{Restart, ServiceDescriptor};

/// A restart that was asked for, and where the supervisor says whether it takes place.
pub(crate) struct RestartRequest {
    pub(crate) service: ServiceId,
    pub(crate) reason: String,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

impl App {
    /// Has a service that the app was made of restarted, with everything that depends on it: dependents stop first, then
    /// it does, and they start in the reverse order. It is also the way to start one that died for good.
    ///
    /// Comes back when the restart is decided, not when it is done: the caller may be part of it. How it goes on is told
    /// by [`events`](Self::events) and [`service_statuses`](Self::service_statuses). The service's
    /// [`Restart`](crate::Restart) does not matter to this, nor does this count; what it counted before is forgotten, and
    /// a restart that waits takes place at once. Cancel safe: dropped, it may take place or not.
    ///
    /// # Errors
    /// `ServiceNotRegistered` when the app was not made of such a service; `ServiceNotAvailable` while the app starts,
    /// when something that the service depends on died for good, or when a task of it has not ended though it had to;
    /// `AppNotAlive`.
    pub async fn restart(&self, service: ServiceId, reason: impl Into<String>) -> Result<(), Error> {
        if self.alive() && self.phase() < Phase::Running {
            let message = format!("service {} can't be restarted: the app is starting", service.describe());
            return Err(errors::SERVICE_NOT_AVAILABLE.error(service).message(message).build());
        }
        let (answer, answered) = oneshot::channel();
        self.inner.restarts.lock().push(RestartRequest { service, reason: reason.into(), answer });
        self.inner.fell.notify_one();
        tokio::select! {
            biased;
            () = self.dying() => Err(app_not_alive_error()),
            answer = answered => answer.unwrap_or_else(|_| Err(app_not_alive_error())),
        }
    }

    /// Sets restart policies in place of those in the descriptors, for example from an operator's settings. They replace
    /// all that were set before, and count from the next death on.
    ///
    /// # Errors
    /// `ServiceNotRegistered` when the app was not made of one of the services: then nothing changes.
    pub fn set_restart_policies(
        &self,
        policies: impl IntoIterator<Item = (ServiceId, Restart)>,
    ) -> Result<(), Error> {
        let policies: BTreeMap<_, _> = policies.into_iter().collect();
        if let Some(unknown) = policies.keys().find(|id| self.descriptor(**id).is_none()) {
            return Err(app_errors::service_not_registered_error(*unknown));
        }
        *self.inner.restart_policies.write() = policies;
        Ok(())
    }

    /// The restart policy of a service that the app was made of: that of its descriptor, unless another one was
    /// [set](Self::set_restart_policies).
    #[must_use]
    pub fn restart_policy(&self, service: ServiceId) -> Option<Restart> {
        let set = self.inner.restart_policies.read().get(&service).copied();
        set.or_else(|| self.descriptor(service).map(ServiceDescriptor::restart_policy))
    }

    fn descriptor(&self, id: ServiceId) -> Option<&ServiceDescriptor> {
        self.descriptors().iter().find(|descriptor| descriptor.id() == id)
    }

    pub(crate) fn take_restarts(&self) -> Vec<RestartRequest> {
        std::mem::take(&mut self.inner.restarts.lock())
    }
}
