//! The mailbox of the supervisor: facts that it has not handled, and what wakes it.

use app_errors::Error;
use app_ids::ServiceId;
use parking_lot::Mutex;
use tokio::sync::{Notify, oneshot};

use super::{
    Service,
    app_state::{AppPhase, AppState},
};

/// A requested restart. The supervisor answers whether it takes place.
pub(crate) struct RestartRequest {
    pub(crate) service: ServiceId,
    pub(crate) reason: String,
    pub(crate) answer: oneshot::Sender<Result<(), Error>>,
}

/// Facts that the supervisor has not handled.
#[derive(Default)]
pub(crate) struct Mailbox {
    /// Services that were killed: one entry each, and one more if a later failure is FATAL.
    killed: Mutex<Vec<Service>>,
    /// Each has a caller that waits.
    restarts: Mutex<Vec<RestartRequest>>,
    /// Wakes the supervisor for either.
    wake: Notify,
}

impl Mailbox {
    /// Adds a service that was killed. Does nothing once the app stops: the supervisor has ended, and an entry would keep
    /// the app alive through its own service.
    pub(crate) fn service_killed(&self, service: &Service, app: &AppState) {
        let mut killed = self.killed.lock();
        if app.phase() < AppPhase::Stopping {
            killed.push(service.clone());
            self.wake.notify_one();
        }
    }

    pub(crate) fn restart_requested(&self, request: RestartRequest) {
        self.restarts.lock().push(request);
        self.wake.notify_one();
    }

    /// Waits for the next fact. Cancel safe.
    pub(crate) async fn changed(&self) {
        self.wake.notified().await;
    }

    pub(crate) fn take_killed(&self) -> Vec<Service> {
        std::mem::take(&mut self.killed.lock())
    }

    pub(crate) fn take_restarts(&self) -> Vec<RestartRequest> {
        std::mem::take(&mut self.restarts.lock())
    }

    /// The failures of the services that were killed. The entries stay.
    pub(crate) fn failures(&self) -> Vec<(Service, Error)> {
        let killed = self.killed.lock().clone();
        killed.into_iter().filter_map(|service| service.error().map(|failure| (service, failure))).collect()
    }

    /// Drops what no supervisor will handle. Callers that wait for a restart learn of it.
    pub(crate) fn clear(&self) {
        self.killed.lock().clear();
        self.restarts.lock().clear();
    }
}
