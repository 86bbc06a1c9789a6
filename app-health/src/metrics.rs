//! The metrics of health checks.

use std::time::SystemTime;

use app_core::prelude::Error;
use app_metrics::{Counter, CounterVector, Gauge, GaugeVector, MetricDoc, Metrics};

use crate::{
    HEALTHCHECK_ABANDONED_METRIC_ID, HEALTHCHECK_FAILURES_METRIC_ID, HEALTHCHECK_INFO_METRIC_ID,
    HEALTHCHECK_METRIC_ID, HEALTHCHECK_PAUSED_METRIC_ID, HEALTHCHECK_RUN_DURATION_METRIC_ID,
    HEALTHCHECK_RUNS_METRIC_ID, HEALTHCHECK_SERVICE_ID, HEALTHCHECK_TIMEOUTS_METRIC_ID,
    HEALTHCHECK_TRANSITIONS_METRIC_ID, HealthCheckResult, HealthCheckSpec, HealthOutcome,
    paused_checks::timestamp,
};

/// Label of the metrics of health checks. Its value is the id of the check in hex.
pub const HEALTHCHECK_METRIC_LABEL: &str = "healthcheck";

const LABEL: (&str, &str) = (
    HEALTHCHECK_METRIC_LABEL,
    "id of the check, in hexadecimal; `healthcheck_info` has its name, and `/healthz` its details",
);
const LABELS: &[(&str, &str)] = &[LABEL];

const FAILURES_IN_A_ROW: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_METRIC_ID,
    "Health check: -1 before its first run, 0 if the last run passed, n if the last n runs failed.",
    LABELS,
)
.unit("failures in a row")
.meaning("These are results of runs, without the thresholds by which a check counts as failing.")
.queries(&[
    ("Checks that fail", "METRIC > 0"),
    ("Checks that failed in the last hour at any time", "max_over_time(METRIC[1h]) > 0"),
    ("Checks that have not run", "METRIC < 0"),
]);

const DURATION: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_RUN_DURATION_METRIC_ID,
    "How long the last run of the health check took, in nanoseconds; 0 before its first run.",
    LABELS,
)
.unit("nanoseconds")
.meaning("For a run that timed out, the timeout. A check that passes but takes longer every day is an early warning.")
.queries(&[("The slowest checks, in seconds", "topk(5, METRIC / 1e9)")]);

const RUNS: MetricDoc = MetricDoc::counter_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_RUNS_METRIC_ID,
    "Runs of the health check that have a result.",
    LABELS,
)
.unit("runs")
.meaning(
    "Scheduled runs and runs on demand. If the number stays the same and the check is not paused, the check gets no turns.",
)
.queries(&[("Runs a minute", "60 * rate(METRIC[15m])")]);

const FAILURES: MetricDoc = MetricDoc::counter_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_FAILURES_METRIC_ID,
    "Runs of the health check that failed, for any reason.",
    LABELS,
)
.unit("runs")
.meaning(
    "Timeouts and panics count, and so do runs that could not begin because an earlier run has not ended.",
)
.queries(&[("Checks that failed in the last hour", "increase(METRIC[1h]) > 0")]);

const TIMEOUTS: MetricDoc = MetricDoc::counter_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_TIMEOUTS_METRIC_ID,
    "Runs of the health check that timed out.",
    LABELS,
)
.unit("runs")
.meaning("With one run at a time, each delays the other checks by its timeout.")
.queries(&[("Checks that time out", "increase(METRIC[1h]) > 0")]);

const ABANDONED: MetricDoc = MetricDoc::counter_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_ABANDONED_METRIC_ID,
    "Runs of the health check that were abandoned.",
    LABELS,
)
.unit("runs")
.meaning("The run was cancelled and dropped, and did not end: the check blocks a thread of the runtime. That is a bug in the check. It should run such code with `run_blocking`.")
.queries(&[("Checks that block", "increase(METRIC[1d]) > 0")]);

const TRANSITIONS: MetricDoc = MetricDoc::counter_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_TRANSITIONS_METRIC_ID,
    "Changes of the health check's status: unknown, passing, failing.",
    LABELS,
)
.unit("changes")
.meaning("The status follows the thresholds. A check that changes often flaps; higher thresholds help.")
.queries(&[("Checks that flap", "increase(METRIC[1h]) > 4")]);

const PAUSED: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_PAUSED_METRIC_ID,
    "Since when the health check is paused, in seconds since 1970; 0 if it is not paused.",
    LABELS,
)
.unit("seconds since 1970")
.meaning(
    "A paused check does not run, and readiness does not depend on it. A pause lasts until the check is resumed or the \
     process ends, so a forgotten pause hides a failure.",
)
.queries(&[("Checks that have been paused for more than an hour", "METRIC > 0 and time() - METRIC > 3600")]);

