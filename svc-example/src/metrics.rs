//! What the service measures.

use app_core::prelude::*;
use app_metrics::{
    Counter, CounterVector, CounterVectorSpec, Gauge, GaugeSpec, Histogram, HistogramSpec, Metrics,
};

use crate::{Limits, QUOTA, Rule};

ids! {
    /// Counter vector: calls that were granted or denied, by `rule` and `outcome` (`granted`, `denied`).
    pub GRANTS: MetricId = 0x8408_7d0f_1533_d4a6, "quota_grants";
    /// Histogram: seconds from the call to its answer.
    pub ACQUIRE_SECONDS: MetricId = 0xfe7f_d1ac_fda4_1aa6, "quota_acquire_seconds";
    /// Gauge: keys that have a bucket.
    pub KEYS: MetricId = 0xe1b1_1f23_b006_8ec7, "quota_keys";
}

/// From a call that finds the loop idle to one that waits behind a full queue.
const LATENCIES_SECONDS: [f64; 14] =
    [5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0];

/// The handles of the metrics, looked up once. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct QuotaMetrics {
    grants: CounterVector,
    pub(crate) acquire_seconds: Histogram,
    pub(crate) keys: Gauge,
}

/// The counters of the rules that are in effect together, one pair for each, in their order.
#[derive(Debug)]
pub(crate) struct Outcomes(Vec<[Counter; 2]>);

const OUTCOMES: [&str; 2] = ["granted", "denied"];

impl QuotaMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        let help = "Calls of acquire that were answered, by rule and outcome.";
        let grants = CounterVectorSpec::new(QUOTA, GRANTS, help, ["rule", "outcome"]);
        let seconds = "Seconds from a call of acquire to its answer.";
        Ok(Self {
            // Two for each rule: the config bounds them, also one that comes with a reload.
            grants: metrics.counter_vector(grants.max_series(usize::MAX))?,
            acquire_seconds: metrics.histogram(HistogramSpec::new(
                QUOTA,
                ACQUIRE_SECONDS,
                seconds,
                LATENCIES_SECONDS,
            ))?,
            keys: metrics.gauge(GaugeSpec::new(QUOTA, KEYS, "Keys that have a bucket of permits."))?,
        })
    }

    /// The counters of these rules: shown from now on, if they were not before.
    pub(crate) fn outcomes(&self, limits: &Limits) -> Result<Outcomes, Error> {
        let counter = |rule: &Rule, outcome| self.grants.with([rule.name.as_str(), outcome]);
        let [granted, denied] = OUTCOMES;
        let pair = |rule| Ok([counter(rule, granted)?, counter(rule, denied)?]);
        limits.rules().iter().map(pair).collect::<Result<_, Error>>().map(Outcomes)
    }

    /// Shows the rules no more that are among the ones and not among the others.
    pub(crate) fn forget(&self, before: &Limits, now: &Limits) -> Result<(), Error> {
        for rule in before.rules().iter().filter(|rule| now.position(&rule.name).is_none()) {
            for outcome in OUTCOMES {
                self.grants.remove([rule.name.as_str(), outcome])?;
            }
        }
        Ok(())
    }
}

impl Outcomes {
    pub(crate) fn count(&self, rule: usize, granted: bool) {
        if let Some([yes, no]) = self.0.get(rule) {
            if granted { yes } else { no }.inc();
        }
    }
}
