//! The metrics of the service, with their documentation.

use app_core::prelude::*;
use app_metrics::{Counter, CounterVector, Gauge, Histogram, MetricDoc, Metrics};

use crate::{
    ACQUIRE_SECONDS, EXHAUSTED_DROPPED, FLEET_LEASES, FLEET_PERMITS, GRANTS, KEYS, Limits, QUOTA, Rule,
};

/// From a call that finds the command server idle to a call that waits behind a full queue.
const LATENCIES_SECONDS: [f64; 14] =
    [5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 5e-2, 0.25, 1.0];

const GRANTS_DOC: MetricDoc = MetricDoc::counter_vector(
    QUOTA,
    GRANTS,
    "Calls of acquire that were answered, by rule and outcome.",
    &[("rule", "name of the rule"), ("outcome", "`granted` or `denied`")],
)
.unit("calls")
.meaning("Calls that no rule can grant are errors and not counted: an unknown rule, or more permits than the burst.")
.queries(&[
    ("Calls a second, by rule and outcome", "sum by (rule, outcome) (rate(METRIC[5m]))"),
    (
        "Share of denied calls, by rule",
        "sum by (rule) (rate(METRIC{outcome=\"denied\"}[5m])) / sum by (rule) (rate(METRIC[5m]))",
    ),
]);

const ACQUIRE_SECONDS_DOC: MetricDoc = MetricDoc::histogram(
    QUOTA,
    ACQUIRE_SECONDS,
    "Seconds from a call of acquire to its answer.",
    &LATENCIES_SECONDS,
)
.unit("seconds")
.meaning("Measured in the process, so without the network of a remote call. It grows with the queue of the command server.")
.queries(&[
    ("99th percentile", "histogram_quantile(0.99, sum by (le) (rate(METRIC_bucket[5m])))"),
    ("The mean", "rate(METRIC_sum[5m]) / rate(METRIC_count[5m])"),
]);

const KEYS_DOC: MetricDoc = MetricDoc::gauge(QUOTA, KEYS, "Keys that have a bucket of permits.")
    .unit("keys")
    .meaning("Over all rules, as of the last second. A key whose bucket is full again is removed.")
    .queries(&[("Keys, by instance", "METRIC")]);

const EXHAUSTED_DROPPED_DOC: MetricDoc = MetricDoc::counter(
    QUOTA,
    EXHAUSTED_DROPPED,
    "Messages about exhausted keys that were given up.",
)
.unit("messages")
.meaning("More than 1,024 waited while no server answered, a server refused them, or the service stopped. No call of acquire waits for them.")
.queries(&[("Given up in an hour, by instance", "increase(METRIC[1h])")]);

const FLEET_LEASES_DOC: MetricDoc = MetricDoc::counter_vector(
    QUOTA,
    FLEET_LEASES,
    "Attempts to lease permits of rules that the fleet shares, by outcome.",
    &[("outcome", "`leased`, `too_few`, `contended`, `skewed` or `away`")],
)
.unit("attempts")
.meaning("`too_few`: the shared bucket is empty. `contended`: other instances were faster each time. `skewed`: a clock is too far from the others. `away`: the servers of messaging did not answer.")
.queries(&[("Attempts a second, by outcome", "sum by (outcome) (rate(METRIC[5m]))")]);

const FLEET_PERMITS_DOC: MetricDoc = MetricDoc::counter_vector(
    QUOTA,
    FLEET_PERMITS,
    "Permits of rules that the fleet shares, by what became of them.",
    &[("fate", "`leased`, `returned` or `lost`")],
)
.unit("permits")
.meaning("`returned` and `lost` were leased too, and not granted in time. Lost ones could not be given back.")
.queries(&[(
    "Share that is lost",
    "sum(rate(METRIC{fate=\"lost\"}[5m])) / sum(rate(METRIC{fate=\"leased\"}[5m]))",
)]);

app_metrics::document! { GRANTS_DOC, ACQUIRE_SECONDS_DOC, KEYS_DOC, EXHAUSTED_DROPPED_DOC, FLEET_LEASES_DOC, FLEET_PERMITS_DOC }

