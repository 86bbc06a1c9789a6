//! The gauges of health checks: failures in a row, and how long the last run took.

use std::time::Duration;

use app_core::prelude::{Error, HealthCheckId, MetricId};
use app_ids::ids;
use app_metrics::{Gauge, GaugeVector, GaugeVectorSpec, Metrics};

use crate::HEALTHCHECK_SERVICE_ID;

/// The label of both gauges: its value is the id of the check in hex.
pub const HEALTHCHECK_METRIC_LABEL: &str = "healthcheck";

ids! {
    /// Gauge: -1 before the first run, 0 when the last run passed, n when the last n runs failed.
    pub HEALTHCHECK_METRIC_ID: MetricId = 0x844d_7830_332b_ffd3, "healthcheck";
    /// Gauge: how long the last run took, in nanoseconds; 0 before the first run.
    pub HEALTHCHECK_RUN_DURATION_METRIC_ID: MetricId = 0xcd42_60d6_e89a_d9c6, "healthcheck_run_duration";
}

/// The value of a check that has not run yet.
const NOT_YET_RUN: f64 = -1.0;

/// Checks come from code, not from outside, so that the bound is there for mistakes alone.
const MAX_CHECKS: usize = 65_536;

/// Both gauges of all checks.
pub(crate) struct Gauges {
    failures: GaugeVector,
    durations: GaugeVector,
}

/// Both gauges of one check.
#[derive(Debug)]
pub(crate) struct CheckGauges {
    failures: Gauge,
    duration: Gauge,
}

impl Gauges {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        let vector = |metric, help: &str| {
            let labels = [HEALTHCHECK_METRIC_LABEL];
            let spec = GaugeVectorSpec::new(HEALTHCHECK_SERVICE_ID, metric, help, labels);
            metrics.gauge_vector(spec.max_series(MAX_CHECKS))
        };
        Ok(Self {
            failures: vector(
                HEALTHCHECK_METRIC_ID,
                "Health check: -1 before its first run, 0 if the last run passed, n if the last n runs failed.",
            )?,
            durations: vector(
                HEALTHCHECK_RUN_DURATION_METRIC_ID,
                "How long the last run of the health check took, in nanoseconds; 0 before its first run.",
            )?,
        })
    }

    /// The gauges of a check that has not run yet.
    pub(crate) fn of(&self, id: HealthCheckId) -> Result<CheckGauges, Error> {
        let gauges = CheckGauges {
            failures: self.failures.with([&id.hex()])?,
            duration: self.durations.with([&id.hex()])?,
        };
        gauges.failures.set(NOT_YET_RUN);
        gauges.duration.set(0.0);
        Ok(gauges)
    }

    /// Removes those of a check that is gone.
    pub(crate) fn remove(&self, id: HealthCheckId) -> Result<(), Error> {
        self.failures.remove([&id.hex()])?;
        self.durations.remove([&id.hex()])?;
        Ok(())
    }
}

impl CheckGauges {
    pub(crate) fn set(&self, failures: u32, duration: Duration) {
        self.failures.set(f64::from(failures));
        self.duration.set(duration.as_secs_f64() * 1e9);
    }
}
