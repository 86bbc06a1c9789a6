//! Ids of the tracing service: of itself, its metrics and its log events.

use app_ids::{HealthCheckId, LogEventId, MetricId, ServiceId, ids};

/// The tracing service. `service!` records its name.
pub const TRACING_SERVICE_ID: ServiceId = ServiceId::new(0x5305_6b90_52ac_5986);

ids! {
    /// Spans that a collector accepted.
    pub SPANS_EXPORTED: MetricId = 0x41da_ea54_2f2a_3958, "spans_exported";
    /// Spans that were dropped because the queue was full.
    pub SPANS_DROPPED: MetricId = 0x09de_3c05_f5c4_a12e, "spans_dropped";
    /// Spans that no collector accepted.
    pub SPANS_FAILED: MetricId = 0x2d19_388d_f04f_ec15, "spans_failed";
    /// Spans that wait to be exported.
    pub SPAN_QUEUE: MetricId = 0x6354_0ccf_cd6c_34ac, "span_queue";

    /// Where spans go, and which, was decided.
    pub SPANS_GO: LogEventId = 0xa334_2718_415e_424c, "spans_go";
    /// A variable of OpenTelemetry is wrong, or not honoured.
    pub OTEL_VARIABLE: LogEventId = 0xae04_8464_94e9_0ac6, "otel_variable";
    /// Spans did not reach the collector.
    pub SPANS_NOT_EXPORTED: LogEventId = 0x70d5_52d2_dbdd_982f, "spans_not_exported";
    /// The sampling was changed for a time, or came back.
    pub SAMPLING_CHANGED: LogEventId = 0xd088_73bc_461b_f0be, "sampling_changed";

    /// Whether the collector accepts spans.
    pub TRACING_CHECK: HealthCheckId = 0xba0b_c233_f58e_3cf7, "tracing";
}
