//! A registered health check: its function, and what is known of it.
//!
//! Invariants:
//! 1. What is known is an immutable snapshot. Readers load it, and never wait for a run or for a writer.
//! 2. Snapshots are replaced under the lock of the writer alone, which is held for judging and counting, never across an
//!    await and never while a check runs.
//! 3. A retired check (replaced, unregistered) publishes nothing any more: no result, no gauge, no event. It is retired
//!    under that lock.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::prelude::{HealthCheckId, Service};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthEventKind,
    check::Check,
    events::Herald,
    metrics::CheckMeters,
    pauses::Pauses,
    record::Record,
    run::{Outcome, Reins},
    timetable::Subject,
};

/// The time of day, for results only: nothing is scheduled by it.
pub(crate) type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;

/// See the module.
pub(crate) struct Entry {
    pub(crate) spec: Arc<HealthCheckSpec>,
    pub(crate) check: Check,
    /// What its runs are called in stack dumps and stop reports.
    pub(crate) task_name: Cow<'static, str>,
    /// The service that the check is about; it is not run any more when that is gone.
    owner: Option<Service>,
    surroundings: Arc<Surroundings>,
    meters: CheckMeters,
    /// Since when it is paused. The timetable says whether a paused check runs, this is for readers.
    paused: Mutex<Option<SystemTime>>,
    writer: Mutex<Writer>,
    record: ArcSwap<Record>,
}

/// What all entries share.
pub(crate) struct Surroundings {
    pub(crate) service: Service,
    pub(crate) herald: Herald,
    pub(crate) wall_clock: WallClock,
    pub(crate) pauses: Arc<Pauses>,
}

#[derive(Default)]
struct Writer {
    retired: bool,
}

impl Entry {
    pub(crate) fn new(
        spec: Arc<HealthCheckSpec>,
        check: Check,
        owner: Option<Service>,
        surroundings: Arc<Surroundings>,
        meters: CheckMeters,
    ) -> Self {
        let task_name = Cow::Owned(spec.label().into_owned());
        let record = ArcSwap::from_pointee(Record::new((surroundings.wall_clock)()));
        Self {
            spec,
            check,
            task_name,
            owner,
            surroundings,
            meters,
            paused: Mutex::default(),
            writer: Mutex::default(),
            record,
        }
    }

    /// Takes a result in; `None` when the check is retired.
    pub(crate) fn publish(&self, outcome: Outcome) -> Option<HealthCheckResult> {
        let writer = self.writer.lock();
        if writer.retired {
            return None;
        }
        let (record, result, transition) =
            self.record.load().with_result(&self.spec, outcome, || self.wall_time());
        self.record.store(Arc::new(record));
        self.meters.note(&result, transition.is_some());
        drop(writer);
        let transition = transition.map(Box::new);
        match transition {
            Some(transition) => self.tell(HealthEventKind::Changed(transition)),
            None => self.surroundings.herald.log_result(&self.spec, &result),
        }
        Some(result)
    }

    /// Tells, once, that the last result is too old to say anything, if it is.
    pub(crate) fn tell_if_stale(&self, now: Instant) {
        let writer = self.writer.lock();
        if writer.retired {
            return;
        }
        let Some((record, transition)) = self.record.load().with_stale(&self.spec, now, self.wall_time())
        else {
            return;
        };
        self.record.store(Arc::new(record));
        self.meters.note_stale();
        drop(writer);
        self.tell(HealthEventKind::Changed(Box::new(transition)));
    }

    /// A run was given up.
    pub(crate) fn abandoned(&self) {
        self.meters.note_abandoned();
        self.tell(HealthEventKind::Abandoned);
    }

    pub(crate) fn tell(&self, kind: HealthEventKind) {
        self.surroundings.herald.tell(&self.spec, kind);
    }

    /// Silences the check for ever (invariant 3).
    pub(crate) fn retire(&self) {
        self.writer.lock().retired = true;
    }

    pub(crate) fn paused(&self) -> bool {
        self.paused_since().is_some()
    }

    fn paused_since(&self) -> Option<SystemTime> {
        *self.paused.lock()
    }

    pub(crate) fn owner(&self) -> Option<&Service> {
        self.owner.as_ref()
    }

    pub(crate) fn wall_time(&self) -> SystemTime {
        (self.surroundings.wall_clock)()
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        self.record.load_full()
    }

    /// Everything about the check at this moment.
    pub(crate) fn state(&self, now: Instant) -> HealthCheckState {
        let record = self.record.load();
        HealthCheckState {
            spec: Arc::clone(&self.spec),
            owner: self.owner.as_ref().map(Service::id),
            status: record.status(&self.spec, now),
            since: record.since,
            result: record.last().cloned(),
            since_last_run: record.age(now),
            stale: record.stale(&self.spec, now),
            paused: self.paused(),
            paused_since: self.paused_since(),
            passed_once: record.passed_once,
        }
    }
}

impl Subject for Arc<Entry> {
    type Reins = Reins;
    type Waiter = crate::desk::Waiter;

    fn id(&self) -> HealthCheckId {
        self.spec.id
    }

    fn interval(&self) -> Duration {
        self.spec.interval
    }

    fn timeout(&self) -> Duration {
        self.spec.timeout
    }

    fn wanted(&self) -> bool {
        self.owner.as_ref().is_none_or(Service::alive)
    }

    fn reins(&self) -> Reins {
        Reins { cancel: self.surroundings.service.token(), drop: CancellationToken::new() }
    }

    fn set_paused(&self, paused: bool) {
        let pauses = &self.surroundings.pauses;
        let since = if paused {
            Some(pauses.begin(self.spec.id, self.wall_time()))
        } else {
            pauses.end(self.spec.id);
            None
        };
        *self.paused.lock() = since;
        self.meters.note_paused(since);
    }
}
