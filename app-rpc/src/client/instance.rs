//! One instance of the server, as both ways of calling see it, and a visit: one call at it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;
use tokio::time::Instant;

use super::health::Health;
use super::instances::Instances;
use super::load::Load;
use super::status::{InstanceState, InstanceStatus};
use crate::Refusal;

/// Why connecting failed.
#[derive(Debug, Clone)]
pub(super) struct ConnectError {
    pub(super) refusal: Option<Refusal>,
    pub(super) reason: String,
}

/// An instance of the server. All threads of the client share it.
pub(crate) struct Instance {
    pub(super) address: SocketAddr,
    pub(super) load: Load,
    pub(super) health: Health,
    /// Whether the client's thread has a connection to it that takes calls.
    connected: AtomicBool,
    failure: Mutex<Option<ConnectError>>,
}

impl Instance {
    pub(super) fn new(address: SocketAddr) -> Arc<Self> {
        Arc::new(Self {
            address,
            load: Load::default(),
            health: Health::default(),
            connected: AtomicBool::new(false),
            failure: Mutex::default(),
        })
    }

    /// `Relaxed`: a reader connects by itself, and sees then whether it works.
    pub(super) fn is_connected(&self) -> bool {
        self.connected.load(Ordering::Relaxed)
    }

    pub(super) fn set_connected(&self, connected: bool) {
        self.connected.store(connected, Ordering::Relaxed);
    }

    /// Why the last attempt to connect failed.
    pub(super) fn failure(&self) -> Option<ConnectError> {
        self.failure.lock().clone()
    }

    /// Replaces the reason, and returns whether it is another one.
    pub(super) fn set_failure(&self, failure: Option<ConnectError>) -> bool {
        let mut kept = self.failure.lock();
        let reason = |failure: &Option<ConnectError>| failure.as_ref().map(|one| one.reason.clone());
        let is_new = reason(&kept) != reason(&failure);
        *kept = failure;
        is_new
    }

    pub(super) fn state(&self) -> InstanceState {
        match (self.is_connected(), self.health.is_in()) {
            (false, _) => InstanceState::Connecting,
            (true, true) => InstanceState::Connected,
            (true, false) => InstanceState::Ejected,
        }
    }

    pub(super) fn status(&self) -> InstanceStatus {
        let failure = self.failure();
        InstanceStatus {
            address: self.address,
            state: self.state(),
            refusal: failure.as_ref().and_then(|failure| failure.refusal),
            failure: failure.map(|failure| failure.reason),
            ejected_until: self.health.ejected_until().map(Instant::into_std),
            calls_in_flight: self.load.in_flight(),
            latency: self.load.latency(),
        }
    }
}

/// Why an instance was chosen for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chosen {
    /// It was its turn.
    Usually,
    /// It is ejected, and the call tries whether it works again.
    ToTryIt,
    /// It is ejected, and there is no other one.
    ForLackOfOthers,
}

/// A call at an instance. It is in flight until it is dropped.
///
/// One of the methods says how it ended. Without that, its caller has given up, and the instance has not answered until then.
pub(super) struct Visit {
    instance: Arc<Instance>,
    chosen: Chosen,
    began: Instant,
    ended: bool,
}

impl Visit {
    pub(super) fn begin(instance: &Arc<Instance>, chosen: Chosen, began: Instant) -> Self {
        instance.load.begin();
        Self { instance: Arc::clone(instance), chosen, began, ended: false }
    }

    /// The instance answered at this time, and the call succeeded.
    pub(super) fn succeeded(mut self, answered: Instant, instances: &Instances) {
        self.ended = true;
        self.instance.load.answered_within(answered.saturating_duration_since(self.began));
        self.instance.health.succeeded();
        if self.chosen != Chosen::Usually {
            instances.is_back(&self.instance);
        }
    }

    /// The instance failed: it answered with an error, refused the call, or lost its connection.
    pub(super) fn failed(mut self, instances: &Instances) {
        self.ended = true;
        instances.failed(&self.instance, self.chosen);
    }

    /// There was no answer by the deadline.
    pub(super) fn was_late(self, instances: &Instances) {
        self.instance.load.unanswered_for(self.began.elapsed());
        self.failed(instances);
    }

    /// The end of the call says nothing about the instance.
    pub(super) fn says_nothing(mut self) {
        self.ended = true;
        self.was_no_trial();
    }

    fn was_no_trial(&self) {
        if self.chosen == Chosen::ToTryIt {
            self.instance.health.not_tried();
        }
    }
}

impl Drop for Visit {
    fn drop(&mut self) {
        self.instance.load.end();
        if !self.ended {
            self.instance.load.unanswered_for(self.began.elapsed());
            self.was_no_trial();
        }
    }
}
