//! The metrics of messaging, with their documentation. Their help and labels name types of messages and consumers.

use app_core::prelude::Error;
use app_metrics::{CounterVector, Gauge, GaugeVector, HistogramVector, MetricDoc, Metrics};

use crate::ids::{
    ACK_PENDING, AGE_SECONDS, CONNECTED, CONSUMER_PAUSED, HANDLE_SECONDS, IN_FLIGHT, LEADS, MESSAGES_DROPPED,
    MESSAGES_HANDLED, MESSAGES_PUBLISHED, MESSAGES_RECEIVED, MESSAGES_SENT, MESSAGING_SERVICE_ID, PENDING,
    SEND_FAILURES, SEND_SECONDS,
};

/// From an acknowledgement in this process to the longest send.
const SECONDS: [f64; 14] =
    [1e-5, 1e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2, 0.1, 0.5, 1.0, 5.0, 60.0];

/// From a message that was just sent to one of a week.
const AGES_SECONDS: [f64; 10] = [1e-3, 1e-2, 0.1, 1.0, 10.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0];

const MESSAGE: (&str, &str) = ("message", "name of the type; `other` if the consumer does not take it");
const CONSUMER: (&str, &str) = ("consumer", "id of the service and name, or `subscriber`, or `responder`");

const PUBLISHED_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    MESSAGES_PUBLISHED,
    "Events that were published, by type.",
    &[MESSAGE],
)
.unit("messages")
.queries(&[("Events a second", "sum by (message) (rate(METRIC[5m]))")]);

const SENT_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    MESSAGES_SENT,
    "Messages that a stream acknowledged, by type.",
    &[MESSAGE],
)
.unit("messages")
.meaning("A message that the stream had already counts too.")
.queries(&[("Stored messages a second", "sum by (message) (rate(METRIC[5m]))")]);

const FAILURES_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    SEND_FAILURES,
    "Messages that could not be sent, published or asked, by type and failure.",
    &[MESSAGE, ("failure", "`not_sent`, `maybe_stored`, `refused`, `too_large`, `no_stream`, `no_responder`, `no_answer`, `failed` or `malformed`")],
)
.unit("messages")
.queries(&[("Failures a second", "sum by (message, failure) (rate(METRIC[5m]))")]);

const SEND_SECONDS_DOC: MetricDoc = MetricDoc::histogram_vector(
    MESSAGING_SERVICE_ID,
    SEND_SECONDS,
    "Seconds from a send to the acknowledgement of the stream, by type.",
    &[MESSAGE],
    &SECONDS,
)
.unit("seconds")
.queries(&[("99th percentile", "histogram_quantile(0.99, sum by (le) (rate(METRIC_bucket[5m])))")]);

const RECEIVED_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    MESSAGES_RECEIVED,
    "Messages that arrived, by type and consumer.",
    &[MESSAGE, CONSUMER],
)
.unit("messages")
.meaning("A message that is delivered again counts again.")
.queries(&[("Messages a second, by consumer", "sum by (consumer) (rate(METRIC[5m]))")]);

const HANDLED_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    MESSAGES_HANDLED,
    "Messages that were handled, by type, consumer and outcome.",
    &[MESSAGE, CONSUMER, ("outcome", "`done`, `retried`, `dead_lettered`, `dropped`, `handed_back`, `lost` or `failed`")],
)
.unit("messages")
.meaning("`handed_back` is a message that a stop interrupted. `lost` is one that was left to another instance, since no sign of life was confirmed in time. `failed` is an event or a request whose handler failed.")
.queries(&[("Dead letters a minute", "60 * sum by (consumer) (rate(METRIC{outcome=\"dead_lettered\"}[5m]))")]);

const HANDLE_SECONDS_DOC: MetricDoc = MetricDoc::histogram_vector(
    MESSAGING_SERVICE_ID,
    HANDLE_SECONDS,
    "Seconds that handlers took, by consumer.",
    &[CONSUMER],
    &SECONDS,
)
.unit("seconds")
.queries(&[(
    "99th percentile, by consumer",
    "histogram_quantile(0.99, sum by (consumer, le) (rate(METRIC_bucket[5m])))",
)]);

const AGE_SECONDS_DOC: MetricDoc = MetricDoc::histogram_vector(
    MESSAGING_SERVICE_ID,
    AGE_SECONDS,
    "Seconds from storing a message to its handler, by consumer.",
    &[CONSUMER],
    &AGES_SECONDS,
)
.unit("seconds")
.meaning("It grows when a consumer is too slow, or was away.")
.queries(&[(
    "99th percentile, by consumer",
    "histogram_quantile(0.99, sum by (consumer, le) (rate(METRIC_bucket[5m])))",
)]);

const DROPPED_DOC: MetricDoc = MetricDoc::counter_vector(
    MESSAGING_SERVICE_ID,
    MESSAGES_DROPPED,
    "Messages of subscriptions that were dropped because the handler was too slow, by type.",
    &[MESSAGE],
)
.unit("messages")
.queries(&[("Dropped in an hour, by type", "sum by (message) (increase(METRIC[1h]))")]);

const IN_FLIGHT_DOC: MetricDoc =
    MetricDoc::gauge_vector(MESSAGING_SERVICE_ID, IN_FLIGHT, "Handlers that run, by consumer.", &[CONSUMER])
        .unit("handlers")
        .queries(&[("Handlers, by consumer", "sum by (consumer) (METRIC)")]);

