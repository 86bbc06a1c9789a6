//! Internal transitions of the timetable: checks queue for permits, runs begin, time out and are abandoned.

use app_core::prelude::HealthCheckId;

use super::{
    Action, At, DROP_GRACE, RunKey, Schedulable, Timetable,
    slot::{ActiveRun, Slot, Stage, Wait},
    timers::{Timer, next_due},
};

impl<S: Schedulable> Timetable<S> {
    /// Queues a check for a run that is due or was requested. If something is in the way, the check waits for that
    /// first.
    pub(super) fn request_run(&mut self, id: HealthCheckId, now: At, actions: &mut Vec<Action<S>>) {
        let ticket = self.next_number();
        let halted = self.halted;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(scheduled) = &mut slot.scheduled else { return };
        if scheduled.wait != Wait::Idle || scheduled.paused || halted {
            return;
        }
        match &slot.active {
            // The check's own run is in progress, so this due time is skipped.
            Some(active) if active.serial == scheduled.serial && active.counts() => {}
            Some(active) if active.stage == Stage::Abandoned => {
                actions.push(scheduled.blocked(id, now.saturating_sub(active.cancelled_at)));
                self.reschedule(id, now);
            }
            Some(_) => scheduled.wait = Wait::Blocked,
            None if scheduled.publishing > 0 => scheduled.wait = Wait::Blocked,
            None => {
                scheduled.wait = Wait::Queued(ticket);
                self.queue.insert(ticket, id);
            }
        }
    }

    /// Handles the timer of a run: cancels, drops or abandons the run.
    pub(super) fn on_run_timer(&mut self, id: HealthCheckId, now: At, actions: &mut Vec<Action<S>>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(active) = &mut slot.active else { return self.remove_if_empty(id) };
        if active.deadline > now {
            let deadline = active.deadline;
            return self.arm(id, Timer::Run, deadline);
        }
        match active.stage {
            Stage::Running => {
                active.cancel(now);
                if let Some(scheduled) =
                    slot.scheduled.as_mut().filter(|scheduled| scheduled.serial == active.serial)
                {
                    actions.push(scheduled.timed_out(id, active.handle.clone()));
                }
                let deadline = active.deadline;
                self.arm(id, Timer::Run, deadline);
                self.reschedule(id, now);
            }
            Stage::Cancelled => {
                active.stage = Stage::Dropped;
                active.deadline = now + DROP_GRACE;
                actions.push(Action::Drop { handle: active.handle.clone() });
                let deadline = active.deadline;
                self.arm(id, Timer::Run, deadline);
            }
            Stage::Dropped => {
                active.stage = Stage::Abandoned;
                self.free_permits += 1;
                actions.push(Action::Abandoned { check: active.check.clone() });
                if let Some(scheduled) =
                    slot.scheduled.as_mut().filter(|scheduled| scheduled.wait == Wait::Blocked)
                {
                    scheduled.wait = Wait::Idle;
                    actions.push(scheduled.blocked(id, now.saturating_sub(active.cancelled_at)));
                    self.reschedule(id, now);
                }
            }
            Stage::Finishing | Stage::Abandoned => {}
        }
    }

    /// Starts queued runs while permits are free.
    pub(super) fn start_queued(&mut self, now: At, actions: &mut Vec<Action<S>>) {
        while self.free_permits > 0
            && let Some((_, id)) = self.queue.pop_first()
        {
            let run = self.next_number();
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            let Some(scheduled) = &mut slot.scheduled else { continue };
            scheduled.wait = Wait::Idle;
            if !scheduled.check.wanted() {
                actions.push(Action::Orphaned { check: scheduled.check.clone() });
                self.remove(id, now, actions);
                continue;
            }
            let active = ActiveRun::new(scheduled, run, now);
            let (check, handle, deadline) = (active.check.clone(), active.handle.clone(), active.deadline);
            slot.active = Some(active);
            self.free_permits -= 1;
            self.arm(id, Timer::Run, deadline);
            actions.push(Action::Start { check, key: RunKey { id, run }, handle });
        }
    }

    /// Updates a check after a change: a blocked check may queue, and an idle check gets its next due time.
    pub(super) fn reschedule(&mut self, id: HealthCheckId, now: At) {
        let ticket = self.next_number();
        let halted = self.halted;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(scheduled) = &mut slot.scheduled else { return };
        if scheduled.paused || halted {
            return;
        }
        if scheduled.wait == Wait::Blocked && slot.active.is_none() && scheduled.publishing == 0 {
            scheduled.wait = Wait::Queued(ticket);
            self.queue.insert(ticket, id);
        } else if scheduled.wait == Wait::Idle && slot.due_timer.is_none() {
            scheduled.due = next_due(scheduled.due, scheduled.check.interval(), now);
            let due = scheduled.due;
            self.arm(id, Timer::Due, due);
        }
    }

    /// Takes a check out of the queue, cancels its run and its timer, and drops its waiters. Returns whether the check
    /// exists.
    pub(super) fn stop_check(&mut self, id: HealthCheckId, now: At, actions: &mut Vec<Action<S>>) -> bool {
        self.disarm(id, Timer::Due);
        let serial = self.next_number();
        let Some(Slot { scheduled: Some(scheduled), active, .. }) = self.slots.get_mut(&id) else {
            return false;
        };
        if let Wait::Queued(ticket) = std::mem::replace(&mut scheduled.wait, Wait::Idle) {
            self.queue.remove(&ticket);
        }
        scheduled.waiters.clear();
        scheduled.serial = serial;
        scheduled.publishing = 0;
        if let Some(active) = active.as_mut().filter(|active| active.stage == Stage::Running) {
            active.cancel(now);
            actions.push(Action::Cancel { handle: active.handle.clone() });
            let deadline = active.deadline;
            self.arm(id, Timer::Run, deadline);
        }
        true
    }
}
