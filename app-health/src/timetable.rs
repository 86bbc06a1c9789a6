//! The timetable of all checks: which are due, which run, which wait. The caller passes in the time and performs the
//! [`Action`]s that come out; the timetable itself does nothing else.
//!
//! Invariants:
//! 1. Each id has at most one run in progress, even if the check with that id was replaced. The next run begins after
//!    the last one has ended. An abandoned run is in progress until it ends.
//! 2. Due times are the first due time plus whole intervals. Missed due times are skipped: there is no drift and no
//!    burst. A due time is missed while a run takes long, other checks hold the permits, or the machine sleeps.
//! 3. Each run holds a permit, and their number is fixed. Permits are given in the order of requests. A permit comes
//!    back when its run has ended or was abandoned. So a check that hangs delays the others by its timeout plus
//!    [`CANCEL_GRACE`] and [`DROP_GRACE`].
//! 4. Each id has at most one timer for its next run, one timer for its run in progress, and one place in the queue.
//!    Memory grows with the number of checks, not with the number of runs.
//! 5. While a result of a check is being published (`publishing`), no run of the check begins. So results are published
//!    in the order of runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use app_core::prelude::HealthCheckId;
use hashbrown::HashMap;

use self::{
    slot::{ActiveRun, Scheduled, Slot, Stage, Wait},
    timers::Timer,
};

mod runs;
mod slot;
#[cfg(test)]
mod tests;
mod timers;

/// How long a check may clean up after its token was cancelled. Then its future is dropped.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_millis(100);
/// How long a dropped run may take to end. A check that awaits ends at once; a check that blocks its thread does not.
pub(crate) const DROP_GRACE: Duration = Duration::from_secs(1);
/// Number of callers that may wait for the result of one check.
pub(crate) const MAX_WAITERS: usize = 1_024;

/// A moment: the time since the timetable was created.
pub(crate) type At = Duration;

/// What the timetable schedules.
pub(crate) trait Schedulable: Clone {
    /// Cancels and drops a run.
    type RunHandle: Clone;
    /// Receives a result.
    type Waiter;

    fn id(&self) -> HealthCheckId;
    fn interval(&self) -> Duration;
    fn timeout(&self) -> Duration;
    /// Whether the check may still run. `false` once its owner has ended.
    fn wanted(&self) -> bool;
    fn run_handle(&self) -> Self::RunHandle;
    /// Notes whether the check is paused. Called while the timetable is locked.
    fn set_paused(&self, paused: bool);
}

/// Identifies a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunKey {
    pub(crate) id: HealthCheckId,
    pub(crate) run: u64,
}

/// Identifies a check. The serial number changes when the check is replaced, or paused and resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CheckKey {
    pub(crate) id: HealthCheckId,
    pub(crate) serial: u64,
}

/// What the caller must do, in this order, after it has unlocked the timetable.
pub(crate) enum Action<S: Schedulable> {
    /// Start a run.
    Start { check: S, key: RunKey, handle: S::RunHandle },
    /// Ask a run to end. Its result does not count.
    Cancel { handle: S::RunHandle },
    /// Ask a run to end because it timed out, which is its result. Then call [`Timetable::published`].
    TimedOut { check: S, key: CheckKey, handle: S::RunHandle, waiters: Vec<S::Waiter> },
    /// Drop a run that did not end after its cancellation.
    Drop { handle: S::RunHandle },
    /// Report a dropped run that has not ended. Its permit was taken back.
    Abandoned { check: S },
    /// A run is due, but an abandoned run has not ended, which is a failure. Then call [`Timetable::published`].
    Blocked { check: S, key: CheckKey, since: Duration, waiters: Vec<S::Waiter> },
    /// Remove a check whose owner has ended. The timetable has removed it already.
    Orphaned { check: S },
}

/// Why a run on demand is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RunRefused {
    /// No check has this id.
    Unknown,
    /// The check is paused, or no run begins any more.
    Paused,
    /// Too many callers wait for its result.
    Busy,
}

/// Why a check cannot be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ResumeRefused {
    /// No check has this id.
    Unknown,
    /// A run from before the pause was abandoned and has not ended.
    StillRunning,
}

