//! The timers of the timetable: one for the next run of each id, and one for its run in progress.

use app_core::prelude::{Duration, HealthCheckId};

use super::{At, Schedulable, Timetable};

/// The kinds of timers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    Run,
    Due,
}

impl<S: Schedulable> Timetable<S> {
    /// Removes the slot of an id without a check and without a run.
    pub(super) fn remove_if_empty(&mut self, id: HealthCheckId) {
        if self.slots.get(&id).is_some_and(|slot| slot.scheduled.is_none() && slot.active.is_none()) {
            self.disarm(id, Timer::Due);
            self.disarm(id, Timer::Run);
            self.slots.remove(&id);
        }
    }

    /// Sets a timer. An earlier run timer stays as it is: when it expires, it is set again. That costs less than moving
    /// it for each run.
    pub(super) fn arm(&mut self, id: HealthCheckId, timer: Timer, at: At) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let armed = slot.timer(timer);
        match *armed {
            Some(earlier) if earlier <= at && timer == Timer::Run => return,
            Some(other) => drop(self.timers.remove(&(other, id, timer))),
            None => {}
        }
        *armed = Some(at);
        self.timers.insert((at, id, timer));
    }

    pub(super) fn disarm(&mut self, id: HealthCheckId, timer: Timer) {
        if let Some(at) = self.slots.get_mut(&id).and_then(|slot| slot.timer(timer).take()) {
            self.timers.remove(&(at, id, timer));
        }
    }
}

/// The first due time after `now`. A due time in the future stays, such as after a run on demand.
pub(super) fn next_due(due: At, interval: Duration, now: At) -> At {
    let Some(late) = now.checked_sub(due) else { return due };
    let into_interval = late.as_nanos() % interval.as_nanos();
    now + (interval - Duration::from_nanos(u64::try_from(into_interval).unwrap_or(0)))
}
