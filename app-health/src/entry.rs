//! A registered health check: what is known of it, and who runs it.
//!
//! Invariants:
//! 1. What changes is behind the one lock, which is held for copying and counting only, never across an await and never
//!    while a check runs. So a reader never waits for a run.
//! 2. A retired check (replaced, unregistered) publishes nothing any more: no result, no gauge, no log line. It is
//!    retired under the lock under which results are published.
//! 3. The number of published results and the last of them are sent under that lock, so that whoever waits for a result
//!    sees the numbers go up by one.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::prelude::{Error, Service};
use app_errors::health_check_not_alive_error;
use parking_lot::Mutex;
use tokio::{
    sync::{Notify, watch},
    time::{Instant, sleep_until},
};

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthStatus, check::Check, events,
    judgement::Judgement, metrics::CheckGauges,
};

/// How many results of each check are kept.
pub const HISTORY_LENGTH: usize = 32;

/// A registered health check.
pub(crate) struct Entry {
    pub(crate) spec: Arc<HealthCheckSpec>,
    pub(crate) check: Check,
    gauges: CheckGauges,
    memory: Mutex<Memory>,
    /// Rung when somebody demands a run; `Turn::demanded` says whether it still counts.
    bell: Notify,
    published: watch::Sender<Published>,
}

struct Memory {
    /// The part of the health service that runs the check; killed while the check is paused.
    runner: Service,
    paused: bool,
    retired: bool,
    turn: Turn,
    judgement: Judgement,
    since: SystemTime,
    /// Oldest first.
    history: VecDeque<HealthCheckResult>,
    last_end: Option<Instant>,
}

/// Where the runner is between two results.
#[derive(Default, Clone, Copy)]
struct Turn {
    under_way: bool,
    demanded: bool,
}

#[derive(Default, Clone)]
struct Published {
    results: u64,
    last: Option<HealthCheckResult>,
}

/// What a run came to.
pub(crate) struct Outcome {
    pub(crate) error: Option<Error>,
    pub(crate) started_at: SystemTime,
    pub(crate) duration: Duration,
}

/// The result of a run that was demanded, once it is there.
pub(crate) struct Ticket {
    published: watch::Receiver<Published>,
    wanted: u64,
    pub(crate) runner: Service,
}

impl Ticket {
    /// Waits for the result; for ever if the runner is killed.
    pub(crate) async fn result(&mut self) -> Option<HealthCheckResult> {
        let wanted = self.wanted;
        let published = self.published.wait_for(|published| published.results >= wanted).await.ok()?;
        published.last.clone()
    }
}

impl Entry {
    pub(crate) fn new(
        spec: Arc<HealthCheckSpec>,
        check: Check,
        gauges: CheckGauges,
        runner: Service,
    ) -> Self {
        let memory = Memory {
            runner,
            paused: false,
            retired: false,
            turn: Turn::default(),
            judgement: Judgement::default(),
            since: SystemTime::now(),
            history: VecDeque::new(),
            last_end: None,
        };
        Self {
            spec,
            check,
            gauges,
            memory: Mutex::new(memory),
            bell: Notify::new(),
            published: watch::Sender::default(),
        }
    }

    /// Waits until the next run is due: at that time, or when it is demanded. Cancel safe.
    pub(crate) async fn due(&self, at: Instant) {
        let mut tick = std::pin::pin!(sleep_until(at));
        loop {
            tokio::select! {
                biased;
                () = &mut tick => return,
                () = self.bell.notified() => if self.memory.lock().turn.demanded { return },
            }
        }
    }

    /// From here on, whoever demands a run gets the result of this one.
    pub(crate) fn begin_turn(&self) {
        self.memory.lock().turn = Turn { under_way: true, demanded: false };
    }

    /// Demands a run, or joins the one that is under way.
    pub(crate) fn demand(&self) -> Result<Ticket, Error> {
        let mut memory = self.memory.lock();
        if memory.paused || memory.retired {
            return Err(health_check_not_alive_error(self.spec.id));
        }
        let published = self.published.subscribe();
        let wanted = published.borrow().results + 1;
        if !memory.turn.under_way && !memory.turn.demanded {
            memory.turn.demanded = true;
            self.bell.notify_one();
        }
        Ok(Ticket { published, wanted, runner: memory.runner.clone() })
    }

    /// The end of a turn: the result is there for everybody.
    pub(crate) fn publish(&self, outcome: Outcome) {
        let Outcome { error, started_at, duration } = outcome;
        let mut memory = self.memory.lock();
        if memory.retired {
            return;
        }
        let before = memory.judgement.note(&self.spec, error.is_none());
        if before.is_some() {
            memory.since = SystemTime::now();
        }
        let Judgement { failures, status, .. } = memory.judgement;
        let result = HealthCheckResult { error, started_at, duration, error_count: failures };
        if memory.history.len() == HISTORY_LENGTH {
            memory.history.pop_front();
        }
        memory.history.push_back(result.clone());
        memory.last_end = Some(Instant::now());
        memory.turn.under_way = false;
        self.gauges.set(failures, duration);
        self.published.send_modify(|published| {
            published.results += 1;
            published.last = Some(result.clone());
        });
        let log = memory.runner.log().clone();
        drop(memory);
        events::result(&log, &self.spec, &result, before.map(|before| (before, status)));
    }

    /// Takes the check off its runner, which is still to be killed; `None` when it was paused already.
    pub(crate) fn pause(&self) -> Option<Service> {
        let mut memory = self.memory.lock();
        if memory.paused || memory.retired {
            return None;
        }
        memory.paused = true;
        Some(memory.runner.clone())
    }

    /// Gives the check to another runner, and returns the one that had it; `None` when it is not paused.
    pub(crate) fn resume(&self, runner: &Service) -> Option<Service> {
        let mut memory = self.memory.lock();
        if !memory.paused || memory.retired {
            return None;
        }
        memory.paused = false;
        memory.turn = Turn::default();
        Some(std::mem::replace(&mut memory.runner, runner.clone()))
    }

    /// Silences the check for ever (invariant 2), and returns its runner, which is still to be killed.
    pub(crate) fn retire(&self) -> Service {
        let mut memory = self.memory.lock();
        memory.retired = true;
        memory.runner.clone()
    }

    pub(crate) fn paused(&self) -> bool {
        self.memory.lock().paused
    }

    pub(crate) fn last(&self) -> Option<HealthCheckResult> {
        self.memory.lock().history.back().cloned()
    }

    pub(crate) fn history(&self) -> Vec<HealthCheckResult> {
        self.memory.lock().history.iter().cloned().collect()
    }

    /// Everything about the check at this moment.
    pub(crate) fn state(&self, now: Instant) -> HealthCheckState {
        let memory = self.memory.lock();
        let since_last_run = memory.last_end.map(|end| now.saturating_duration_since(end));
        let stale = since_last_run.is_some_and(|age| age > self.spec.stale_after());
        HealthCheckState {
            spec: Arc::clone(&self.spec),
            status: if stale { HealthStatus::Unknown } else { memory.judgement.status },
            since: memory.since,
            result: memory.history.back().cloned(),
            since_last_run,
            stale,
            paused: memory.paused,
        }
    }
}
