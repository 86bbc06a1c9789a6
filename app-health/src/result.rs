//! The result of one run of a health check.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use app_core::prelude::Error;

/// The result of one run of a health check: an immutable snapshot.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthCheckResult {
    /// How the run ended.
    pub outcome: HealthOutcome,
    /// Why the run failed; `None` if it passed.
    pub error: Option<Error>,
    /// When the run started.
    pub started_at: SystemTime,
    /// How long the run took. For a run that timed out, this is the timeout.
    pub duration: Duration,
    /// Number of failed runs in a row, including this run; 0 if it passed.
    pub error_count: u32,
}

/// How a run of a health check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthOutcome {
    /// The check returned `Ok`.
    Passed,
    /// The check returned an error.
    Failed,
    /// The run took longer than its timeout and was cancelled.
    TimedOut,
    /// The check panicked.
    Panicked,
    /// The run could not begin: an earlier run was cancelled and dropped, and still blocks its thread.
    StillRunning,
}

impl HealthCheckResult {
    /// Whether the run passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none()
    }
}

impl HealthOutcome {
    /// The outcome in lower case, with `_` between words.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::TimedOut => "timed_out",
            Self::Panicked => "panicked",
            Self::StillRunning => "still_running",
        }
    }
}

impl fmt::Display for HealthOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
