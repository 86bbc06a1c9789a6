//! What the service measures.

use std::sync::Arc;

use app_core::prelude::*;
use app_metrics::{Counter, CounterVectorSpec, Gauge, GaugeSpec, Histogram, HistogramSpec, Metrics};

use crate::{Limits, QUOTA};

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
    /// One for each rule, in their order.
    outcomes: Arc<[Outcomes]>,
    pub(crate) acquire_seconds: Histogram,
    pub(crate) keys: Gauge,
}

#[derive(Debug)]
struct Outcomes {
    granted: Counter,
    denied: Counter,
}

impl QuotaMetrics {
    pub(crate) fn register(metrics: &Metrics, limits: &Limits) -> Result<Self, Error> {
        let help = "Calls of acquire that were answered, by rule and outcome.";
        let grants = CounterVectorSpec::new(QUOTA, GRANTS, help, ["rule", "outcome"]);
        // The series are known: two for each rule, however many there are.
        let grants = metrics.counter_vector(grants.max_series(limits.rules().len() * 2))?;
        let outcomes = limits.rules().iter().map(|rule| {
            let outcome = |outcome| grants.with([rule.name.as_str(), outcome]);
            Ok(Outcomes { granted: outcome("granted")?, denied: outcome("denied")? })
        });
        let seconds = "Seconds from a call of acquire to its answer.";
        Ok(Self {
            outcomes: outcomes.collect::<Result<_, Error>>()?,
            acquire_seconds: metrics.histogram(HistogramSpec::new(
                QUOTA,
                ACQUIRE_SECONDS,
                seconds,
                LATENCIES_SECONDS,
            ))?,
            keys: metrics.gauge(GaugeSpec::new(QUOTA, KEYS, "Keys that have a bucket of permits."))?,
        })
    }

    pub(crate) fn count(&self, rule: usize, granted: bool) {
        if let Some(outcomes) = self.outcomes.get(rule) {
            if granted { &outcomes.granted } else { &outcomes.denied }.inc();
        }
    }
}