/// The timetable: see the module.
pub(crate) struct Timetable<S: Schedulable> {
    slots: HashMap<HealthCheckId, Slot<S>>,
    timers: BTreeSet<(At, HealthCheckId, Timer)>,
    /// By ticket, which is the order of requests.
    queue: BTreeMap<u64, HealthCheckId>,
    free_permits: usize,
    /// The last ticket, run number or serial number.
    last_number: u64,
    halted: bool,
}

impl<S: Schedulable> Timetable<S> {
    pub(crate) fn new(permits: usize) -> Self {
        Self {
            slots: HashMap::new(),
            timers: BTreeSet::new(),
            queue: BTreeMap::new(),
            free_permits: permits.max(1),
            last_number: 0,
            halted: false,
        }
    }

    /// Adds a check. Replaces a check with the same id.
    pub(crate) fn register(&mut self, check: S, first: At, now: At, actions: &mut Vec<Action<S>>) {
        let id = check.id();
        self.remove(id, now, actions);
        let serial = self.next_number();
        self.slots.entry(id).or_default().scheduled = Some(Scheduled::new(check, serial, first));
        self.arm(id, Timer::Due, first);
    }

    /// Removes a check and cancels its run. Returns whether the check was there.
    pub(crate) fn remove(&mut self, id: HealthCheckId, now: At, actions: &mut Vec<Action<S>>) -> bool {
        let there = self.stop_check(id, now, actions);
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.scheduled = None;
            self.remove_if_empty(id);
        }
        there
    }

    /// Pauses a check and cancels its run. Returns whether it was running before; `None` for an unknown id.
    pub(crate) fn pause(&mut self, id: HealthCheckId, now: At, actions: &mut Vec<Action<S>>) -> Option<bool> {
        let scheduled = self.scheduled(id)?;
        if scheduled.paused {
            return Some(false);
        }
        scheduled.paused = true;
        scheduled.check.set_paused(true);
        self.stop_check(id, now, actions);
        Some(true)
    }

    /// Resumes a paused check. Its first run is due at `first`. Returns whether the check was paused.
    pub(crate) fn resume(&mut self, id: HealthCheckId, first: At) -> Result<bool, ResumeRefused> {
        let serial = self.next_number();
        let slot = self.slots.get_mut(&id).ok_or(ResumeRefused::Unknown)?;
        let stuck = slot.active.as_ref().is_some_and(|active| active.stage == Stage::Abandoned);
        let scheduled = slot.scheduled.as_mut().ok_or(ResumeRefused::Unknown)?;
        if !scheduled.paused {
            return Ok(false);
        }
        if stuck {
            return Err(ResumeRefused::StillRunning);
        }
        scheduled.paused = false;
        scheduled.check.set_paused(false);
        scheduled.serial = serial;
        scheduled.due = first;
        self.arm(id, Timer::Due, first);
        Ok(true)
    }

    /// Requests a run on demand. Joins a run that is in progress or queued.
    pub(crate) fn run_now(
        &mut self,
        id: HealthCheckId,
        waiter: S::Waiter,
        now: At,
        actions: &mut Vec<Action<S>>,
    ) -> Result<(), RunRefused> {
        let halted = self.halted;
        let Some(Slot { scheduled: Some(scheduled), active, .. }) = self.slots.get_mut(&id) else {
            return Err(RunRefused::Unknown);
        };
        if scheduled.paused || halted {
            return Err(RunRefused::Paused);
        }
        if scheduled.waiters.len() >= MAX_WAITERS {
            return Err(RunRefused::Busy);
        }
        scheduled.waiters.push(waiter);
        let joins =
            active.as_ref().is_some_and(|active| active.serial == scheduled.serial && active.counts());
        if !joins {
            self.request_run(id, now, actions);
            self.start_queued(now, actions);
        }
        Ok(())
    }

    /// Gives all runs in progress more time, because the process stood still for that long.
    pub(crate) fn extend_deadlines(&mut self, time: Duration) {
        for active in self.slots.values_mut().filter_map(|slot| slot.active.as_mut()) {
            active.deadline += time;
        }
    }

    /// Handles the timers that have expired at `now`.
    pub(crate) fn advance(&mut self, now: At, actions: &mut Vec<Action<S>>) {
        while let Some((at, id, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            *slot.timer(timer) = None;
            match timer {
                Timer::Due => self.request_run(id, now, actions),
                Timer::Run => self.on_run_timer(id, now, actions),
            }
        }
        self.start_queued(now, actions);
    }

    /// Notes that a run has a result. Returns whether the result counts: if so, the caller publishes it and ends the
    /// run.
    pub(crate) fn finishing(&mut self, key: RunKey) -> bool {
        let Some(active) = self.active(key) else { return false };
        let counts = active.stage == Stage::Running;
        if counts {
            active.stage = Stage::Finishing;
        }
        counts
    }

    /// Notes that a run has ended. Returns the waiters for its result.
    pub(crate) fn ended(&mut self, key: RunKey, now: At, actions: &mut Vec<Action<S>>) -> Vec<S::Waiter> {
        if self.active(key).is_none() {
            return Vec::new();
        }
        let Some(slot) = self.slots.get_mut(&key.id) else { return Vec::new() };
        let Some(active) = slot.active.take() else { return Vec::new() };
        if active.stage != Stage::Abandoned {
            self.free_permits += 1;
        }
        let waiters = match &mut slot.scheduled {
            Some(scheduled) if scheduled.serial == active.serial && active.counts() => {
                std::mem::take(&mut scheduled.waiters)
            }
            _ => Vec::new(),
        };
        self.reschedule(key.id, now);
        self.remove_if_empty(key.id);
        self.start_queued(now, actions);
        waiters
    }

    /// Notes that the result of an action was published.
    pub(crate) fn published(&mut self, key: CheckKey, now: At, actions: &mut Vec<Action<S>>) {
        let Some(scheduled) = self.scheduled(key.id).filter(|scheduled| scheduled.serial == key.serial)
        else {
            return;
        };
        scheduled.publishing = scheduled.publishing.saturating_sub(1);
        self.reschedule(key.id, now);
        self.start_queued(now, actions);
    }

    /// Stops all further runs, and drops the waiters of runs that have not begun.
    pub(crate) fn halt(&mut self) {
        if std::mem::replace(&mut self.halted, true) {
            return;
        }
        self.queue.clear();
        for scheduled in self.slots.values_mut().filter_map(|slot| slot.scheduled.as_mut()) {
            scheduled.wait = Wait::Idle;
        }
        // Waiters of runs in progress still get a result.
        for slot in self.slots.values_mut().filter(|slot| slot.active.is_none()) {
            if let Some(scheduled) = &mut slot.scheduled {
                scheduled.waiters.clear();
            }
        }
    }

    /// Removes all checks and cancels their runs.
    pub(crate) fn close(&mut self, now: At, actions: &mut Vec<Action<S>>) {
        self.halt();
        // Sorted, so that tests can repeat it.
        let ids: BTreeSet<_> = self.slots.keys().copied().collect();
        for id in ids {
            self.remove(id, now, actions);
        }
    }

    /// Whether a run is in progress that was not abandoned.
    pub(crate) fn in_flight(&self) -> bool {
        self.slots.values().filter_map(|slot| slot.active.as_ref()).any(|run| run.stage != Stage::Abandoned)
    }

    /// When [`advance`](Self::advance) must be called next.
    pub(crate) fn next_timer(&self) -> Option<At> {
        self.timers.first().map(|(at, _, _)| *at)
    }

    /// Checks that wait for a permit or for the end of a run.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &S> {
        let all = self.slots.values().filter_map(|slot| slot.scheduled.as_ref());
        all.filter(|scheduled| scheduled.wait != Wait::Idle).map(|scheduled| &scheduled.check)
    }

    fn scheduled(&mut self, id: HealthCheckId) -> Option<&mut Scheduled<S>> {
        self.slots.get_mut(&id)?.scheduled.as_mut()
    }

    fn active(&mut self, key: RunKey) -> Option<&mut ActiveRun<S>> {
        self.slots.get_mut(&key.id)?.active.as_mut().filter(|active| active.run == key.run)
    }

    fn next_number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
