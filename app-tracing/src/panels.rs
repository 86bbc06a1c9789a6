//! Panels and alerts of tracing.

use app_metrics::{Group, Panel, Row, Rule, Severity, Target};

const TRACES_ROW: Row = Row::new("Traces", 760);

app_metrics::panels! {
    Panel::lines(TRACES_ROW, "Exported spans")
        .place(10)
        .about("Spans a second that the collector accepted (spans_exported), that it did not accept, by reason (spans_failed), and that were dropped because the queue was full (spans_dropped).")
        .size(12, 7)
        .targets(&[
            Target::new("exported", "sum(rate(tracing_spans_exported_total{INSTANCES}[$__rate_interval]))"),
            Target::new("failed: {{reason}}", "sum by (reason) (rate(tracing_spans_failed_total{INSTANCES}[$__rate_interval]))"),
            Target::new("dropped", "sum(rate(tracing_spans_dropped_total{INSTANCES}[$__rate_interval]))"),
        ]),
    Panel::lines(TRACES_ROW, "Spans that wait")
        .place(20)
        .about("Spans that wait to be exported, by instance (span_queue). At queueSpans further ones are dropped.")
        .size(12, 7)
        .targets(&[Target::new("{{instance}}", "max by (instance) (tracing_span_queue{INSTANCES})")]),
}

app_metrics::rules! {
    Rule::alert(Group::PLATFORM, "SpansNotExported", "sum by (job, instance) (increase(tracing_spans_failed_total[10m]) or increase(tracing_spans_dropped_total[10m])) > 0", Severity::Warning)
        .place(300)
        .lasting("10m")
        .summary("{{ $value | humanize }} spans of {{ $labels.job }} on {{ $labels.instance }} did not reach the collector in 10 minutes")
        .description("Traces have holes; the application itself is well. Its log and the health check `tracing` have the reason."),
}
