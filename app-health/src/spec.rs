//! The spec of a health check: when it runs, how long a run may take, and what its results mean.

use std::{borrow::Cow, time::Duration};

use app_core::prelude::{Error, HealthCheckId, errors};

use crate::{HEALTHCHECK_SERVICE_ID, READINESS_GROUP, groups};

/// Default of the time from the start of one run to the start of the next.
pub const DEFAULT_HEALTHCHECK_RUN_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// Default of the time that a run may take.
pub const DEFAULT_HEALTHCHECK_RUN_TIMEOUT: Duration = Duration::from_secs(5);

/// The resolution of the timer.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longer times are mistakes. A timer can hold far more.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The spec of a health check. The config of the health service can override the schedule and the thresholds.
///
/// ```
/// use app_core::prelude::*;
/// use app_health::HealthCheckSpec;
///
/// let spec = HealthCheckSpec::new(HealthCheckId::new(0x8d0a_0181_c77f_e5ec))
///     .name("database")
///     .interval(Duration::from_secs(10))
///     .timeout(Duration::from_secs(1))
///     .failure_threshold(3)
///     .critical();
/// assert_eq!(spec.to_string(), "database (8d0a0181c77fe5ec)");
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthCheckSpec {
    /// The id of the check; not zero.
    pub id: HealthCheckId,
    /// Time from the start of one run to the start of the next: 1 ms to 366 days.
    pub interval: Duration,
    /// How long a run may take: 1 ms to 366 days. A longer run is cancelled and counts as failed.
    pub timeout: Duration,
    /// Whether the application depends on the check: it is not ready unless the check passes.
    pub critical: bool,
    /// Failures in a row until the check is failing; at least 1.
    pub failure_threshold: u32,
    /// Successes in a row until the check is passing; at least 1.
    pub success_threshold: u32,
    /// A readable name. Without one, the name that was recorded for the id is used, if there is one.
    pub name: Option<Cow<'static, str>>,
    /// One line for operators: what is checked, and what a failure means.
    pub description: Option<Cow<'static, str>>,
    /// The groups that were set. Use [`in_group`](Self::in_group), which also knows the default group.
    pub groups: Vec<Cow<'static, str>>,
}

impl HealthCheckSpec {
    /// Creates the spec of a check that is not critical, with the default interval and timeout, and thresholds of 1.
    #[must_use]
    pub fn new(id: HealthCheckId) -> Self {
        Self {
            id,
            interval: DEFAULT_HEALTHCHECK_RUN_INTERVAL,
            timeout: DEFAULT_HEALTHCHECK_RUN_TIMEOUT,
            critical: false,
            failure_threshold: 1,
            success_threshold: 1,
            name: None,
            description: None,
            groups: Vec::new(),
        }
    }

    /// Sets the time from the start of one run to the start of the next; zero means the default.
    #[must_use]
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = if interval.is_zero() { DEFAULT_HEALTHCHECK_RUN_INTERVAL } else { interval };
        self
    }

    /// Sets the time that a run may take; zero means the default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = if timeout.is_zero() { DEFAULT_HEALTHCHECK_RUN_TIMEOUT } else { timeout };
        self
    }

    /// Makes the check critical: the application is not ready unless the check passes.
    ///
    /// A critical check in another [group](Self::group) counts for the probe of that group instead.
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// Adds the check to a group. A check may be in several groups.
    ///
    /// Groups of probes are [`LIVENESS_GROUP`](crate::LIVENESS_GROUP), [`READINESS_GROUP`] and
    /// [`STARTUP_GROUP`](crate::STARTUP_GROUP). A check in none of these is in `readiness`. `/healthz/<group>` shows a
    /// group with any other name.
    #[must_use]
    pub fn group(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        if !self.groups.contains(&name) {
            self.groups.push(name);
        }
        self
    }

    /// Sets the number of failures in a row until the check is failing; zero means 1.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures.max(1);
        self
    }

    /// Sets the number of successes in a row until the check is passing; zero means 1.
    #[must_use]
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes.max(1);
        self
    }

    /// Its own name, or else the name of its id; empty if there is neither.
    pub(crate) fn shown_name(&self) -> &str {
        self.name.as_deref().or_else(|| self.id.name()).unwrap_or_default()
    }

    /// Sets a readable name.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the description: one line for operators.
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// The readable name, or the id in hex.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match (&self.name, self.id.name()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(name)) => Cow::Borrowed(name),
            (None, None) => Cow::Owned(self.id.hex()),
        }
    }

    /// Whether the check is in the group `name`.
    #[must_use]
    pub fn in_group(&self, name: &str) -> bool {
        let listed = |group: &str| self.groups.iter().any(|own| own == group);
        listed(name) || (name == READINESS_GROUP && !groups::PROBES.iter().any(|probe| listed(probe)))
    }

    /// The age at which the last result is stale: three intervals, or three timeouts if the timeout is longer.
    pub(crate) fn stale_after(&self) -> Duration {
        self.interval.max(self.timeout).saturating_mul(3)
    }

    /// Refuses a spec that cannot be scheduled. Later code relies on this check.
    pub(crate) fn validated(mut self) -> Result<Self, Error> {
        let refused = |message: String| {
            Err(errors::ILLEGAL_ARGUMENT.error(HEALTHCHECK_SERVICE_ID).message(message).build())
        };
        if self.id.is_zero() {
            return refused("health check: its id must not be zero".to_owned());
        }
        for (what, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if !(SHORTEST..=LONGEST).contains(&time) {
                let time = app_core::duration::show_duration(time);
                return refused(format!(
                    "health check {self}: its {what} must be 1ms to 366days, not {time}"
                ));
            }
        }
        for name in &self.groups {
            if let Some(flaw) = groups::flaw(name) {
                return refused(format!("health check {self}: the group name {name:?} {flaw}"));
            }
        }
        self.failure_threshold = self.failure_threshold.max(1);
        self.success_threshold = self.success_threshold.max(1);
        Ok(self)
    }
}

/// The form for messages: `name (hex)`, or `hex`.
impl std::fmt::Display for HealthCheckSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name} ({})", self.id),
            None => self.id.describe().fmt(f),
        }
    }
}

#[cfg(test)]
mod tests;
