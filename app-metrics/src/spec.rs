//! What a metric is: its service, id and help, its labels, its buckets.
//!
//! A spec is plain data until it is registered; registration checks it (`validate`) and never changes what is shown
//! under its name afterwards.

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
pub(crate) use validate::{Field, Origin, Problem, Shape, problems};

use app_ids::{MetricId, ServiceId};
use std::fmt;

/// The part that every metric has. `service` and `metric` together are its key.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricSpec {
    /// The service that the metric belongs to; not zero.
    pub service: ServiceId,
    /// The id of the metric within the service; not zero.
    pub metric: MetricId,
    /// One line for people: what is counted, in which unit. Leading and trailing white space does not count.
    pub help: String,
}

impl MetricSpec {
    /// A spec of these parts.
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

/// A metric of several series, one for each combination of the values of its labels.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MetricVectorSpec {
    /// The part that every metric has.
    pub spec: MetricSpec,
    /// Names of the labels whose values tell the series apart (the seed's dynamic labels); at least one.
    pub labels: Vec<String>,
    /// The most series it may have; `None` is what the config of the metrics service says (1,000 without one).
    pub max_series: Option<usize>,
}

impl MetricVectorSpec {
    /// A spec of these parts, with the configured number of series at most.
    #[must_use]
    pub fn new<L: Into<String>>(spec: MetricSpec, labels: impl IntoIterator<Item = L>) -> Self {
        Self { spec, labels: labels.into_iter().map(Into::into).collect(), max_series: None }
    }
}

/// The six kinds of metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A value that only goes up.
    Counter,
    /// Counters told apart by labels.
    CounterVector,
    /// A value that goes up and down.
    Gauge,
    /// Gauges told apart by labels.
    GaugeVector,
    /// A distribution over buckets.
    Histogram,
    /// Histograms told apart by labels.
    HistogramVector,
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
