//! What is known of a health check: an immutable snapshot, replaced as a whole by each result.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use tokio::time::Instant;

use crate::{
    HealthCheckResult, HealthCheckSpec, HealthStatus, HealthTransition, judgement::Judgement, run::Outcome,
};

/// How many results of each check are kept.
pub const HISTORY_LENGTH: usize = 32;
/// How many changes of status of each check are kept.
pub const TRANSITIONS_LENGTH: usize = 32;

/// See the module.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    judgement: Judgement,
    /// Since when the results say so.
    pub(crate) since: SystemTime,
    /// Whether it has ever been passing.
    pub(crate) passed_once: bool,
    /// Whether it was told that the last result is too old. The next one makes it good.
    told_stale: bool,
    last_end: Option<Instant>,
    /// Oldest first.
    history: Arc<[HealthCheckResult]>,
    /// Oldest first.
    transitions: Arc<[HealthTransition]>,
}

impl Record {
    pub(crate) fn new(since: SystemTime) -> Self {
        Self {
            judgement: Judgement::default(),
            since,
            passed_once: false,
            told_stale: false,
            last_end: None,
            history: Arc::default(),
            transitions: Arc::default(),
        }
    }

    /// With one more result, and the change that it brought about.
    pub(crate) fn with_result(
        &self,
        spec: &HealthCheckSpec,
        outcome: Outcome,
        wall_time: impl FnOnce() -> SystemTime,
    ) -> (Self, HealthCheckResult, Option<HealthTransition>) {
        let Outcome { kind, error, started_at, duration, ended } = outcome;
        let mut judgement = self.judgement;
        let before = judgement.note(spec, error.is_none());
        let before = if self.told_stale { Some(HealthStatus::Unknown) } else { before };
        let error_count = judgement.failures;
        let result = HealthCheckResult { outcome: kind, error, started_at, duration, error_count };
        let transition = before.filter(|from| *from != judgement.status).map(|from| HealthTransition {
            from,
            to: judgement.status,
            at: wall_time(),
            result: Some(result.clone()),
        });
        let next = Self {
            judgement,
            since: transition.as_ref().map_or(self.since, |transition| transition.at),
            passed_once: self.passed_once || judgement.status == HealthStatus::Passing,
            told_stale: false,
            last_end: Some(ended),
            history: appended(&self.history, result.clone(), HISTORY_LENGTH),
            transitions: self.transitions_and(transition.as_ref()),
        };
        (next, result, transition)
    }

    /// After its last result has become too old; `None` when it is not, or this was said before.
    pub(crate) fn with_stale(
        &self,
        spec: &HealthCheckSpec,
        now: Instant,
        at: SystemTime,
    ) -> Option<(Self, HealthTransition)> {
        if self.told_stale || !self.stale(spec, now) || self.judgement.status == HealthStatus::Unknown {
            return None;
        }
        let (from, to) = (self.judgement.status, HealthStatus::Unknown);
        let transition = HealthTransition { from, to, at, result: None };
        let transitions = self.transitions_and(Some(&transition));
        Some((Self { told_stale: true, since: at, transitions, ..self.clone() }, transition))
    }

    /// What is held of the check: a result that is too old says nothing.
    pub(crate) fn status(&self, spec: &HealthCheckSpec, now: Instant) -> HealthStatus {
        if self.stale(spec, now) { HealthStatus::Unknown } else { self.judgement.status }
    }

    pub(crate) fn stale(&self, spec: &HealthCheckSpec, now: Instant) -> bool {
        self.age(now).is_some_and(|age| age > spec.stale_after())
    }

    /// From the end of the last run until now.
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

/// A copy with one more at the end, the oldest left out when there are too many.
fn appended<T: Clone>(all: &[T], one_more: T, most: usize) -> Arc<[T]> {
    let kept = &all[all.len().saturating_sub(most - 1)..];
    kept.iter().cloned().chain(std::iter::once(one_more)).collect()
}

#[cfg(test)]
mod tests;
