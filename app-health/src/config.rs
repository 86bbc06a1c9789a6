//! The config of the health check service: schedules and thresholds of single checks, and a limit of concurrent runs.

use std::{collections::BTreeMap, num::NonZeroU8, time::Duration};

use app_config::{Config, Problems};
use app_core::prelude::{HealthCheckId, ServiceId};
use schema::health_capnp::{health_check_service_spec, health_check_spec};

use crate::{
    DEFAULT_HEALTHCHECK_RUN_INTERVAL, DEFAULT_HEALTHCHECK_RUN_TIMEOUT, HEALTHCHECK_SERVICE_ID,
    HealthCheckSpec,
};

/// The config of the health check service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct HealthConfig {
    /// Schedules by check. They replace those in the code.
    pub schedules: BTreeMap<HealthCheckId, Schedule>,
    /// Upper bound of the checks that run at the same time; at least 1.
    pub max_concurrent_runs: usize,
}

/// When a check runs, how long a run may take, and how many results change its status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Schedule {
    /// Time from the start of one run to the start of the next.
    pub interval: Duration,
    /// How long a run may take.
    pub timeout: Duration,
    /// Failures in a row until the check is failing; `None` keeps the value in the code.
    pub failure_threshold: Option<NonZeroU8>,
    /// Successes in a row until the check is passing; `None` keeps the value in the code.
    pub success_threshold: Option<NonZeroU8>,
}

app_config::config! { HealthConfig, "When the health checks of the application run." }

impl Default for HealthConfig {
    fn default() -> Self {
        Self { schedules: BTreeMap::new(), max_concurrent_runs: 1 }
    }
}

impl Config for HealthConfig {
    const SERVICE: ServiceId = HEALTHCHECK_SERVICE_ID;
    type Schema = health_check_service_spec::Owned;

    /// Ignores `commandServerChanSize`: this service has no queue of commands that could fill up.
    fn read(spec: health_check_service_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let mut listed = problems.at("healthCheckSpecs");
        let mut schedules = BTreeMap::new();
        for (index, check) in listed.value(spec.get_health_check_specs())?.iter().enumerate() {
            let id = HealthCheckId::new(check.get_health_check_id());
            let mut place = listed.index(index);
            let mut place = place.field("healthCheckID");
            if id.is_zero() {
                place.add("must not be zero");
            } else if schedules.insert(id, Schedule::read(check)).is_some() {
                let wrong = format_args!("health check {} is listed twice", id.describe());
                place.add_in_full("this health check is listed twice", wrong);
            }
        }
        let max_concurrent_runs = usize::from(spec.get_max_concurrent_runs().max(1));
        Some(Self { schedules, max_concurrent_runs })
    }

    fn without_file() -> Self {
        <Self as Default>::default()
    }
}

impl HealthConfig {
    /// The spec with the schedule of the config. The config overrides the code.
    pub(crate) fn applied_to(&self, mut spec: HealthCheckSpec) -> HealthCheckSpec {
        if let Some(schedule) = self.schedules.get(&spec.id) {
            spec.interval = schedule.interval;
            spec.timeout = schedule.timeout;
            let or = |threshold: Option<NonZeroU8>, code| threshold.map_or(code, |it| it.get().into());
            spec.failure_threshold = or(schedule.failure_threshold, spec.failure_threshold);
            spec.success_threshold = or(schedule.success_threshold, spec.success_threshold);
        }
        spec
    }
}

impl Schedule {
    fn read(check: health_check_spec::Reader<'_>) -> Self {
        let or_default = |seconds: u64, default| match seconds {
            0 => default,
            seconds => Duration::from_secs(seconds),
        };
        Self {
            interval: or_default(check.get_run_interval_seconds().into(), DEFAULT_HEALTHCHECK_RUN_INTERVAL),
            timeout: or_default(check.get_timeout_seconds().into(), DEFAULT_HEALTHCHECK_RUN_TIMEOUT),
            failure_threshold: NonZeroU8::new(check.get_failure_threshold()),
            success_threshold: NonZeroU8::new(check.get_success_threshold()),
        }
    }
}

#[cfg(test)]
mod tests;
