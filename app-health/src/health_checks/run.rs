//! One run of a health check. Each run is a task, so a check that blocks its thread does not block its callers.
//!
//! However a run ends, the timetable hears of the end exactly once, after the check's future was dropped.

use std::{any::Any, panic::AssertUnwindSafe, sync::Arc};

use app_core::prelude::Error;
use app_core::trace;
use futures_util::FutureExt;
use tokio::time::Instant;

use super::{HealthChecks, spans};
use crate::{
    HealthOutcome, entry::Entry, errors, outcome::RunOutcome, run_handle::RunHandle, timetable::RunKey,
};

/// Starts a run.
pub(crate) fn start(checks: &HealthChecks, entry: Arc<Entry>, key: RunKey, handle: RunHandle) {
    let name = entry.task_name.clone();
    let in_flight = InFlight { checks: checks.clone(), entry, key, over: false };
    let run = async move {
        let entry = Arc::clone(&in_flight.entry);
        let (began, started_at) = (Instant::now(), entry.wall_time());
        let RunHandle { cancel, drop } = handle;
        // Catches panics in the call of the check, in its future, and in the drop of that future.
        let body = AssertUnwindSafe(async {
            tokio::select! {
                biased;
                result = (entry.check)(cancel) => Some(result),
                () = drop.cancelled() => None,
            }
        });
        let span = spans::begin(&entry);
        // After this line, the check's future is dropped.
        let result = spans::within(span.as_ref(), body.catch_unwind()).await;
        let ended = Instant::now();
        let outcome = outcome(&entry, result).map(|(kind, error)| RunOutcome {
            kind,
            error,
            started_at,
            duration: ended - began,
            ended,
        });
        spans::end(span, &entry.spec, ended - began, outcome.as_ref());
        in_flight.end(outcome);
    };
    // Only a dead service refuses the task. The task is then dropped here, which tells the timetable.
    let _runtime = checks.runtime().enter();
    // A run belongs to all who wait for it, so its trace is its own.
    let _ = trace::without(|| checks.service().spawn(name, run));
}

type Caught = Result<Option<Result<(), Error>>, Box<dyn Any + Send>>;

/// The outcome of a run; `None` if the run was dropped.
fn outcome(entry: &Entry, result: Caught) -> Option<(HealthOutcome, Option<Error>)> {
    match result {
        Ok(Some(Ok(()))) => Some((HealthOutcome::Passed, None)),
        Ok(Some(Err(error))) => Some((HealthOutcome::Failed, Some(error))),
        Ok(None) => None,
        Err(panic) => Some((HealthOutcome::Panicked, Some(errors::panicked(&entry.spec, panic.as_ref())))),
    }
}

/// A run that is in progress for the timetable.
struct InFlight {
    checks: HealthChecks,
    entry: Arc<Entry>,
    key: RunKey,
    over: bool,
}

impl InFlight {
    fn end(mut self, outcome: Option<RunOutcome>) {
        self.over = true;
        let (checks, key) = (&self.checks, self.key);
        // After a timeout the outcome does not count: the timeout is already the result.
        let counts = outcome.is_some() && checks.check_queue().finishing(key);
        let result = outcome.filter(|_| counts).and_then(|outcome| self.entry.publish(outcome));
        let (waiters, actions) =
            checks.check_queue().with(|timetable, now, actions| timetable.ended(key, now, actions));
        if let Some(result) = result {
            for waiter in waiters {
                // Fails if the caller has stopped waiting.
                let _ = waiter.send(result.clone());
            }
        }
        checks.perform(actions);
    }
}

impl Drop for InFlight {
    /// Handles a task that was dropped before its end: the runtime shuts down, or the service was abandoned.
    ///
    /// No further run may begin. Each would be dropped within the drop of the run before it.
    fn drop(&mut self) {
        if !self.over {
            let key = self.key;
            let _ = self.checks.check_queue().with(|timetable, now, actions| {
                timetable.halt();
                drop(timetable.ended(key, now, actions));
            });
        }
    }
}

#[cfg(test)]
mod tests;
