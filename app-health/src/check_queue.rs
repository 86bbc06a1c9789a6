//! The timetable of all checks behind a lock.
//!
//! Changes of the timetable return actions. The caller performs them after the lock was released.
//!
//! Invariant: the lock protects bookkeeping only. No code awaits while it holds the lock. Under the lock, the timetable
//! calls the methods of [`Schedulable`](crate::timetable::Schedulable) and no other code.

use std::{sync::Arc, time::Duration};

use app_core::App;
use parking_lot::{Mutex, MutexGuard};
use tokio::{sync::Notify, time::Instant};

use crate::{
    entry::Entry,
    timetable::{Action, At, RunKey, Timetable},
};

pub(crate) type Actions = Vec<Action<Arc<Entry>>>;

/// A longer delay of the scheduler's wake-up counts as a stall of the whole process.
///
/// The process was stopped, the machine was suspended, or the runtime was blocked. Runs could not make progress either,
/// so the time does not count towards their timeouts.
const STALL: Duration = Duration::from_millis(500);

/// The timetable of all checks, shared by the scheduler, the runs and the callers.
pub(crate) struct CheckQueue {
    app: App,
    /// The timetable counts from this moment. The clock is monotonic: a changed time of day moves nothing.
    epoch: Instant,
    state: Mutex<State>,
    /// Notified when a timer is set that expires before the scheduler's next wake-up.
    timer_changed: Notify,
}

struct State {
    timetable: Timetable<Arc<Entry>>,
    /// The scheduler's next wake-up.
    wakes_at: At,
    /// The scheduler's last turn.
    advanced_at: At,
}

impl CheckQueue {
    /// `permits` is the number of runs that may be in progress at the same time.
    pub(crate) fn new(app: App, permits: usize) -> Self {
        let state = State { timetable: Timetable::new(permits), wakes_at: At::MAX, advanced_at: At::ZERO };
        Self { app, epoch: Instant::now(), state: Mutex::new(state), timer_changed: Notify::new() }
    }

    pub(crate) fn now(&self) -> At {
        self.epoch.elapsed()
    }

    /// Changes the timetable. Returns the result of `change`, and the actions to perform.
    pub(crate) fn with<T>(
        &self,
        change: impl FnOnce(&mut Timetable<Arc<Entry>>, At, &mut Actions) -> T,
    ) -> (T, Actions) {
        let mut actions = Vec::new();
        let now = self.now();
        let mut state = self.lock();
        let result = change(&mut state.timetable, now, &mut actions);
        let sooner = state.timetable.next_timer().filter(|at| *at < state.wakes_at);
        if let Some(at) = sooner {
            state.wakes_at = at;
        }
        drop(state);
        if sooner.is_some() {
            self.timer_changed.notify_one();
        }
        (result, actions)
    }

    /// Reports that a run has a result. Returns whether the result counts.
    pub(crate) fn finishing(&self, key: RunKey) -> bool {
        self.state.lock().timetable.finishing(key)
    }

    /// Handles expired timers. Returns the actions to perform, and the next wake-up: at most `latest` from now.
    pub(crate) fn advance(&self, latest: At) -> (Actions, Instant) {
        let mut actions = Vec::new();
        let now = self.now();
        let mut state = self.lock();
        if now.saturating_sub(state.wakes_at) > STALL {
            let since = now.saturating_sub(state.advanced_at);
            state.timetable.extend_deadlines(since);
        }
        state.advanced_at = now;
        state.timetable.advance(now, &mut actions);
        state.wakes_at = state.timetable.next_timer().map_or(now + latest, |at| at.min(now + latest));
        (actions, self.epoch + state.wakes_at)
    }

    /// Locks the state. Once the application stops, no run begins, even before the scheduler hears of the stop.
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock();
        if !self.app.alive() {
            state.timetable.halt();
        }
        state
    }

    /// Waits until a timer is set that expires before the next wake-up. Cancel safe.
    pub(crate) async fn timer_changed(&self) {
        self.timer_changed.notified().await;
    }

    /// Checks that wait for a permit or for the end of a run.
    pub(crate) fn waiting(&self) -> Vec<Arc<Entry>> {
        self.state.lock().timetable.waiting().cloned().collect()
    }

    /// Whether a run is in progress that was not abandoned.
    pub(crate) fn in_flight(&self) -> bool {
        self.state.lock().timetable.in_flight()
    }
}
