//! The timetable of all checks: who is due, who has a turn, who waits. It is told the time, and does nothing itself:
//! what is to be done comes out as [`Order`]s.
//!
//! Invariants:
//! 1. Of each id at most one run is in flight, of whichever check with that id: what comes next begins when it has
//!    ended. A run that was abandoned is in flight until it ends.
//! 2. Due times are the first one plus whole intervals. Those that were missed, because a run took longer, other checks
//!    had their turns or the machine slept, are left out: no drift, no burst.
//! 3. As many runs as there are turns at a time. Turns are given in the order in which they were asked for, and come back
//!    when the run has ended or was abandoned: a check that hangs holds the others up by its timeout once a turn, and by
//!    what it takes to be rid of it ([`CANCEL_GRACE`], [`DROP_GRACE`]).
//! 4. Every id has at most one timer for its next run and one for its run in flight, and queues at most once: memory
//!    grows with checks, never with runs.
//! 5. While a result of a check is on its way (`publishing`), no run of it begins: results come in the order of runs.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use app_core::prelude::HealthCheckId;
use hashbrown::HashMap;

use self::{
    slot::{Flight, Line, Slot, Stage, Wait},
    timers::Timer,
};

mod moves;
mod slot;
#[cfg(test)]
mod tests;
mod timers;

/// How long a check may clean up after its token was cancelled, before it is dropped.
pub(crate) const CANCEL_GRACE: Duration = Duration::from_millis(100);
/// How long a dropped check may take to be gone: one that awaits is gone at once, one that blocks its thread is not.
pub(crate) const DROP_GRACE: Duration = Duration::from_secs(1);
/// How many callers may wait for the result of one check.
pub(crate) const MAX_WAITERS: usize = 1_024;

/// A moment: the time since the timetable was made.
pub(crate) type At = Duration;

/// What is scheduled.
pub(crate) trait Subject: Clone {
    /// Cancels and drops a run.
    type Reins: Clone;
    /// Is given the result.
    type Waiter;

    fn id(&self) -> HealthCheckId;
    fn interval(&self) -> Duration;
    fn timeout(&self) -> Duration;
    /// Whether it may still run: not when whoever it belongs to is gone.
    fn wanted(&self) -> bool;
    fn reins(&self) -> Self::Reins;
    /// Told while nobody else can change it.
    fn set_paused(&self, paused: bool);
}

/// Which run it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunKey {
    pub(crate) id: HealthCheckId,
    pub(crate) run: u64,
}

/// Which check it is: one that was replaced, or paused and resumed, has another serial number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LineKey {
    pub(crate) id: HealthCheckId,
    pub(crate) serial: u64,
}

/// What is to be done, in this order, after the timetable was let go of.
pub(crate) enum Order<S: Subject> {
    /// Begin a run.
    Start { check: S, key: RunKey, reins: S::Reins },
    /// Ask a run to end; its result counts for nothing.
    Cancel { reins: S::Reins },
    /// Ask a run to end, whose time is up: that is its result. Then say [`Timetable::published`].
    TimedOut { check: S, line: LineKey, reins: S::Reins, waiters: Vec<S::Waiter> },
    /// Drop a run that did not end when it was asked to.
    Drop { reins: S::Reins },
    /// Report a run that was dropped and is still there. It has given its turn back.
    Abandoned { check: S },
    /// A run was due, and one that was abandoned is still there: a failure. Then say [`Timetable::published`].
    Blocked { check: S, line: LineKey, since: Duration, waiters: Vec<S::Waiter> },
    /// Remove a check that is not wanted any more; the timetable has forgotten it.
    Orphaned { check: S },
}

/// Why a run can't be demanded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refused {
    /// There is no such check.
    Unknown,
    /// It is paused, or nothing runs any more.
    Paused,
    /// Too many wait for it already.
    Busy,
}

/// Why a check can't be resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unresumed {
    /// There is no such check.
    Unknown,
    /// A run from before the pause was abandoned and has not ended.
    StillRunning,
}

