//! Carries out what the timetable orders.

use std::collections::VecDeque;

use crate::{
    HealthCheckResult, HealthChecks,
    desk::{Orders, Waiter},
    run::{self, Outcome},
    timetable::{LineKey, Order},
};

impl HealthChecks {
    /// Carries orders out, and those that come of it, one after another. Calls no check: runs are tasks of their own.
    pub(crate) fn carry_out(&self, orders: Orders) {
        let mut orders = VecDeque::from(orders);
        while let Some(order) = orders.pop_front() {
            match order {
                Order::Start { check, key, reins } => run::start(self, check, key, reins),
                Order::Cancel { reins } => reins.cancel.cancel(),
                Order::TimedOut { check, line, reins, waiters } => {
                    reins.cancel.cancel();
                    let result = check.publish(Outcome::timed_out(&check));
                    orders.extend(self.answered(line, waiters, result));
                }
                Order::Drop { reins } => reins.drop.cancel(),
                Order::Abandoned { check } => check.abandoned(),
                Order::Blocked { check, line, since, waiters } => {
                    let result = check.publish(Outcome::still_running(&check, since));
                    orders.extend(self.answered(line, waiters, result));
                }
                Order::Orphaned { check } => self.forget(&check),
            }
        }
    }

    /// A result is there: for those who wait, and for the timetable, which may order more.
    fn answered(&self, line: LineKey, waiters: Vec<Waiter>, result: Option<HealthCheckResult>) -> Orders {
        if let Some(result) = result {
            for waiter in waiters {
                // Who waited may have gone.
                let _ = waiter.send(result.clone());
            }
        }
        self.desk().with(|timetable, now, orders| timetable.published(line, now, orders)).1
    }
}
