//! The record of a health check: an immutable snapshot. Each result replaces it as a whole.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthStatus, HealthTransition, outcome::RunOutcome,
    status::StatusTracker,
};

/// Number of results that are kept for each check.
pub const HISTORY_LENGTH: usize = 32;
/// Number of status changes that are kept for each check.
pub const TRANSITIONS_LENGTH: usize = 32;

/// The results and the status of a check at one moment.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    tracker: StatusTracker,
    /// Since when the check has its status.
    pub(crate) since: SystemTime,
    /// Whether the status was ever `Passing`.
    pub(crate) passed_once: bool,
    /// Whether an event has reported that the last result is stale. The next result clears the flag.
    reported_stale: bool,
    last_end: Option<Instant>,
    /// Oldest first.
    history: Arc<[HealthCheckResult]>,
    /// Oldest first.
    transitions: Arc<[HealthTransition]>,
}

impl Record {
    pub(crate) fn new(since: SystemTime) -> Self {
        Self {
            tracker: StatusTracker::default(),
            since,
            passed_once: false,
            reported_stale: false,
            last_end: None,
            history: Arc::default(),
            transitions: Arc::default(),
        }
    }

    /// The record with one more result, the result, and the status change if there is one.
    pub(crate) fn with_result(
        &self,
        spec: &HealthCheckSpec,
        outcome: RunOutcome,
        wall_time: impl FnOnce() -> SystemTime,
    ) -> (Self, HealthCheckResult, Option<HealthTransition>) {
        let RunOutcome { kind, error, started_at, duration, ended } = outcome;
        let mut tracker = self.tracker;
        let before = tracker.note(spec, error.is_none());
        let before = if self.reported_stale { Some(HealthStatus::Unknown) } else { before };
        let error_count = tracker.failures;
        let result = HealthCheckResult { outcome: kind, error, started_at, duration, error_count };
        let transition = before.filter(|from| *from != tracker.status).map(|from| HealthTransition {
            from,
            to: tracker.status,
            at: wall_time(),
            result: Some(result.clone()),
        });
        let next = Self {
            tracker,
            since: transition.as_ref().map_or(self.since, |transition| transition.at),
            passed_once: self.passed_once || tracker.status == HealthStatus::Passing,
            reported_stale: false,
            last_end: Some(ended),
            history: appended(&self.history, result.clone(), HISTORY_LENGTH),
            transitions: self.transitions_and(transition.as_ref()),
        };
        (next, result, transition)
    }

    /// The record after its last result became stale. `None` if the result is not stale, or was reported before.
    pub(crate) fn with_stale(
        &self,
        spec: &HealthCheckSpec,
        now: Instant,
        at: SystemTime,
    ) -> Option<(Self, HealthTransition)> {
        if self.reported_stale || !self.stale(spec, now) || self.tracker.status == HealthStatus::Unknown {
            return None;
        }
        let (from, to) = (self.tracker.status, HealthStatus::Unknown);
        let transition = HealthTransition { from, to, at, result: None };
        let transitions = self.transitions_and(Some(&transition));
        Some((Self { reported_stale: true, since: at, transitions, ..self.clone() }, transition))
    }

    /// The status at `now`; `Unknown` if the last result is stale.
    pub(crate) fn status(&self, spec: &HealthCheckSpec, now: Instant) -> HealthStatus {
        if self.stale(spec, now) { HealthStatus::Unknown } else { self.tracker.status }
    }

    pub(crate) fn stale(&self, spec: &HealthCheckSpec, now: Instant) -> bool {
        self.age(now).is_some_and(|age| age > spec.stale_after())
    }

    /// The time from the end of the last run until `now`.
    pub(crate) fn age(&self, now: Instant) -> Option<Duration> {
        self.last_end.map(|end| now.saturating_duration_since(end))
    }

    pub(crate) fn last(&self) -> Option<&HealthCheckResult> {
        self.history.last()
    }

    pub(crate) fn history(&self) -> Arc<[HealthCheckResult]> {
        Arc::clone(&self.history)
    }

    pub(crate) fn transitions(&self) -> Arc<[HealthTransition]> {
        Arc::clone(&self.transitions)
    }

    fn transitions_and(&self, transition: Option<&HealthTransition>) -> Arc<[HealthTransition]> {
        match transition {
            Some(transition) => appended(&self.transitions, transition.clone(), TRANSITIONS_LENGTH),
            None => Arc::clone(&self.transitions),
        }
    }
}

/// A copy with one more item at the end. Drops the oldest items so that at most `most` remain.
fn appended<T: Clone>(all: &[T], one_more: T, most: usize) -> Arc<[T]> {
    let kept = &all[all.len().saturating_sub(most - 1)..];
    kept.iter().cloned().chain(std::iter::once(one_more)).collect()
}

#[cfg(test)]
mod tests;