const PENDING_DOC: MetricDoc = MetricDoc::gauge_vector(
    MESSAGING_SERVICE_ID,
    PENDING,
    "Messages that were not delivered to the consumer yet, by consumer.",
    &[CONSUMER],
)
.unit("messages")
.meaning("Of the whole fleet, as of the last half minute. If it stays above zero and nothing is delivered, something is wrong.")
.queries(&[("Messages, by consumer", "max by (consumer) (METRIC)")]);

const ACK_PENDING_DOC: MetricDoc = MetricDoc::gauge_vector(
    MESSAGING_SERVICE_ID,
    ACK_PENDING,
    "Messages that were delivered and not acknowledged yet, by consumer.",
    &[CONSUMER],
)
.unit("messages")
.meaning("Of the whole fleet, as of the last half minute. Messages that wait for a retry are among them.")
.queries(&[("Messages, by consumer", "max by (consumer) (METRIC)")]);

const PAUSED_DOC: MetricDoc = MetricDoc::gauge_vector(
    MESSAGING_SERVICE_ID,
    CONSUMER_PAUSED,
    "Whether the consumer is paused, by consumer.",
    &[CONSUMER],
)
.unit("1 or 0")
.meaning("A consumer pauses when half of its last 50 messages became dead letters, or when dead letters can't be stored.")
.queries(&[("Paused consumers", "METRIC == 1")]);

const CONNECTED_DOC: MetricDoc =
    MetricDoc::gauge(MESSAGING_SERVICE_ID, CONNECTED, "Whether messages can be stored.")
        .unit("1 or 0")
        .queries(&[("Instances that cannot store messages", "METRIC == 0")]);

const LEADS_DOC: MetricDoc = MetricDoc::gauge_vector(
    MESSAGING_SERVICE_ID,
    LEADS,
    "Whether this instance leads, by leadership.",
    &[("leadership", "id of the service and name")],
)
.unit("1 or 0")
.meaning("The sum over the fleet is 1. For up to a lease after a crash it is 0.")
.queries(&[("Leadership without a leader", "sum by (leadership) (METRIC) == 0")]);

app_metrics::document! {
    PUBLISHED_DOC, SENT_DOC, FAILURES_DOC, SEND_SECONDS_DOC, RECEIVED_DOC, HANDLED_DOC, HANDLE_SECONDS_DOC, AGE_SECONDS_DOC,
    DROPPED_DOC, IN_FLIGHT_DOC, PENDING_DOC, ACK_PENDING_DOC, PAUSED_DOC, CONNECTED_DOC, LEADS_DOC
}

/// The handles of the metrics. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct MessagingMetrics {
    pub(crate) published: CounterVector,
    pub(crate) sent: CounterVector,
    pub(crate) failures: CounterVector,
    pub(crate) send_seconds: HistogramVector,
    pub(crate) received: CounterVector,
    pub(crate) handled: CounterVector,
    pub(crate) handle_seconds: HistogramVector,
    pub(crate) age_seconds: HistogramVector,
    pub(crate) dropped: CounterVector,
    pub(crate) in_flight: GaugeVector,
    pub(crate) pending: GaugeVector,
    pub(crate) ack_pending: GaugeVector,
    pub(crate) paused: GaugeVector,
    pub(crate) connected: Gauge,
    pub(crate) leads: GaugeVector,
}

impl MessagingMetrics {
    pub(crate) fn register(metrics: &Metrics) -> Result<Self, Error> {
        Ok(Self {
            published: metrics.counter_vector(PUBLISHED_DOC.counter_vector_spec())?,
            sent: metrics.counter_vector(SENT_DOC.counter_vector_spec())?,
            failures: metrics.counter_vector(FAILURES_DOC.counter_vector_spec())?,
            send_seconds: metrics.histogram_vector(SEND_SECONDS_DOC.histogram_vector_spec())?,
            received: metrics.counter_vector(RECEIVED_DOC.counter_vector_spec())?,
            handled: metrics.counter_vector(HANDLED_DOC.counter_vector_spec())?,
            handle_seconds: metrics.histogram_vector(HANDLE_SECONDS_DOC.histogram_vector_spec())?,
            age_seconds: metrics.histogram_vector(AGE_SECONDS_DOC.histogram_vector_spec())?,
            dropped: metrics.counter_vector(DROPPED_DOC.counter_vector_spec())?,
            in_flight: metrics.gauge_vector(IN_FLIGHT_DOC.gauge_vector_spec())?,
            pending: metrics.gauge_vector(PENDING_DOC.gauge_vector_spec())?,
            ack_pending: metrics.gauge_vector(ACK_PENDING_DOC.gauge_vector_spec())?,
            paused: metrics.gauge_vector(PAUSED_DOC.gauge_vector_spec())?,
            connected: metrics.gauge(CONNECTED_DOC.gauge_spec())?,
            leads: metrics.gauge_vector(LEADS_DOC.gauge_vector_spec())?,
        })
    }

    /// Counts a message that could not be sent.
    pub(crate) fn failed(&self, message: &str, failure: &str) {
        if let Ok(counter) = self.failures.with([message, failure]) {
            counter.inc();
        }
    }
}
