//! The scheduler: one task that handles expired timers and keeps the heartbeat.
//!
//! Once the application stops, no run begins, because what the checks look at is going away. Once the health service is
//! killed, its runs are cancelled. The scheduler ends when each run has ended or was abandoned. A panic here fails the
//! health service, because a scheduler that stands still unnoticed would be worse.

use std::pin::pin;

use tokio::time::{Instant, sleep_until};

use crate::{HealthChecks, heartbeat::BEAT};

/// Runs checks until the service is killed and the last run has ended.
pub(crate) async fn run(checks: HealthChecks) {
    let service = checks.service().clone();
    let mut dying = pin!(service.dying());
    let mut closed = false;
    let mut stale_checked_at = Instant::now();
    loop {
        checks.heartbeat().beat();
        let (actions, wake_up) = checks.check_queue().advance(BEAT);
        checks.perform(actions);
        if stale_checked_at.elapsed() >= BEAT {
            stale_checked_at = Instant::now();
            // Other stale checks have a run in progress, which reports its own result.
            checks.check_queue().waiting().iter().for_each(|entry| entry.report_if_stale(stale_checked_at));
        }
        if closed && !checks.check_queue().in_flight() {
            return;
        }
        tokio::select! {
            biased;
            () = &mut dying, if !closed => {
                closed = true;
                checks.close();
            }
            () = checks.check_queue().timer_changed() => {}
            () = sleep_until(wake_up) => {}
        }
    }
}

#[cfg(test)]
mod tests;
