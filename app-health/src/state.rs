//! A health check as seen from outside, and what it means in words.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::{prelude::ServiceId, show_duration};

use crate::{HealthCheckResult, HealthCheckSpec, HealthStatus};

/// Everything about a health check at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthCheckState {
    /// The spec as it counts, the config's part included.
    pub spec: Arc<HealthCheckSpec>,
    /// The service that it is about; it is not run any more when that is gone.
    pub owner: Option<ServiceId>,
    /// What is held of it.
    pub status: HealthStatus,
    /// Since when its results say so.
    pub since: SystemTime,
    /// The last result; `None` before the first run.
    pub result: Option<HealthCheckResult>,
    /// From the end of the last run until now.
    pub since_last_run: Option<Duration>,
    /// Whether the last run was so long ago that it says nothing any more. The status is unknown then.
    pub stale: bool,
    /// Whether it is paused: it does not run, and the application's readiness does not depend on it.
    pub paused: bool,
    /// Since when it is paused.
    pub paused_since: Option<SystemTime>,
    /// Whether it has ever been passing.
    pub passed_once: bool,
}

impl HealthCheckState {
    /// Whether the application can't do its work on account of it: it is critical, not paused, and not known to pass.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.spec.critical && !self.paused && self.status != HealthStatus::Passing
    }

    /// That it is paused and since when, in words: a paused critical check is worth a note, because readiness does not
    /// depend on it.
    pub(crate) fn pause_note(&self) -> Option<String> {
        let since = self.paused_since.filter(|_| self.spec.critical)?;
        let since = humantime::format_rfc3339_seconds(since);
        Some(format!("critical health check {} is paused since {since}", self.spec))
    }

    /// Why it is not known to be well, in words; `None` when it passes.
    #[must_use]
    pub fn problem(&self) -> Option<Cow<'static, str>> {
        match (self.status, &self.result) {
            (HealthStatus::Passing, _) => None,
            (HealthStatus::Unknown, None) => Some("has not run yet".into()),
            (HealthStatus::Unknown, Some(_)) if self.stale => {
                let age = self.since_last_run.unwrap_or_default().as_secs();
                let age = show_duration(Duration::from_secs(age));
                let interval = show_duration(self.spec.interval);
                Some(format!("is unknown: it last ran {age} ago, and should every {interval}").into())
            }
            (HealthStatus::Unknown, Some(result)) => match &result.error {
                Some(error) => Some(format!("has not passed yet: {error}").into()),
                None => Some("has not passed often enough yet".into()),
            },
            (HealthStatus::Failing, Some(HealthCheckResult { error: Some(error), error_count, .. })) => {
                let times = if *error_count == 1 {
                    String::new()
                } else {
                    format!(" ({error_count} times in a row)")
                };
                Some(format!("fails{times}: {error}").into())
            }
            (HealthStatus::Failing, _) => Some("has not passed often enough since it failed".into()),
        }
    }
}
