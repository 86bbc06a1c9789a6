//! The result of one run of a health check.

use std::time::{Duration, SystemTime};

use app_core::prelude::Error;

/// The result of one run of a health check. A snapshot: it never changes.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthCheckResult {
    /// Why it failed; `None` when it passed.
    pub error: Option<Error>,
    /// When the run started.
    pub started_at: SystemTime,
    /// How long it took; of a run that timed out, the timeout.
    pub duration: Duration,
    /// How many runs have failed in a row, this one included; 0 when it passed.
    pub error_count: u32,
}

impl HealthCheckResult {
    /// Whether it passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.error.is_none()
    }
}
