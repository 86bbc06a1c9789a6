//! One run of a health check: a task of its own, so that one that blocks its thread blocks nobody who waits for it.
//!
//! Whatever becomes of it, the timetable learns of its end exactly once, after the check's future is gone.

use std::{
    any::Any,
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::prelude::Error;
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{HealthChecks, HealthOutcome, entry::Entry, errors, timetable::RunKey};

/// Ends a run.
#[derive(Clone)]
pub(crate) struct Reins {
    /// Asks the check to end.
    pub(crate) cancel: CancellationToken,
    /// Drops it.
    pub(crate) drop: CancellationToken,
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) kind: HealthOutcome,
    pub(crate) error: Option<Error>,
    pub(crate) started_at: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) ended: Instant,
}

impl Outcome {
    /// The run was cancelled when its time was up.
    pub(crate) fn timed_out(entry: &Entry) -> Self {
        let duration = entry.spec.timeout;
        let now = entry.wall_time();
        Self {
            kind: HealthOutcome::TimedOut,
            error: Some(errors::timed_out(&entry.spec)),
            started_at: now.checked_sub(duration).unwrap_or(now),
            duration,
            ended: Instant::now(),
        }
    }

    /// The run could not begin: one that was cancelled that long ago is still there.
    pub(crate) fn still_running(entry: &Entry, since: Duration) -> Self {
        Self {
            kind: HealthOutcome::StillRunning,
            error: Some(errors::still_running(&entry.spec, since)),
            started_at: entry.wall_time(),
            duration: Duration::ZERO,
            ended: Instant::now(),
        }
    }
}

/// Begins a run.
pub(crate) fn start(checks: &HealthChecks, entry: Arc<Entry>, key: RunKey, reins: Reins) {
    let name = entry.task_name.clone();
    let in_flight = InFlight { checks: checks.clone(), entry, key, over: false };
    let run = async move {
        let entry = Arc::clone(&in_flight.entry);
        let (began, started_at) = (Instant::now(), entry.wall_time());
        let Reins { cancel, drop } = reins;
        // Around all of it: calling the check, running it and dropping it may panic.
        let body = AssertUnwindSafe(async {
            tokio::select! {
                biased;
                result = (entry.check)(cancel) => Some(result),
                () = drop.cancelled() => None,
            }
        });
        // The check's future is gone after this line.
        let result = body.catch_unwind().await;
        let ended = Instant::now();
        let outcome = outcome(&entry, result).map(|(kind, error)| Outcome {
            kind,
            error,
            started_at,
            duration: ended - began,
            ended,
        });
        in_flight.end(outcome);
    };
    // Refused only by a service that is dead: then the task is dropped here, and the timetable knows.
    let _runtime = checks.runtime().enter();
    let _ = checks.service().spawn(name, run);
}

type Caught = Result<Option<Result<(), Error>>, Box<dyn Any + Send>>;

/// `None` of a run that was dropped.
fn outcome(entry: &Entry, result: Caught) -> Option<(HealthOutcome, Option<Error>)> {
    match result {
        Ok(Some(Ok(()))) => Some((HealthOutcome::Passed, None)),
        Ok(Some(Err(error))) => Some((HealthOutcome::Failed, Some(error))),
        Ok(None) => None,
        Err(panic) => Some((HealthOutcome::Panicked, Some(errors::panicked(&entry.spec, panic.as_ref())))),
    }
}

/// A run that the timetable takes for one in flight.
struct InFlight {
    checks: HealthChecks,
    entry: Arc<Entry>,
    key: RunKey,
    over: bool,
}

impl InFlight {
    fn end(mut self, outcome: Option<Outcome>) {
        self.over = true;
        let (checks, key) = (&self.checks, self.key);
        // After a timeout nobody wants it: that is the result.
        let counts = outcome.is_some() && checks.desk().finishing(key);
        let result = outcome.filter(|_| counts).and_then(|outcome| self.entry.publish(outcome));
        let (waiters, orders) =
            checks.desk().with(|timetable, now, orders| timetable.ended(key, now, orders));
        if let Some(result) = result {
            for waiter in waiters {
                // Who waited may have gone.
                let _ = waiter.send(result.clone());
            }
        }
        checks.carry_out(orders);
    }
}

impl Drop for InFlight {
    /// The task was dropped before its end: the runtime goes down, or the service was given up. No run begins any more,
    /// or each would be dropped inside of the drop of the one before it.
    fn drop(&mut self) {
        if !self.over {
            let key = self.key;
            let _ = self.checks.desk().with(|timetable, now, orders| {
                timetable.halt();
                drop(timetable.ended(key, now, orders));
            });
        }
    }
}

#[cfg(test)]
mod tests;
