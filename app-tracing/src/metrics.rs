//! The metrics of tracing, with their documentation.

use std::sync::Arc;

use app_core::prelude::Error;
use app_metrics::{Counter, CounterVector, Gauge, MetricDoc, Metrics};
use parking_lot::Mutex;

use crate::exporter::Outcomes;
use crate::ids::{SPAN_QUEUE, SPANS_DROPPED, SPANS_EXPORTED, SPANS_FAILED, TRACING_SERVICE_ID};

const EXPORTED_DOC: MetricDoc =
    MetricDoc::counter(TRACING_SERVICE_ID, SPANS_EXPORTED, "Spans that the collector accepted.")
        .unit("spans")
        .queries(&[("Spans a second", "sum by (instance) (rate(METRIC[5m]))")]);

const DROPPED_DOC: MetricDoc = MetricDoc::counter(
    TRACING_SERVICE_ID,
    SPANS_DROPPED,
    "Spans that were dropped because the queue was full.",
)
.unit("spans")
.meaning("More spans end than the collector takes: raise `queueSpans`, or sample fewer traces. Each is counted once, here or as exported or failed.");

const FAILED_DOC: MetricDoc = MetricDoc::counter_vector(
    TRACING_SERVICE_ID,
    SPANS_FAILED,
    "Spans that the collector did not accept, by reason.",
    &[(
        "reason",
        "`unanswered` after a minute of attempts, `refused` as a whole, `rejected` one by one, `stopped` by the end of the application, `off` by a new config",
    )],
)
.unit("spans")
.meaning("The log has the reason in words, once a minute.");

const QUEUE_DOC: MetricDoc =
    MetricDoc::gauge(TRACING_SERVICE_ID, SPAN_QUEUE, "Spans that wait to be exported.")
        .unit("spans")
        .meaning("As of the last second. At `queueSpans` further ones are dropped.");

app_metrics::document! { EXPORTED_DOC, DROPPED_DOC, FAILED_DOC, QUEUE_DOC }

/// The handles of the metrics, and what is wrong at the moment. Cheap to clone.
#[derive(Clone)]
pub(crate) struct TracingMetrics {
    exported: Counter,
    pub(crate) dropped: Counter,
    failed: CounterVector,
    queue: Gauge,
    /// For the health check.
    pub(crate) trouble: Arc<Mutex<Option<String>>>,
}

impl TracingMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        let failed = metrics.counter_vector(FAILED_DOC.counter_vector_spec())?;
        // From the start, so that the first failure is an increase.
        for reason in ["unanswered", "refused", "rejected", "stopped", "off"] {
            failed.with([reason])?;
        }
        Ok(Self {
            exported: metrics.counter(EXPORTED_DOC.counter_spec())?,
            dropped: metrics.counter(DROPPED_DOC.counter_spec())?,
            failed,
            queue: metrics.gauge(QUEUE_DOC.gauge_spec())?,
            trouble: Arc::default(),
        })
    }
}

impl Outcomes for TracingMetrics {
    fn exported(&self, spans: u64) {
        self.exported.add(spans);
    }

    fn failed(&self, spans: u64, reason: &'static str) {
        if let Ok(counter) = self.failed.with([reason]) {
            counter.add(spans);
        }
    }

    fn waiting(&self, spans: usize) {
        self.queue.set(spans as f64);
    }

    fn trouble(&self, trouble: Option<&str>) {
        *self.trouble.lock() = trouble.map(str::to_owned);
    }
}
