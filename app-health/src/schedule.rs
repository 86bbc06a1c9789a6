//! When a check runs: once at the start, then at a fixed rate, and whenever somebody demands it.
//!
//! 1. The runs of one check never overlap, whoever ran it before: a runner first waits until the former one is dead, and
//!    is not dead itself before that.
//! 2. Due times are the first one plus whole intervals. Those that were missed, because a run took longer, other checks
//!    had their turns or the machine slept, are left out: no drift, no burst.
//! 3. Turns are given in the order in which they were asked for: with one run at a time, between two turns of a check all
//!    others that are due get theirs. A check that times out always thus holds the others up by its timeout once a turn
//!    (and a moment to clean up), and intervals that are shorter than all turns together can't be kept.
//! 4. Once the application stops, no run begins any more: what checks look at is going away.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use app_core::prelude::{Error, Service, errors, warn};
use futures_util::FutureExt;
use tokio::{
    sync::Semaphore,
    time::{Instant, sleep},
};

use crate::{
    HEALTHCHECK_ID_LOG_FIELD,
    entry::{Entry, Outcome},
    errors::still_running,
    run::{DROP_GRACE, Run, Stuck},
};

/// The first runs of checks that were registered together are spread over this time, or a tenth of their interval. Not
/// those of critical checks: readiness waits for them.
const MAX_JITTER: Duration = Duration::from_millis(50);

/// Runs one check as often as it is due.
struct Scheduler {
    entry: Arc<Entry>,
    runner: Service,
    turns: Arc<Semaphore>,
    former: Option<Former>,
}

/// What has to be gone before a run may begin.
enum Former {
    /// The runner that had the check before.
    Runner(Service, Instant),
    /// A run that does not end.
    Run(Stuck),
}

impl Former {
    async fn gone(&self) {
        match self {
            Self::Runner(runner, _) => runner.dead().await,
            Self::Run(stuck) => stuck.gone.cancelled().await,
        }
    }

    fn since(&self) -> Instant {
        match self {
            Self::Runner(_, since) => *since,
            Self::Run(stuck) => stuck.since,
        }
    }
}

/// Has the runner run the check until it is killed. A bug that panics here takes the health service along: better none
/// than one that stands still unnoticed.
pub(crate) fn spawn(
    health: &Service,
    runner: &Service,
    entry: &Arc<Entry>,
    turns: &Arc<Semaphore>,
    former: Option<Service>,
) -> Result<(), Error> {
    let mut scheduler = Scheduler {
        entry: Arc::clone(entry),
        runner: runner.clone(),
        turns: Arc::clone(turns),
        former: former.map(|former| Former::Runner(former, Instant::now())),
    };
    let health = health.clone();
    runner.spawn("schedule", async move {
        let work = AssertUnwindSafe(async {
            scheduler.run().await;
            if let Some(former) = &scheduler.former {
                former.gone().await;
            }
        });
        if work.catch_unwind().await.is_err() {
            health.kill(
                errors::BUG.error(health.id()).message("the scheduler of health checks panicked").build(),
            );
        }
    })
}

impl Scheduler {
    async fn run(&mut self) {
        let app = self.runner.app().clone();
        let interval = self.entry.spec.interval;
        let first = if self.entry.spec.critical { Duration::ZERO } else { jitter(interval) };
        let mut due = Instant::now() + first;
        loop {
            tokio::select! {
                biased;
                () = self.runner.dying() => return,
                () = app.dying() => return,
                () = self.entry.due(due) => {}
            }
            self.entry.begin_turn();
            if self.turn().await.is_none() {
                return;
            }
            due = next_due(due, interval, Instant::now());
        }
    }

    /// One turn, which ends with a result; `None` when the runner was killed.
    async fn turn(&mut self) -> Option<()> {
        if let Some(error) = self.wait_for_former().await? {
            let (started_at, duration) = (std::time::SystemTime::now(), Duration::ZERO);
            self.entry.publish(Outcome { error: Some(error), started_at, duration });
            return Some(());
        }
        let turn = tokio::select! {
            biased;
            () = self.runner.dying() => return None,
            turn = self.turns.acquire() => turn.ok()?,
        };
        let mut run = Run::start(&self.entry, &self.runner).ok()?;
        let outcome = run.outcome(&self.runner).await;
        let killed = outcome.is_none();
        if let Some(outcome) = outcome {
            self.entry.publish(outcome);
        }
        if let Some(stuck) = run.wind_up().await {
            let spec = &self.entry.spec;
            warn!(self.runner.log(), "health check {spec} was cancelled and does not end: it blocks its thread";
                HEALTHCHECK_ID_LOG_FIELD => spec.id.hex());
            self.former = Some(Former::Run(stuck));
        }
        drop(turn);
        (!killed).then_some(())
    }

    /// Gives the reason why no run may begin, if there is one; `None` when the runner was killed.
    async fn wait_for_former(&mut self) -> Option<Option<Error>> {
        let Some(former) = &self.former else { return Some(None) };
        tokio::select! {
            biased;
            () = former.gone() => {}
            () = self.runner.dying() => return None,
            () = sleep(DROP_GRACE) => return Some(Some(still_running(&self.entry.spec, former.since().elapsed()))),
        }
        self.former = None;
        Some(None)
    }
}

fn jitter(interval: Duration) -> Duration {
    let most = u64::try_from(MAX_JITTER.min(interval / 10).as_nanos()).unwrap_or(u64::MAX);
    Duration::from_nanos(app_ids::random_u64() % (most + 1))
}

/// The first due time after `now`; the one that stands if it is still to come, after a run on demand.
fn next_due(due: Instant, interval: Duration, now: Instant) -> Instant {
    let Some(late) = now.checked_duration_since(due) else { return due };
    let into_interval = late.as_nanos() % interval.as_nanos();
    let into_interval = Duration::from_nanos(u64::try_from(into_interval).unwrap_or(0));
    now + (interval - into_interval)
}

#[cfg(test)]
mod tests;
