//! The gauges of health checks: failures in a row, and how long the last run took.

use std::time::Duration;

use app_core::prelude::{Error, HealthCheckId, MetricId};
use app_ids::ids;
use app_metrics::{Gauge, GaugeVector, MetricDoc, Metrics};

use crate::HEALTHCHECK_SERVICE_ID;

/// The label of both gauges: its value is the id of the check in hex.
pub const HEALTHCHECK_METRIC_LABEL: &str = "healthcheck";

ids! {
    /// Gauge: -1 before the first run, 0 when the last run passed, n when the last n runs failed.
    pub HEALTHCHECK_METRIC_ID: MetricId = 0x844d_7830_332b_ffd3, "healthcheck";
    /// Gauge: how long the last run took, in nanoseconds; 0 before the first run.
    pub HEALTHCHECK_RUN_DURATION_METRIC_ID: MetricId = 0xcd42_60d6_e89a_d9c6, "healthcheck_run_duration";
}

const LABELS: &[(&str, &str)] = &[(
    HEALTHCHECK_METRIC_LABEL,
    "id of the check, in hexadecimal; `/healthz` has its name and what it is about",
)];

const FAILURES: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_METRIC_ID,
    "Health check: -1 before its first run, 0 if the last run passed, n if the last n runs failed.",
    LABELS,
)
.unit("runs")
.queries(&[
    ("Checks that fail", "METRIC > 0"),
    ("Checks that failed at some time of the last hour", "max_over_time(METRIC[1h]) > 0"),
]);

const RUN_DURATION: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_RUN_DURATION_METRIC_ID,
    "How long the last run of the health check took, in nanoseconds; 0 before its first run.",
    LABELS,
)
.unit("nanoseconds")
.queries(&[("The slowest checks, in seconds", "topk(5, METRIC / 1e9)")]);

app_metrics::document! { FAILURES, RUN_DURATION }

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
        let vector = |doc: &MetricDoc| metrics.gauge_vector(doc.gauge_vector_spec().max_series(MAX_CHECKS));
        Ok(Self { failures: vector(&FAILURES)?, durations: vector(&RUN_DURATION)? })
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
