//! What the timetable does by itself: checks ask for turns and get them, runs are hurried, checks come to rest.

use app_core::prelude::HealthCheckId;

use super::{
    At, DROP_GRACE, Order, RunKey, Subject, Timetable,
    slot::{Flight, Slot, Stage, Wait},
    timers::{Timer, next_due},
};

impl<S: Subject> Timetable<S> {
    /// A run is due or demanded: queues for a turn, or waits for what is in its way.
    pub(super) fn ask(&mut self, id: HealthCheckId, now: At, orders: &mut Vec<Order<S>>) {
        let ticket = self.number();
        let halted = self.halted;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(line) = &mut slot.line else { return };
        if line.wait != Wait::Resting || line.paused || halted {
            return;
        }
        match &slot.flight {
            // Its own run is under way: this due time is missed.
            Some(flight) if flight.serial == line.serial && flight.counts() => {}
            Some(flight) if flight.stage == Stage::Abandoned => {
                orders.push(line.blocked(id, now.saturating_sub(flight.cancelled_at)));
                self.settle(id, now);
            }
            Some(_) => line.wait = Wait::Held,
            None if line.publishing > 0 => line.wait = Wait::Held,
            None => {
                line.wait = Wait::Queued(ticket);
                self.queue.insert(ticket, id);
            }
        }
    }

    /// What is in flight has had its time.
    pub(super) fn hurry(&mut self, id: HealthCheckId, now: At, orders: &mut Vec<Order<S>>) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(flight) = &mut slot.flight else { return self.tidy(id) };
        if flight.deadline > now {
            let deadline = flight.deadline;
            return self.arm(id, Timer::Run, deadline);
        }
        match flight.stage {
            Stage::Running => {
                flight.cancel(now);
                if let Some(line) = slot.line.as_mut().filter(|line| line.serial == flight.serial) {
                    orders.push(line.timed_out(id, flight.reins.clone()));
                }
                let deadline = flight.deadline;
                self.arm(id, Timer::Run, deadline);
                self.settle(id, now);
            }
            Stage::Cancelled => {
                flight.stage = Stage::Dropped;
                flight.deadline = now + DROP_GRACE;
                orders.push(Order::Drop { reins: flight.reins.clone() });
                let deadline = flight.deadline;
                self.arm(id, Timer::Run, deadline);
            }
            Stage::Dropped => {
                flight.stage = Stage::Abandoned;
                self.free_turns += 1;
                orders.push(Order::Abandoned { check: flight.check.clone() });
                if let Some(line) = slot.line.as_mut().filter(|line| line.wait == Wait::Held) {
                    line.wait = Wait::Resting;
                    orders.push(line.blocked(id, now.saturating_sub(flight.cancelled_at)));
                    self.settle(id, now);
                }
            }
            Stage::Closing | Stage::Abandoned => {}
        }
    }

    /// Begins runs, for as long as there are turns and somebody to take them.
    pub(super) fn give_turns(&mut self, now: At, orders: &mut Vec<Order<S>>) {
        while self.free_turns > 0
            && let Some((_, id)) = self.queue.pop_first()
        {
            let run = self.number();
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            let Some(line) = &mut slot.line else { continue };
            line.wait = Wait::Resting;
            if !line.check.wanted() {
                orders.push(Order::Orphaned { check: line.check.clone() });
                self.remove(id, now, orders);
                continue;
            }
            let flight = Flight::new(line, run, now);
            let (check, reins, deadline) = (flight.check.clone(), flight.reins.clone(), flight.deadline);
            slot.flight = Some(flight);
            self.free_turns -= 1;
            self.arm(id, Timer::Run, deadline);
            orders.push(Order::Start { check, key: RunKey { id, run }, reins });
        }
    }

    /// After a change: a check that was held up may queue, and one that rests has its next due time.
    pub(super) fn settle(&mut self, id: HealthCheckId, now: At) {
        let ticket = self.number();
        let halted = self.halted;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        let Some(line) = &mut slot.line else { return };
        if line.paused || halted {
            return;
        }
        if line.wait == Wait::Held && slot.flight.is_none() && line.publishing == 0 {
            line.wait = Wait::Queued(ticket);
            self.queue.insert(ticket, id);
        } else if line.wait == Wait::Resting && slot.due_timer.is_none() {
            line.due = next_due(line.due, line.check.interval(), now);
            let due = line.due;
            self.arm(id, Timer::Due, due);
        }
    }

    /// Takes a check out of the queue, cancels its run and its timer, lets go of whoever waits. Whether there is one.
    pub(super) fn still(&mut self, id: HealthCheckId, now: At, orders: &mut Vec<Order<S>>) -> bool {
        self.disarm(id, Timer::Due);
        let serial = self.number();
        let Some(Slot { line: Some(line), flight, .. }) = self.slots.get_mut(&id) else { return false };
        if let Wait::Queued(ticket) = std::mem::replace(&mut line.wait, Wait::Resting) {
            self.queue.remove(&ticket);
        }
        line.waiters.clear();
        line.serial = serial;
        line.publishing = 0;
        if let Some(flight) = flight.as_mut().filter(|flight| flight.stage == Stage::Running) {
            flight.cancel(now);
            orders.push(Order::Cancel { reins: flight.reins.clone() });
            let deadline = flight.deadline;
            self.arm(id, Timer::Run, deadline);
        }
        true
    }
}
