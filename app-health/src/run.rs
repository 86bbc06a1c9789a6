//! One run of a health check: within its time, or cancelled; whatever becomes of it, there is an outcome.
//!
//! A run is a task of its own, so that one that blocks its thread does not block whoever waits for it.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::prelude::{Error, Service};
use futures_util::FutureExt;
use tokio::{
    sync::oneshot,
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

use crate::{
    HealthCheckSpec,
    entry::{Entry, Outcome},
    errors,
};

/// How long a check may clean up after its token was cancelled, before it is dropped.
const CANCEL_GRACE: Duration = Duration::from_millis(100);
/// How long a dropped check may take to be gone: one that awaits is gone at once, one that blocks its thread is not.
pub(crate) const DROP_GRACE: Duration = Duration::from_secs(1);

/// A run under way.
pub(crate) struct Run {
    spec: Arc<HealthCheckSpec>,
    answer: oneshot::Receiver<Result<(), Error>>,
    /// Asks the check to end.
    cancel: CancellationToken,
    /// Drops it.
    abandon: CancellationToken,
    /// Its task has ended.
    gone: CancellationToken,
    started: Instant,
    started_at: SystemTime,
}

/// A run that was dropped and is still there.
pub(crate) struct Stuck {
    pub(crate) gone: CancellationToken,
    pub(crate) since: Instant,
}

impl Run {
    pub(crate) fn start(entry: &Entry, runner: &Service) -> Result<Self, Error> {
        let (answer, answered) = oneshot::channel();
        let run = Self {
            spec: Arc::clone(&entry.spec),
            answer: answered,
            cancel: runner.token(),
            abandon: CancellationToken::new(),
            gone: CancellationToken::new(),
            started: Instant::now(),
            started_at: SystemTime::now(),
        };
        let (check, cancel) = (Arc::clone(&entry.check), run.cancel.clone());
        let (spec, abandoned, gone) =
            (Arc::clone(&run.spec), run.abandon.clone(), run.gone.clone().drop_guard());
        runner.spawn("run", async move {
            let _gone = gone;
            // Around all of it: calling the check, running it and dropping it may panic.
            let body = AssertUnwindSafe(async move {
                tokio::select! {
                    biased;
                    result = check(cancel) => Some(result),
                    () = abandoned.cancelled() => None,
                }
            });
            let result = match body.catch_unwind().await {
                Ok(Some(result)) => result,
                Ok(None) => return,
                Err(panic) => Err(errors::panicked(&spec, panic.as_ref())),
            };
            // After a timeout nobody waits for it.
            let _ = answer.send(result);
        })?;
        Ok(run)
    }

    /// Waits for the outcome; `None` when the runner was killed.
    pub(crate) async fn outcome(&mut self, runner: &Service) -> Option<Outcome> {
        let error = tokio::select! {
            biased;
            answer = &mut self.answer => answer.unwrap_or_else(|_| Err(errors::dropped(&self.spec))).err(),
            () = runner.dying() => return None,
            () = sleep_until(self.started + self.spec.timeout) => Some(errors::timed_out(&self.spec)),
        };
        Some(Outcome { error, started_at: self.started_at, duration: self.started.elapsed() })
    }

    /// Sees to it that the run is over: cancels it, then drops it, then gives up on it.
    pub(crate) async fn wind_up(self) -> Option<Stuck> {
        if self.answer.is_terminated() {
            return None;
        }
        let since = Instant::now();
        self.cancel.cancel();
        if timeout(CANCEL_GRACE, self.gone.cancelled()).await.is_ok() {
            return None;
        }
        self.abandon.cancel();
        let dropped = timeout(DROP_GRACE, self.gone.cancelled()).await;
        dropped.is_err().then_some(Stuck { gone: self.gone, since })
    }
}

#[cfg(test)]
mod tests;
