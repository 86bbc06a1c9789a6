//! The status of a check: derived from its results, with thresholds as hysteresis.

use std::fmt;

use crate::HealthCheckSpec;

/// The status of a health check, after the thresholds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum HealthStatus {
    /// The check has no result yet, too few results to reach a threshold, or a result that is stale.
    #[default]
    Unknown,
    /// The check passes.
    Passing,
    /// The check fails.
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

/// The status and the number of equal results in a row. One of the two counts is always zero.
///
/// The status changes when a count reaches its threshold. If both thresholds are above 1, a check that alternates between
/// passing and failing keeps its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StatusTracker {
    pub(crate) status: HealthStatus,
    pub(crate) failures: u32,
    pub(crate) successes: u32,
}

impl StatusTracker {
    /// Counts a result. Returns the previous status if the status changed.
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