const INFO: MetricDoc = MetricDoc::gauge_vector(
    HEALTHCHECK_SERVICE_ID,
    HEALTHCHECK_INFO_METRIC_ID,
    "The name of the health check: always 1.",
    &[LABEL, ("name", "its name, or its id if it has no name")],
)
.unit("1")
.meaning("Join it to other metrics of checks, which only have the id.")
.queries(&[(
    "Checks that fail, with their names",
    "op_e105d0909fcc5ec5_844d7830332bffd3 * on (instance, healthcheck) group_left (name) METRIC > 0",
)]);

app_metrics::document! { FAILURES_IN_A_ROW, DURATION, RUNS, FAILURES, TIMEOUTS, ABANDONED, TRANSITIONS, PAUSED, INFO }

/// The gauge of a check that has not run yet.
const NOT_YET_RUN: f64 = -1.0;

/// Upper bound of the series. Code registers checks, so only a mistake can reach it.
const MAX_CHECKS: usize = 65_536;

/// The metrics of all checks.
pub(crate) struct Meters {
    failures_in_a_row: GaugeVector,
    durations: GaugeVector,
    runs: CounterVector,
    failures: CounterVector,
    timeouts: CounterVector,
    abandoned: CounterVector,
    transitions: CounterVector,
    paused: GaugeVector,
    info: GaugeVector,
}

/// The metrics of one check.
#[derive(Debug)]
pub(crate) struct CheckMeters {
    failures_in_a_row: Gauge,
    duration: Gauge,
    runs: Counter,
    failures: Counter,
    timeouts: Counter,
    abandoned: Counter,
    transitions: Counter,
    paused: Gauge,
}

impl Meters {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        let gauges = |doc: &MetricDoc| metrics.gauge_vector(doc.gauge_vector_spec().max_series(MAX_CHECKS));
        let counters =
            |doc: &MetricDoc| metrics.counter_vector(doc.counter_vector_spec().max_series(MAX_CHECKS));
        Ok(Self {
            failures_in_a_row: gauges(&FAILURES_IN_A_ROW)?,
            durations: gauges(&DURATION)?,
            runs: counters(&RUNS)?,
            failures: counters(&FAILURES)?,
            timeouts: counters(&TIMEOUTS)?,
            abandoned: counters(&ABANDONED)?,
            transitions: counters(&TRANSITIONS)?,
            paused: gauges(&PAUSED)?,
            info: gauges(&INFO)?,
        })
    }

    /// The metrics of a check that has not run yet. Counters continue from an earlier check with the same id.
    pub(crate) fn of(&self, spec: &HealthCheckSpec) -> Result<CheckMeters, Error> {
        let hex = spec.id.hex();
        let label = [hex.as_str()];
        let meters = CheckMeters {
            failures_in_a_row: self.failures_in_a_row.with(label)?,
            duration: self.durations.with(label)?,
            runs: self.runs.with(label)?,
            failures: self.failures.with(label)?,
            timeouts: self.timeouts.with(label)?,
            abandoned: self.abandoned.with(label)?,
            transitions: self.transitions.with(label)?,
            paused: self.paused.with(label)?,
        };
        meters.paused.set(0.0);
        meters.failures_in_a_row.set(NOT_YET_RUN);
        meters.duration.set(0.0);
        self.info.with([hex.as_str(), spec.label().as_ref()])?.set(1.0);
        Ok(meters)
    }

    /// Removes the name of a check that is about to be replaced. The new check may have another name.
    pub(crate) fn forget_name(&self, spec: &HealthCheckSpec) -> Result<(), Error> {
        self.info.remove([spec.id.hex().as_str(), spec.label().as_ref()]).map(drop)
    }

    /// Removes the metrics of a check that is gone.
    pub(crate) fn remove(&self, spec: &HealthCheckSpec) -> Result<(), Error> {
        self.forget_name(spec)?;
        let label = spec.id.hex();
        let label = [label.as_str()];
        for gauges in [&self.failures_in_a_row, &self.durations, &self.paused] {
            gauges.remove(label)?;
        }
        for counters in [&self.runs, &self.failures, &self.timeouts, &self.abandoned, &self.transitions] {
            counters.remove(label)?;
        }
        Ok(())
    }
}

impl CheckMeters {
    pub(crate) fn note(&self, result: &HealthCheckResult, changed: bool) {
        self.failures_in_a_row.set(f64::from(result.error_count));
        self.duration.set(result.duration.as_secs_f64() * 1e9);
        self.runs.inc();
        if !result.passed() {
            self.failures.inc();
        }
        if result.outcome == HealthOutcome::TimedOut {
            self.timeouts.inc();
        }
        if changed {
            self.transitions.inc();
        }
    }

    pub(crate) fn note_paused(&self, since: Option<SystemTime>) {
        self.paused.set(timestamp(since));
    }

    pub(crate) fn note_stale(&self) {
        self.transitions.inc();
    }

    pub(crate) fn note_abandoned(&self) {
        self.abandoned.inc();
    }
}