/// The handles of the metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct QuotaMetrics {
    grants: CounterVector,
    pub(crate) acquire_seconds: Histogram,
    pub(crate) keys: Gauge,
    pub(crate) exhausted_dropped: Counter,
    pub(crate) fleet: FleetCounts,
}

/// What becomes of leases, and of the permits.
#[derive(Debug, Clone)]
pub(crate) struct FleetCounts {
    leased: Counter,
    too_few: Counter,
    contended: Counter,
    skewed: Counter,
    away: Counter,
    permits_leased: Counter,
    permits_returned: Counter,
    permits_lost: Counter,
}

/// The counters of one set of rules: granted and denied, for each rule in the order of the rules.
#[derive(Debug)]
pub(crate) struct Outcomes(Vec<[Counter; 2]>);

const OUTCOMES: [&str; 2] = ["granted", "denied"];

impl QuotaMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        let grants = GRANTS_DOC.counter_vector_spec();
        Ok(Self {
            // Each rule has two series, and the config limits the number of rules. So the vector needs no limit of its own.
            grants: metrics.counter_vector(grants.max_series(usize::MAX))?,
            acquire_seconds: metrics.histogram(ACQUIRE_SECONDS_DOC.histogram_spec())?,
            keys: metrics.gauge(KEYS_DOC.gauge_spec())?,
            exhausted_dropped: metrics.counter(EXHAUSTED_DROPPED_DOC.counter_spec())?,
            fleet: FleetCounts::register(metrics)?,
        })
    }

    /// The counters of these rules. A scrape shows them from now on.
    pub(crate) fn outcomes(&self, limits: &Limits) -> Result<Outcomes, Error> {
        let counter = |rule: &Rule, outcome| self.grants.with([rule.name.as_str(), outcome]);
        let [granted, denied] = OUTCOMES;
        let pair = |rule| Ok([counter(rule, granted)?, counter(rule, denied)?]);
        limits.rules().iter().map(pair).collect::<Result<_, Error>>().map(Outcomes)
    }

    /// Removes the series of the rules in `before` that are not in `now`.
    pub(crate) fn forget(&self, before: &Limits, now: &Limits) -> Result<(), Error> {
        for rule in before.rules().iter().filter(|rule| now.position(&rule.name).is_none()) {
            for outcome in OUTCOMES {
                self.grants.remove([rule.name.as_str(), outcome])?;
            }
        }
        Ok(())
    }
}

impl FleetCounts {
    fn register(metrics: &Metrics) -> Result<Self, Error> {
        let leases = metrics.counter_vector(FLEET_LEASES_DOC.counter_vector_spec())?;
        let permits = metrics.counter_vector(FLEET_PERMITS_DOC.counter_vector_spec())?;
        Ok(Self {
            leased: leases.with(["leased"])?,
            too_few: leases.with(["too_few"])?,
            contended: leases.with(["contended"])?,
            skewed: leases.with(["skewed"])?,
            away: leases.with(["away"])?,
            permits_leased: permits.with(["leased"])?,
            permits_returned: permits.with(["returned"])?,
            permits_lost: permits.with(["lost"])?,
        })
    }

    pub(crate) fn leased(&self, permits: u32) {
        self.leased.inc();
        self.permits_leased.add(permits.into());
    }

    pub(crate) fn too_few(&self) {
        self.too_few.inc();
    }

    pub(crate) fn contended(&self) {
        self.contended.inc();
    }

    pub(crate) fn skewed(&self) {
        self.skewed.inc();
    }

    pub(crate) fn away(&self) {
        self.away.inc();
    }

    pub(crate) fn returned(&self, permits: u32) {
        self.permits_returned.add(permits.into());
    }

    pub(crate) fn lost(&self, permits: u32) {
        self.permits_lost.add(permits.into());
    }
}

impl Outcomes {
    pub(crate) fn count(&self, rule: usize, granted: bool) {
        if let Some([yes, no]) = self.0.get(rule) {
            if granted { yes } else { no }.inc();
        }
    }
}
