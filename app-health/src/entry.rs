//! A registered health check: its function and its record.
//!
//! Invariants:
//! 1. The record is an immutable snapshot. Readers load it without waiting for a run or a writer.
//! 2. A new snapshot is stored under the writer's lock. Code that holds this lock neither awaits nor runs a check.
//! 3. A retired check (replaced or unregistered) publishes nothing: no result, no gauge, no event. The flag is set under
//!    the writer's lock.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::prelude::{HealthCheckId, Service};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use tokio::{sync::oneshot, time::Instant};
use tokio_util::sync::CancellationToken;

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthEventKind, check::CheckFunction,
    events::EventSender, metrics::CheckMeters, outcome::RunOutcome, paused_checks::PausedChecks,
    record::Record, run_handle::RunHandle, timetable::Schedulable,
};

/// The time of day, for results only. Scheduling uses a monotonic clock.
pub(crate) type WallClock = Arc<dyn Fn() -> SystemTime + Send + Sync>;
/// Receives the result of a run on demand.
pub(crate) type Waiter = oneshot::Sender<HealthCheckResult>;

/// A registered health check.
pub(crate) struct Entry {
    pub(crate) spec: Arc<HealthCheckSpec>,
    pub(crate) check: CheckFunction,
    /// Name of the check's runs in stack dumps and stop reports.
    pub(crate) task_name: Cow<'static, str>,
    /// The service that the check belongs to. The check ends with it.
    owner: Option<Service>,
    shared: Arc<Shared>,
    meters: CheckMeters,
    /// Since when the check is paused, for readers. The timetable decides whether the check runs.
    paused: Mutex<Option<SystemTime>>,
    writer: Mutex<Writer>,
    record: ArcSwap<Record>,
}

/// The part that all entries share.
pub(crate) struct Shared {
    pub(crate) service: Service,
    pub(crate) events: EventSender,
    pub(crate) wall_clock: WallClock,
    pub(crate) paused_checks: Arc<PausedChecks>,
}

#[derive(Default)]
struct Writer {
    retired: bool,
}

impl Entry {
    pub(crate) fn new(
        spec: Arc<HealthCheckSpec>,
        check: CheckFunction,
        owner: Option<Service>,
        shared: Arc<Shared>,
        meters: CheckMeters,
    ) -> Self {
        let task_name = Cow::Owned(spec.label().into_owned());
        let record = ArcSwap::from_pointee(Record::new((shared.wall_clock)()));
        Self {
            spec,
            check,
            task_name,
            owner,
            shared,
            meters,
            paused: Mutex::default(),
            writer: Mutex::default(),
            record,
        }
    }

    /// Adds a result to the record and publishes it. Returns `None` if the check is retired.
    pub(crate) fn publish(&self, outcome: RunOutcome) -> Option<HealthCheckResult> {
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
            Some(transition) => self.send_event(HealthEventKind::Changed(transition)),
            None => self.shared.events.log_result(&self.spec, &result),
        }
        Some(result)
    }

    /// If the last result has become stale, publishes that once.
    pub(crate) fn report_if_stale(&self, now: Instant) {
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
        self.send_event(HealthEventKind::Changed(Box::new(transition)));
    }

    /// Publishes that a run was abandoned.
    pub(crate) fn abandoned(&self) {
        self.meters.note_abandoned();
        self.send_event(HealthEventKind::Abandoned);
    }

    pub(crate) fn send_event(&self, kind: HealthEventKind) {
        self.shared.events.send(&self.spec, kind);
    }

    /// Silences the check for good (invariant 3).
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
        (self.shared.wall_clock)()
    }

    pub(crate) fn record(&self) -> Arc<Record> {
        self.record.load_full()
    }

    /// The state of the check at `now`.
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

impl Schedulable for Arc<Entry> {
    type RunHandle = RunHandle;
    type Waiter = Waiter;

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

    fn run_handle(&self) -> RunHandle {
        RunHandle { cancel: self.shared.service.token(), drop: CancellationToken::new() }
    }

    fn set_paused(&self, paused: bool) {
        let paused_checks = &self.shared.paused_checks;
        let since = if paused {
            Some(paused_checks.begin(self.spec.id, self.wall_time()))
        } else {
            paused_checks.end(self.spec.id);
            None
        };
        *self.paused.lock() = since;
        self.meters.note_paused(since);
    }
}
