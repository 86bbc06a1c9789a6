//! The spec of a metric: service, id, help, labels and buckets.
//!
//! A spec is plain data until it is registered. Registration validates it. After that, the metric under its name never
//! changes.

mod kinds;
mod names;
#[cfg(test)]
mod tests;
mod validate;

pub use kinds::{
    CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec,
};
pub use names::{CONSTANT_LABELS, prometheus_name};
pub(crate) use names::{constant_labels, label_text};
pub(crate) use validate::{Field, Origin, Problem, Shape, buckets_problem, problems};

use app_ids::{MetricId, ServiceId};
use std::fmt;

/// The part that every spec has. `service` and `metric` together are the key of the metric.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricSpec {
    /// The service that the metric belongs to; not zero.
    pub service: ServiceId,
    /// The id of the metric within the service; not zero.
    pub metric: MetricId,
    /// One line for people: what is counted, and in which unit. Surrounding white space is removed.
    pub help: String,
}

impl MetricSpec {
    /// Creates a spec.
    #[must_use]
    pub fn new(service: ServiceId, metric: MetricId, help: impl Into<String>) -> Self {
        Self { service, metric, help: help.into() }
    }

    /// `op_{service hex}_{metric hex}`.
    #[must_use]
    pub fn prometheus_name(&self) -> String {
        self.metric.prometheus_name(self.service)
    }
}

/// The spec of a metric with several series: one for each combination of label values.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricVectorSpec {
    /// The part that every metric has.
    pub spec: MetricSpec,
    /// Names of the labels that distinguish the series; at least one.
    pub labels: Vec<String>,
    /// Upper bound of the series; `None` for the limit in the config of the metrics service (1,000 by default).
    pub max_series: Option<usize>,
}

impl MetricVectorSpec {
    /// Creates a spec with the configured limit of series.
    #[must_use]
    pub fn new<L: Into<String>>(spec: MetricSpec, labels: impl IntoIterator<Item = L>) -> Self {
        Self { spec, labels: labels.into_iter().map(Into::into).collect(), max_series: None }
    }
}

/// The kinds of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Kind {
    /// A value that only goes up.
    Counter,
    /// Counters that differ in their labels.
    CounterVector,
    /// A value that goes up and down.
    Gauge,
    /// Gauges that differ in their labels.
    GaugeVector,
    /// A distribution over buckets.
    Histogram,
    /// Histograms that differ in their labels.
    HistogramVector,
}

impl Kind {
    /// Whether samples end in `_total`.
    pub(crate) const fn is_counter(self) -> bool {
        matches!(self, Self::Counter | Self::CounterVector)
    }

    /// The suffixes that OpenMetrics reserves for samples of this kind.
    pub(crate) const fn suffixes(self) -> &'static [&'static str] {
        match self {
            Self::Counter | Self::CounterVector => &["_total", "_created"],
            Self::Gauge | Self::GaugeVector => &[],
            Self::Histogram | Self::HistogramVector => &["_bucket", "_count", "_created", "_sum"],
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::CounterVector => "counter vector",
            Self::Gauge => "gauge",
            Self::GaugeVector => "gauge vector",
            Self::Histogram => "histogram",
            Self::HistogramVector => "histogram vector",
        })
    }
}
