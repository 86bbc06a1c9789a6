//! The state of one id: the check that has the id, and the run in progress.

use app_core::prelude::{Duration, HealthCheckId};

use super::{Action, At, CANCEL_GRACE, CheckKey, Schedulable, timers::Timer};

/// The state of one id. A run may belong to an earlier check with this id.
pub(super) struct Slot<S: Schedulable> {
    pub(super) scheduled: Option<Scheduled<S>>,
    pub(super) active: Option<ActiveRun<S>>,
    pub(super) due_timer: Option<At>,
    pub(super) run_timer: Option<At>,
}

/// A scheduled check.
pub(super) struct Scheduled<S: Schedulable> {
    pub(super) check: S,
    pub(super) serial: u64,
    /// The last computed due time, which may have passed.
    pub(super) due: At,
    pub(super) wait: Wait,
    pub(super) paused: bool,
    /// Number of results that are being published by actions.
    pub(super) publishing: u32,
    pub(super) waiters: Vec<S::Waiter>,
}

/// What a check waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Its next due time.
    Idle,
    /// A permit, with this ticket.
    Queued(u64),
    /// The end of the run in progress, or the publication of a result. Then it queues.
    Blocked,
}

/// A run in progress.
pub(super) struct ActiveRun<S: Schedulable> {
    pub(super) check: S,
    pub(super) serial: u64,
    pub(super) run: u64,
    pub(super) handle: S::RunHandle,
    pub(super) stage: Stage,
    pub(super) deadline: At,
    pub(super) cancelled_at: At,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// It has time left.
    Running,
    /// It has a result, which is being published.
    Finishing,
    /// It was asked to end.
    Cancelled,
    /// Its future was dropped.
    Dropped,
    /// Its future was dropped and does not end. Its permit was taken back.
    Abandoned,
}

impl<S: Schedulable> Default for Slot<S> {
    fn default() -> Self {
        Self { scheduled: None, active: None, due_timer: None, run_timer: None }
    }
}

impl<S: Schedulable> Slot<S> {
    pub(super) fn timer(&mut self, timer: Timer) -> &mut Option<At> {
        match timer {
            Timer::Due => &mut self.due_timer,
            Timer::Run => &mut self.run_timer,
        }
    }
}

impl<S: Schedulable> Scheduled<S> {
    pub(super) fn new(check: S, serial: u64, first: At) -> Self {
        let (wait, waiters) = (Wait::Idle, Vec::new());
        Self { check, serial, due: first, wait, paused: false, publishing: 0, waiters }
    }

    pub(super) fn timed_out(&mut self, id: HealthCheckId, handle: S::RunHandle) -> Action<S> {
        self.publishing += 1;
        let key = CheckKey { id, serial: self.serial };
        Action::TimedOut {
            check: self.check.clone(),
            key,
            handle,
            waiters: std::mem::take(&mut self.waiters),
        }
    }

    pub(super) fn blocked(&mut self, id: HealthCheckId, since: Duration) -> Action<S> {
        self.publishing += 1;
        let key = CheckKey { id, serial: self.serial };
        Action::Blocked { check: self.check.clone(), key, since, waiters: std::mem::take(&mut self.waiters) }
    }
}

impl<S: Schedulable> ActiveRun<S> {
    pub(super) fn new(scheduled: &Scheduled<S>, run: u64, now: At) -> Self {
        Self {
            check: scheduled.check.clone(),
            serial: scheduled.serial,
            run,
            handle: scheduled.check.run_handle(),
            stage: Stage::Running,
            deadline: now + scheduled.check.timeout(),
            cancelled_at: At::ZERO,
        }
    }

    /// Whether waiters of its check get the result of this run.
    pub(super) fn counts(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Finishing)
    }

    pub(super) fn cancel(&mut self, now: At) {
        self.stage = Stage::Cancelled;
        self.cancelled_at = now;
        self.deadline = now + CANCEL_GRACE;
    }
}
