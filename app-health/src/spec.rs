//! What a health check is, apart from its function: when it runs, how long it may take, what its results mean.

use std::{borrow::Cow, time::Duration};

use app_core::prelude::{Error, HealthCheckId, errors};

use crate::{HEALTHCHECK_SERVICE_ID, READINESS_GROUP, groups};

/// From the start of one run to the start of the next, unless the spec or the config says otherwise.
pub const DEFAULT_HEALTHCHECK_RUN_INTERVAL: Duration = Duration::from_secs(5 * 60);
/// How long a run may take, unless the spec or the config says otherwise.
pub const DEFAULT_HEALTHCHECK_RUN_TIMEOUT: Duration = Duration::from_secs(5);

/// The resolution of the timer.
const SHORTEST: Duration = Duration::from_millis(1);
/// Longer than this is a mistake, and far from what a timer can hold.
const LONGEST: Duration = Duration::from_secs(366 * 24 * 60 * 60);

/// The spec of a health check. What the config says about its interval and timeout goes before what the code says.
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
    /// The check's id; not zero.
    pub id: HealthCheckId,
    /// From the start of one run to the start of the next: 1 ms to 366 days.
    pub interval: Duration,
    /// How long a run may take, then it is cancelled and has failed: 1 ms to 366 days.
    pub timeout: Duration,
    /// Whether the application can't do its work while the check fails: then it is not ready.
    pub critical: bool,
    /// So many failures in a row make a check that passes, or is unknown, a failing one; at least 1.
    pub failure_threshold: u32,
    /// So many successes in a row make a check that fails, or is unknown, a passing one; at least 1.
    pub success_threshold: u32,
    /// A name for people; without one it is the name that was recorded for the id, if any.
    pub name: Option<Cow<'static, str>>,
    /// A line for people: what is checked, and what it means when it fails.
    pub description: Option<Cow<'static, str>>,
    /// What it counts for, as it was said; [`in_group`](Self::in_group) knows what is meant when nothing was.
    pub groups: Vec<Cow<'static, str>>,
}

impl HealthCheckSpec {
    /// The spec of a check that is not critical, with the default interval and timeout, and thresholds of 1.
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

    /// Sets how long a run may take; zero means the default.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = if timeout.is_zero() { DEFAULT_HEALTHCHECK_RUN_TIMEOUT } else { timeout };
        self
    }

    /// Makes it a critical one: the application is not ready before it has passed, nor while it fails. (What is critical
    /// in another [group](Self::group) counts for that one.)
    #[must_use]
    pub fn critical(mut self) -> Self {
        self.critical = true;
        self
    }

    /// Puts it in a group: one of a probe ([`LIVENESS_GROUP`](crate::LIVENESS_GROUP), [`READINESS_GROUP`],
    /// [`STARTUP_GROUP`](crate::STARTUP_GROUP)), or one of its own, which is shown under `/healthz/<group>`. It may be in
    /// several. In none of a probe, it is in `readiness`.
    #[must_use]
    pub fn group(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        let name = name.into();
        if !self.groups.contains(&name) {
            self.groups.push(name);
        }
        self
    }

    /// Sets how many failures in a row it takes to be failing; zero means 1.
    #[must_use]
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.failure_threshold = failures.max(1);
        self
    }

    /// Sets how many successes in a row it takes to be passing; zero means 1.
    #[must_use]
    pub fn success_threshold(mut self, successes: u32) -> Self {
        self.success_threshold = successes.max(1);
        self
    }

    /// Sets the name for people.
    #[must_use]
    pub fn name(mut self, name: impl Into<Cow<'static, str>>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Sets the line for people.
    #[must_use]
    pub fn description(mut self, description: impl Into<Cow<'static, str>>) -> Self {
        self.description = Some(description.into());
        self
    }

    /// What people call it: its name, or its id in hex.
    #[must_use]
    pub fn label(&self) -> Cow<'_, str> {
        match (&self.name, self.id.name()) {
            (Some(name), _) => Cow::Borrowed(name),
            (None, Some(name)) => Cow::Borrowed(name),
            (None, None) => Cow::Owned(self.id.hex()),
        }
    }

    /// Whether it is in a group.
    #[must_use]
    pub fn in_group(&self, name: &str) -> bool {
        let said = |group: &str| self.groups.iter().any(|own| own == group);
        said(name) || (name == READINESS_GROUP && !groups::PROBES.iter().any(|probe| said(probe)))
    }

    /// Without a run for so long, its last result says nothing any more: three intervals, or three timeouts for a check
    /// whose runs may last longer than its interval.
    pub(crate) fn stale_after(&self) -> Duration {
        self.interval.max(self.timeout).saturating_mul(3)
    }

    /// Refuses what can't be scheduled. Later code relies on it.
    pub(crate) fn checked(mut self) -> Result<Self, Error> {
        let refused = |message: String| {
            Err(errors::ILLEGAL_ARGUMENT.error(HEALTHCHECK_SERVICE_ID).message(message).build())
        };
        if self.id.is_zero() {
            return refused("the id of a health check must not be zero".to_owned());
        }
        for (what, time) in [("interval", self.interval), ("timeout", self.timeout)] {
            if !(SHORTEST..=LONGEST).contains(&time) {
                let time = app_core::show_duration(time);
                return refused(format!(
                    "health check {self}: its {what} must be 1ms to 366days, not {time}"
                ));
            }
        }
        for name in &self.groups {
            if let Some(flaw) = groups::flaw(name) {
                return refused(format!("health check {self}: the name of its group {name:?} {flaw}"));
            }
        }
        self.failure_threshold = self.failure_threshold.max(1);
        self.success_threshold = self.success_threshold.max(1);
        Ok(self)
    }
}

/// For messages: `name (hex)`, or `hex`.
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
