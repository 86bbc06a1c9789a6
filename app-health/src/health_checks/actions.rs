//! Performs the actions that the timetable returns.

use std::collections::VecDeque;

use super::{HealthChecks, run};
use crate::{
    HealthCheckResult,
    check_queue::Actions,
    entry::Waiter,
    outcome::RunOutcome,
    timetable::{Action, CheckKey},
};

impl HealthChecks {
    /// Performs actions, and the actions that follow from them, in order. Runs no check itself: each run is a task.
    pub(crate) fn perform(&self, actions: Actions) {
        let mut actions = VecDeque::from(actions);
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Start { check, key, handle } => run::start(self, check, key, handle),
                Action::Cancel { handle } => handle.cancel.cancel(),
                Action::TimedOut { check, key, handle, waiters } => {
                    handle.cancel.cancel();
                    let result = check.publish(RunOutcome::timed_out(&check.spec, check.wall_time()));
                    actions.extend(self.published(key, waiters, result));
                }
                Action::Drop { handle } => handle.drop.cancel(),
                Action::Abandoned { check } => check.abandoned(),
                Action::Blocked { check, key, since, waiters } => {
                    let outcome = RunOutcome::still_running(&check.spec, check.wall_time(), since);
                    let result = check.publish(outcome);
                    actions.extend(self.published(key, waiters, result));
                }
                Action::Orphaned { check } => self.remove_entry(&check),
            }
        }
    }

    /// Sends a result to the waiters, and tells the timetable, which may return more actions.
    fn published(&self, key: CheckKey, waiters: Vec<Waiter>, result: Option<HealthCheckResult>) -> Actions {
        if let Some(result) = result {
            for waiter in waiters {
                // Fails if the caller has stopped waiting.
                let _ = waiter.send(result.clone());
            }
        }
        self.check_queue().with(|timetable, now, actions| timetable.published(key, now, actions)).1
    }
}
