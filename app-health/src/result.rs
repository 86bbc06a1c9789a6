//! The result of one run of a health check.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use app_core::prelude::Error;

/// The result of one run of a health check. A snapshot: it never changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthCheckResult {
    /// How it ended.
    pub outcome: HealthOutcome,
    /// Why it failed; `None` when it passed.
    pub error: Option<Error>,
    /// When the run started.
    pub started_at: SystemTime,
    /// How long it took; of a run that timed out, the timeout.
    pub duration: Duration,
    /// How many runs have failed in a row, this one included; 0 when it passed.
    pub error_count: u32,
}

/// How a run of a health check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HealthOutcome {
    /// The check said yes.
    Passed,
    /// The check said no.
    Failed,
    /// It took longer than its timeout, and was cancelled.
    TimedOut,
    /// It panicked.
    Panicked,
    /// It could not begin: an earlier run was cancelled and dropped, and still holds its thread.
    StillRunning,
}

impl HealthCheckResult {
    /// Whether it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none()
    }
}

impl HealthOutcome {
    /// The outcome in lower case, words joined by `_`.
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
