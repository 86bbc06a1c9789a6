//! The timetable, shared: whoever changes it carries out what it orders, after having let go of it.
//!
//! Invariant: the lock of the timetable is held for bookkeeping alone, never across an await, and nothing is called
//! under it but what [`Subject`](crate::timetable::Subject) says.

use std::{sync::Arc, time::Duration};

use app_core::App;
use parking_lot::{Mutex, MutexGuard};
use tokio::{
    sync::{Notify, oneshot},
    time::Instant,
};

use crate::{
    HealthCheckResult,
    entry::Entry,
    timetable::{At, Order, RunKey, Timetable},
};

pub(crate) type Orders = Vec<Order<Arc<Entry>>>;
/// Waits for a result.
pub(crate) type Waiter = oneshot::Sender<HealthCheckResult>;

/// A scheduler that wakes up so much too late was kept from it by something that kept runs from going on too: the process
/// was stopped, the machine slept, the runtime was blocked. That time is not theirs.
const STOOD_STILL: Duration = Duration::from_millis(500);

/// See the module.
pub(crate) struct Desk {
    app: App,
    /// What the times of the timetable count from. A monotonic clock: when somebody sets the time of day, nothing moves.
    epoch: Instant,
    state: Mutex<State>,
    /// Rung when a timer was set that is due before the scheduler wakes up.
    bell: Notify,
}

struct State {
    timetable: Timetable<Arc<Entry>>,
    /// When the scheduler wakes up.
    wakes_at: At,
    /// When it was awake last.
    advanced_at: At,
}

impl Desk {
    pub(crate) fn new(app: App, turns: usize) -> Self {
        let state = State { timetable: Timetable::new(turns), wakes_at: At::MAX, advanced_at: At::ZERO };
        Self { app, epoch: Instant::now(), state: Mutex::new(state), bell: Notify::new() }
    }

    pub(crate) fn now(&self) -> At {
        self.epoch.elapsed()
    }

    /// Changes the timetable, and gives what it ordered.
    pub(crate) fn with<T>(
        &self,
        change: impl FnOnce(&mut Timetable<Arc<Entry>>, At, &mut Orders) -> T,
    ) -> (T, Orders) {
        let mut orders = Vec::new();
        let now = self.now();
        let mut state = self.lock();
        let result = change(&mut state.timetable, now, &mut orders);
        let sooner = state.timetable.next_timer().filter(|at| *at < state.wakes_at);
        if let Some(at) = sooner {
            state.wakes_at = at;
        }
        drop(state);
        if sooner.is_some() {
            self.bell.notify_one();
        }
        (result, orders)
    }

    /// The run has a result: whether that counts.
    pub(crate) fn finishing(&self, key: RunKey) -> bool {
        self.state.lock().timetable.finishing(key)
    }

    /// Does what is due, and gives what it ordered and until when there is nothing to do: `latest` at most.
    pub(crate) fn advance(&self, latest: At) -> (Orders, Instant) {
        let mut orders = Vec::new();
        let now = self.now();
        let mut state = self.lock();
        if now.saturating_sub(state.wakes_at) > STOOD_STILL {
            let since = now.saturating_sub(state.advanced_at);
            state.timetable.forgive(since);
        }
        state.advanced_at = now;
        state.timetable.advance(now, &mut orders);
        state.wakes_at = state.timetable.next_timer().map_or(now + latest, |at| at.min(now + latest));
        (orders, self.epoch + state.wakes_at)
    }

    /// Once the application stops, no run begins: not even before anybody was told that it does.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if !self.app.alive() {
            state.timetable.halt();
        }
        state
    }

    /// Waits until a timer was set that is due sooner.
    pub(crate) async fn rung(&self) {
        self.bell.notified().await;
    }

    /// The checks that wait for a turn, or for a run to end.
    pub(crate) fn waiting(&self) -> Vec<Arc<Entry>> {
        self.state.lock().timetable.waiting().cloned().collect()
    }

    /// Whether a run is in flight that may still end.
    pub(crate) fn in_flight(&self) -> bool {
        self.state.lock().timetable.in_flight()
    }
}
