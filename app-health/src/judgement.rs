//! From results to a status: thresholds give it hysteresis.

use std::fmt;

use crate::HealthCheckSpec;

/// What is held of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum HealthStatus {
    /// It has not run yet, or not often enough to tell, or not for so long that its last result says nothing.
    #[default]
    Unknown,
    /// It passes.
    Passing,
    /// It fails.
    Failing,
}

impl HealthStatus {
    /// The status in lower case.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Passing => "passing",
            Self::Failing => "failing",
        }
    }
}

impl fmt::Display for HealthStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The status, and what has come in since: always one of the two counts is zero.
///
/// A status stays until as many results in a row as its threshold says otherwise; an unknown one, until as many say
/// either. So a check that alternates never changes its status when both thresholds are above 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Judgement {
    pub(crate) status: HealthStatus,
    pub(crate) failures: u32,
    pub(crate) successes: u32,
}

impl Judgement {
    /// Takes a result in, and gives the status that was before if it changed.
    pub(crate) fn note(&mut self, spec: &HealthCheckSpec, passed: bool) -> Option<HealthStatus> {
        let (count, threshold, status) = if passed {
            self.failures = 0;
            (&mut self.successes, spec.success_threshold, HealthStatus::Passing)
        } else {
            self.successes = 0;
            (&mut self.failures, spec.failure_threshold, HealthStatus::Failing)
        };
        *count = count.saturating_add(1);
        if *count < threshold || self.status == status {
            return None;
        }
        Some(std::mem::replace(&mut self.status, status))
    }
}

#[cfg(test)]
mod tests;