/// See the module.
pub(crate) struct Timetable<S: Subject> {
    slots: HashMap<HealthCheckId, Slot<S>>,
    timers: BTreeSet<(At, HealthCheckId, Timer)>,
    /// By ticket: in the order in which turns were asked for.
    queue: BTreeMap<u64, HealthCheckId>,
    free_turns: usize,
    /// Counts tickets, runs and serial numbers.
    last_number: u64,
    halted: bool,
}

impl<S: Subject> Timetable<S> {
    pub(crate) fn new(turns: usize) -> Self {
        Self {
            slots: HashMap::new(),
            timers: BTreeSet::new(),
            queue: BTreeMap::new(),
            free_turns: turns.max(1),
            last_number: 0,
            halted: false,
        }
    }

    /// Takes a check in, in place of one with its id.
    pub(crate) fn register(&mut self, check: S, first: At, now: At, orders: &mut Vec<Order<S>>) {
        let id = check.id();
        self.remove(id, now, orders);
        let serial = self.number();
        self.slots.entry(id).or_default().line = Some(Line::new(check, serial, first));
        self.arm(id, Timer::Due, first);
    }

    /// Forgets a check, and cancels its run. Whether there was one.
    pub(crate) fn remove(&mut self, id: HealthCheckId, now: At, orders: &mut Vec<Order<S>>) -> bool {
        let there = self.still(id, now, orders);
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.line = None;
            self.tidy(id);
        }
        there
    }

    /// Cancels the run of a check, and has no further ones begin. Whether it was not paused before; `None` when there is
    /// no such check.
    pub(crate) fn pause(&mut self, id: HealthCheckId, now: At, orders: &mut Vec<Order<S>>) -> Option<bool> {
        let line = self.line(id)?;
        if line.paused {
            return Some(false);
        }
        line.paused = true;
        line.check.set_paused(true);
        self.still(id, now, orders);
        Some(true)
    }

    /// Has a paused check run again, first at that time. Whether it was paused.
    pub(crate) fn resume(&mut self, id: HealthCheckId, first: At) -> Result<bool, Unresumed> {
        let serial = self.number();
        let slot = self.slots.get_mut(&id).ok_or(Unresumed::Unknown)?;
        let stuck = slot.flight.as_ref().is_some_and(|flight| flight.stage == Stage::Abandoned);
        let line = slot.line.as_mut().ok_or(Unresumed::Unknown)?;
        if !line.paused {
            return Ok(false);
        }
        if stuck {
            return Err(Unresumed::StillRunning);
        }
        line.paused = false;
        line.check.set_paused(false);
        line.serial = serial;
        line.due = first;
        self.arm(id, Timer::Due, first);
        Ok(true)
    }

    /// Demands a run, or joins the one that is under way or waits for its turn.
    pub(crate) fn demand(
        &mut self,
        id: HealthCheckId,
        waiter: S::Waiter,
        now: At,
        orders: &mut Vec<Order<S>>,
    ) -> Result<(), Refused> {
        let halted = self.halted;
        let Some(Slot { line: Some(line), flight, .. }) = self.slots.get_mut(&id) else {
            return Err(Refused::Unknown);
        };
        if line.paused || halted {
            return Err(Refused::Paused);
        }
        if line.waiters.len() >= MAX_WAITERS {
            return Err(Refused::Busy);
        }
        line.waiters.push(waiter);
        let joins = flight.as_ref().is_some_and(|flight| flight.serial == line.serial && flight.counts());
        if !joins {
            self.ask(id, now, orders);
            self.give_turns(now, orders);
        }
        Ok(())
    }

    /// Runs in flight get so much more time: nobody had a turn for so long.
    pub(crate) fn forgive(&mut self, time: Duration) {
        for flight in self.slots.values_mut().filter_map(|slot| slot.flight.as_mut()) {
            flight.deadline += time;
        }
    }

    /// Does what is due by now.
    pub(crate) fn advance(&mut self, now: At, orders: &mut Vec<Order<S>>) {
        while let Some((at, id, timer)) = self.timers.first().copied()
            && at <= now
        {
            self.timers.pop_first();
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            *slot.timer(timer) = None;
            match timer {
                Timer::Due => self.ask(id, now, orders),
                Timer::Run => self.hurry(id, now, orders),
            }
        }
        self.give_turns(now, orders);
    }

    /// The run has a result. Whether that counts: then it is published, and the run is to end at once.
    pub(crate) fn finishing(&mut self, key: RunKey) -> bool {
        let Some(flight) = self.flight(key) else { return false };
        let counts = flight.stage == Stage::Running;
        if counts {
            flight.stage = Stage::Closing;
        }
        counts
    }

    /// The run is gone. Gives those who wait for its result.
    pub(crate) fn ended(&mut self, key: RunKey, now: At, orders: &mut Vec<Order<S>>) -> Vec<S::Waiter> {
        if self.flight(key).is_none() {
            return Vec::new();
        }
        let Some(slot) = self.slots.get_mut(&key.id) else { return Vec::new() };
        let Some(flight) = slot.flight.take() else { return Vec::new() };
        if flight.stage != Stage::Abandoned {
            self.free_turns += 1;
        }
        let waiters = match &mut slot.line {
            Some(line) if line.serial == flight.serial && flight.counts() => {
                std::mem::take(&mut line.waiters)
            }
            _ => Vec::new(),
        };
        self.settle(key.id, now);
        self.tidy(key.id);
        self.give_turns(now, orders);
        waiters
    }

    /// A result that an order asked for is there for everybody.
    pub(crate) fn published(&mut self, key: LineKey, now: At, orders: &mut Vec<Order<S>>) {
        let Some(line) = self.line(key.id).filter(|line| line.serial == key.serial) else { return };
        line.publishing = line.publishing.saturating_sub(1);
        self.settle(key.id, now);
        self.give_turns(now, orders);
    }

    /// From now on no run begins; whoever waits for one is let go.
    pub(crate) fn halt(&mut self) {
        if std::mem::replace(&mut self.halted, true) {
            return;
        }
        self.queue.clear();
        for line in self.slots.values_mut().filter_map(|slot| slot.line.as_mut()) {
            line.wait = Wait::Resting;
        }
        // Those of runs in flight get their results.
        for slot in self.slots.values_mut().filter(|slot| slot.flight.is_none()) {
            if let Some(line) = &mut slot.line {
                line.waiters.clear();
            }
        }
    }

    /// Forgets all checks, and cancels their runs.
    pub(crate) fn close(&mut self, now: At, orders: &mut Vec<Order<S>>) {
        self.halt();
        // In an order that does not depend on chance, for tests that are to be repeated.
        let ids: BTreeSet<_> = self.slots.keys().copied().collect();
        for id in ids {
            self.remove(id, now, orders);
        }
    }

    /// Whether a run is in flight that may still end.
    pub(crate) fn in_flight(&self) -> bool {
        self.slots.values().filter_map(|slot| slot.flight.as_ref()).any(|run| run.stage != Stage::Abandoned)
    }

    /// When [`advance`](Self::advance) has something to do.
    pub(crate) fn next_timer(&self) -> Option<At> {
        self.timers.first().map(|(at, _, _)| *at)
    }

    /// The checks that wait for a turn, or for a run to end.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &S> {
        let lines = self.slots.values().filter_map(|slot| slot.line.as_ref());
        lines.filter(|line| line.wait != Wait::Resting).map(|line| &line.check)
    }

    fn line(&mut self, id: HealthCheckId) -> Option<&mut Line<S>> {
        self.slots.get_mut(&id)?.line.as_mut()
    }

    fn flight(&mut self, key: RunKey) -> Option<&mut Flight<S>> {
        self.slots.get_mut(&key.id)?.flight.as_mut().filter(|flight| flight.run == key.run)
    }

    fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }
}
