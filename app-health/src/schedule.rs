//! The scheduler: the one task that does what is due, and beats as long as it turns.
//!
//! Once the application stops no run begins any more: what checks look at is going away. Once the service is killed its
//! runs are cancelled, and the scheduler ends when they have, or were abandoned. A bug that panics here takes the health
//! service along: better none than one that stands still unnoticed.

use std::{pin::pin, time::Duration};

use tokio::time::{Instant, sleep_until};

use crate::{HealthChecks, heartbeat::BEAT};

/// The first runs of checks that were registered together are spread over this time, or a tenth of their interval. Not
/// those of critical checks: readiness waits for them.
const MAX_JITTER: Duration = Duration::from_millis(50);

/// Runs checks until the service is killed and the last run has ended.
pub(crate) async fn run(checks: HealthChecks) {
    let service = checks.service().clone();
    let mut dying = pin!(service.dying());
    let mut closed = false;
    let mut looked_at = Instant::now();
    loop {
        checks.heartbeat().beat();
        let (orders, wake_up) = checks.desk().advance(BEAT);
        checks.carry_out(orders);
        if looked_at.elapsed() >= BEAT {
            looked_at = Instant::now();
            // Others that are stale have a run under way, which tells when it has come to something.
            checks.desk().waiting().iter().for_each(|entry| entry.tell_if_stale(looked_at));
        }
        if closed && !checks.desk().in_flight() {
            return;
        }
        tokio::select! {
            biased;
            () = &mut dying, if !closed => {
                closed = true;
                checks.close();
            }
            () = checks.desk().rung() => {}
            () = sleep_until(wake_up) => {}
        }
    }
}

/// From the registration of a check to its first run.
pub(crate) fn jitter(interval: Duration, critical: bool) -> Duration {
    if critical {
        return Duration::ZERO;
    }
    let most = u64::try_from(MAX_JITTER.min(interval / 10).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(app_ids::random_u64() % (most + 1))
}

#[cfg(test)]
mod tests;
