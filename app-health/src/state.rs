//! The state of a health check at one moment, and its description in words.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_core::{duration::show_duration, prelude::ServiceId};

use crate::{HealthCheckResult, HealthCheckSpec, HealthStatus};

/// The state of a health check at one moment.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct HealthCheckState {
    /// The effective spec, with the overrides of the config.
    pub spec: Arc<HealthCheckSpec>,
    /// The service that the check belongs to. The check ends with it.
    pub owner: Option<ServiceId>,
    /// The status, after the thresholds.
    pub status: HealthStatus,
    /// Since when the check has this status.
    pub since: SystemTime,
    /// The last result; `None` before the first run.
    pub result: Option<HealthCheckResult>,
    /// Time since the end of the last run; `None` before the first run.
    pub since_last_run: Option<Duration>,
    /// Whether the last result is too old to count. The status is then unknown.
    pub stale: bool,
    /// Whether the check is paused: it does not run, and readiness does not depend on it.
    pub paused: bool,
    /// Since when the check is paused; `None` if it is not.
    pub paused_since: Option<SystemTime>,
    /// Whether the check was passing at any time.
    pub passed_once: bool,
}

impl HealthCheckState {
    /// Whether the application cannot do its work because of the check: it is critical, not paused, and not passing.
    #[must_use]
    pub fn blocks(&self) -> bool {
        self.spec.critical && !self.paused && self.status != HealthStatus::Passing
    }

    /// A note that the check is paused; `None` unless it is critical and paused.
    ///
    /// Readiness does not depend on a paused check, so operators should know of it.
    pub(crate) fn pause_note(&self) -> Option<String> {
        let since = self.paused_since.filter(|_| self.spec.critical)?;
        let since = humantime::format_rfc3339_seconds(since);
        Some(format!("critical health check {} is paused since {since}", self.spec))
    }

    /// The reason why the status is not passing, in words; `None` if it is passing.
    #[must_use]
    pub fn problem(&self) -> Option<Cow<'static, str>> {
        match (self.status, &self.result) {
            (HealthStatus::Passing, _) => None,
            (HealthStatus::Unknown, None) => Some("has not run yet".into()),
            (HealthStatus::Unknown, Some(_)) if self.stale => {
                let age = self.since_last_run.unwrap_or_default().as_secs();
                let age = show_duration(Duration::from_secs(age));
                let interval = show_duration(self.spec.interval);
                Some(format!("is unknown: it last ran {age} ago, and should run every {interval}").into())
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
