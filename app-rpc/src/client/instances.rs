//! The instances of the server that a client knows, for all its threads: their health, the retry budget, and what is counted.
//!
//! The list has one writer, the pool of the client's thread. Nothing here is locked by a call that succeeds at a healthy instance.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use app_core::prelude::{Logger, info, warn};
use parking_lot::Mutex;
use tokio::sync::watch;

use super::budget::{RetryBudget, RetryLimits};
use super::counts::{ClientCounts, RetryReason};
use super::instance::{Chosen, Instance};
use super::setup::Setup;
use super::status::InstanceStatus;

/// The instances of a client.
pub(crate) struct Instances {
    /// A new version is sent whenever the list or a state in it has changed.
    all: watch::Sender<Vec<Arc<Instance>>>,
    setup: watch::Receiver<Arc<Setup>>,
    /// Held while it is decided whether an instance is ejected.
    ejecting: Mutex<()>,
    budget: RetryBudget,
    /// The calls at instances that are no longer in the list.
    calls_before: AtomicU32,
    /// The calls that were made again. They allow no further retries.
    made_again: AtomicU32,
    pub(crate) counts: ClientCounts,
    log: Logger,
}

impl Instances {
    pub(crate) fn new(setup: watch::Receiver<Arc<Setup>>, counts: ClientCounts, log: Logger) -> Arc<Self> {
        let budget = RetryBudget::new(RetryLimits::of(&setup.borrow().config));
        Arc::new(Self {
            all: watch::Sender::default(),
            setup,
            ejecting: Mutex::default(),
            budget,
            calls_before: AtomicU32::new(0),
            made_again: AtomicU32::new(0),
            counts,
            log,
        })
    }

    /// What each instance is like.
    pub(crate) fn statuses(&self) -> Vec<InstanceStatus> {
        self.all.borrow().iter().map(|instance| instance.status()).collect()
    }

    /// The list, with a notice of each change of it or of a state in it.
    pub(super) fn watch(&self) -> watch::Receiver<Vec<Arc<Instance>>> {
        self.all.subscribe()
    }

    /// Replaces the list.
    pub(super) fn replace(&self, instances: Vec<Arc<Instance>>) {
        self.all.send_modify(|all| {
            let gone = all.iter().filter(|old| !instances.iter().any(|new| Arc::ptr_eq(old, new)));
            let calls = gone.fold(0, |calls: u32, instance| calls.wrapping_add(instance.load.begun()));
            self.calls_before.fetch_add(calls, Ordering::Relaxed);
            *all = instances;
            self.show(all);
        });
    }

    /// Tells that the state of an instance has changed.
    pub(super) fn publish(&self) {
        self.all.send_modify(|all| self.show(all));
    }

    fn show(&self, all: &[Arc<Instance>]) {
        self.counts.show(all.iter().map(|instance| instance.state()));
    }

    /// All calls of this client, each counted once. The number wraps.
    fn calls(&self) -> u32 {
        let all = self.all.borrow();
        let before = self.calls_before.load(Ordering::Relaxed);
        let begun = all.iter().fold(before, |calls, instance| calls.wrapping_add(instance.load.begun()));
        begun.wrapping_sub(self.made_again.load(Ordering::Relaxed))
    }

    /// Takes a retry out of the budget, if it needs one. `false` if the budget is used up.
    pub(super) fn may_retry(&self, reason: RetryReason) -> bool {
        let allowed = match reason {
            // The server has not taken it in, or has asked to make it elsewhere.
            RetryReason::NotSent | RetryReason::Moved => true,
            RetryReason::Refused | RetryReason::MaybeExecuted => {
                let limits = RetryLimits::of(&self.setup.borrow().config);
                self.budget.take(limits, self.calls())
            }
        };
        if allowed {
            self.made_again.fetch_add(1, Ordering::Relaxed);
            self.counts.retried(reason);
        } else {
            self.counts.retries_refused.inc();
        }
        allowed
    }

    /// A call failed at this instance. Ejects it if it fails and the others do not.
    pub(super) fn failed(&self, instance: &Arc<Instance>, chosen: Chosen) {
        let failures = instance.health.failed();
        let (after, first) = {
            let setup = self.setup.borrow();
            (setup.config.eject_after_failures, setup.config.eject_time)
        };
        let ejected = {
            let _deciding = self.ejecting.lock();
            let again = chosen == Chosen::ToTryIt && !instance.health.is_in();
            let is_outlier =
                || after > 0 && failures >= after && instance.health.is_in() && self.others_work(instance);
            (again || is_outlier()).then(|| instance.health.eject(first))
        };
        let Some(time) = ejected else { return };
        self.counts.ejections.inc();
        if chosen == Chosen::Usually {
            warn!(self.log, "RPC client: an instance is ejected, because its calls fail and those of others do not";
                "peer" => %instance.address, "failures" => failures, "seconds" => time.as_secs_f64());
        }
        self.publish();
    }

    /// Whether more than half of the other connected instances work well, and one more may be ejected.
    fn others_work(&self, instance: &Arc<Instance>) -> bool {
        let all = self.all.borrow();
        let connected = || all.iter().filter(|one| one.is_connected() && !Arc::ptr_eq(one, instance));
        let others = connected().count();
        let out = connected().filter(|one| !one.health.is_in()).count();
        let well = connected().filter(|one| one.health.works_well()).count();
        well * 2 > others && (out + 1) * 2 <= others + 1
    }

    /// A call succeeded at an ejected instance.
    pub(super) fn is_back(&self, instance: &Arc<Instance>) {
        instance.health.is_back();
        info!(self.log, "RPC client: an ejected instance works again"; "peer" => %instance.address);
        self.publish();
    }
}
