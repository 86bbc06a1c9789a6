//! What the timetable knows of one id: the check that has it, and the run that is in flight.

use app_core::prelude::{Duration, HealthCheckId};

use super::{At, CANCEL_GRACE, LineKey, Order, Subject, timers::Timer};

/// An id: a check, a run, or both; the run may be of a check that had the id before.
pub(super) struct Slot<S: Subject> {
    pub(super) line: Option<Line<S>>,
    pub(super) flight: Option<Flight<S>>,
    pub(super) due_timer: Option<At>,
    pub(super) run_timer: Option<At>,
}

/// A check.
pub(super) struct Line<S: Subject> {
    pub(super) check: S,
    pub(super) serial: u64,
    /// The last due time that was reckoned, which may have passed.
    pub(super) due: At,
    pub(super) wait: Wait,
    pub(super) paused: bool,
    /// How many of its results are on their way by order.
    pub(super) publishing: u32,
    pub(super) waiters: Vec<S::Waiter>,
}

/// What a check waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wait {
    /// Nothing but its next due time.
    Resting,
    /// A turn, with this ticket.
    Queued(u64),
    /// The end of the run in flight, or a result on its way; then it queues.
    Held,
}

/// A run.
pub(super) struct Flight<S: Subject> {
    pub(super) check: S,
    pub(super) serial: u64,
    pub(super) run: u64,
    pub(super) reins: S::Reins,
    pub(super) stage: Stage,
    pub(super) deadline: At,
    pub(super) cancelled_at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stage {
    /// Within its time.
    Running,
    /// It has a result, which is on its way.
    Closing,
    /// It was asked to end.
    Cancelled,
    /// It was dropped.
    Dropped,
    /// It was dropped and does not end. It has no turn any more.
    Abandoned,
}

impl<S: Subject> Default for Slot<S> {
    fn default() -> Self {
        Self { line: None, flight: None, due_timer: None, run_timer: None }
    }
}

impl<S: Subject> Slot<S> {
    pub(super) fn timer(&mut self, timer: Timer) -> &mut Option<At> {
        match timer {
            Timer::Due => &mut self.due_timer,
            Timer::Run => &mut self.run_timer,
        }
    }
}

impl<S: Subject> Line<S> {
    pub(super) fn new(check: S, serial: u64, first: At) -> Self {
        let (wait, waiters) = (Wait::Resting, Vec::new());
        Self { check, serial, due: first, wait, paused: false, publishing: 0, waiters }
    }

    pub(super) fn timed_out(&mut self, id: HealthCheckId, reins: S::Reins) -> Order<S> {
        self.publishing += 1;
        let line = LineKey { id, serial: self.serial };
        Order::TimedOut { check: self.check.clone(), line, reins, waiters: std::mem::take(&mut self.waiters) }
    }

    pub(super) fn blocked(&mut self, id: HealthCheckId, since: Duration) -> Order<S> {
        self.publishing += 1;
        let line = LineKey { id, serial: self.serial };
        Order::Blocked { check: self.check.clone(), line, since, waiters: std::mem::take(&mut self.waiters) }
    }
}

impl<S: Subject> Flight<S> {
    pub(super) fn new(line: &Line<S>, run: u64, now: At) -> Self {
        Self {
            check: line.check.clone(),
            serial: line.serial,
            run,
            reins: line.check.reins(),
            stage: Stage::Running,
            deadline: now + line.check.timeout(),
            cancelled_at: At::ZERO,
        }
    }

    /// Whether whoever waits for its check gets its result.
    pub(super) fn counts(&self) -> bool {
        matches!(self.stage, Stage::Running | Stage::Closing)
    }

    pub(super) fn cancel(&mut self, now: At) {
        self.stage = Stage::Cancelled;
        self.cancelled_at = now;
        self.deadline = now + CANCEL_GRACE;
    }
}
