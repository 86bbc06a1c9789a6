//! The outcome of a run, before the check's record counts it.

use std::time::{Duration, SystemTime};

use app_core::prelude::Error;
use tokio::time::Instant;

use crate::{HealthCheckSpec, HealthOutcome, errors};

/// The outcome of a run.
pub(crate) struct RunOutcome {
    pub(crate) kind: HealthOutcome,
    pub(crate) error: Option<Error>,
    pub(crate) started_at: SystemTime,
    pub(crate) duration: Duration,
    pub(crate) ended: Instant,
}

impl RunOutcome {
    /// The run reached its timeout at `now` and was cancelled.
    pub(crate) fn timed_out(spec: &HealthCheckSpec, now: SystemTime) -> Self {
        let duration = spec.timeout;
        Self {
            kind: HealthOutcome::TimedOut,
            error: Some(errors::timed_out(spec)),
            started_at: now.checked_sub(duration).unwrap_or(now),
            duration,
            ended: Instant::now(),
        }
    }

    /// The run could not begin at `now`: an earlier run was cancelled `since` ago and has not ended.
    pub(crate) fn still_running(spec: &HealthCheckSpec, now: SystemTime, since: Duration) -> Self {
        Self {
            kind: HealthOutcome::StillRunning,
            error: Some(errors::still_running(spec, since)),
            started_at: now,
            duration: Duration::ZERO,
            ended: Instant::now(),
        }
    }
}
