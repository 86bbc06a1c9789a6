//! The spec of each kind of metric.

use super::{MetricSpec, MetricVectorSpec};
use app_ids::{MetricId, ServiceId};

macro_rules! simple_spec {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            /// Service, id and help.
            pub spec: MetricSpec,
        }

        impl $name {
            /// A spec of these parts; checked when it is registered.
            #[must_use]
            pub fn new(service: ServiceId, metric: MetricId, help: impl Into<String>) -> Self {
                Self { spec: MetricSpec::new(service, metric, help) }
            }
        }
    };
}

macro_rules! vector_spec {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        #[non_exhaustive]
        pub struct $name {
            /// Service, id, help and labels.
            pub vector: MetricVectorSpec,
        }

        impl $name {
            /// A spec of these parts; checked when it is registered.
            #[must_use]
            pub fn new<L: Into<String>>(
                service: ServiceId,
                metric: MetricId,
                help: impl Into<String>,
                labels: impl IntoIterator<Item = L>,
            ) -> Self {
                Self { vector: MetricVectorSpec::new(MetricSpec::new(service, metric, help), labels) }
            }

            /// Sets the most series that the vector may have, instead of what the config says.
            #[must_use]
            pub fn max_series(mut self, max: usize) -> Self {
                self.vector.max_series = Some(max);
                self
            }
        }
    };
}

simple_spec! {
    /// A [`Counter`](crate::Counter).
    CounterSpec
}
simple_spec! {
    /// A [`Gauge`](crate::Gauge).
    GaugeSpec
}
vector_spec! {
    /// Counters told apart by labels.
    CounterVectorSpec
}
vector_spec! {
    /// Gauges told apart by labels.
    GaugeVectorSpec
}

/// A [`Histogram`](crate::Histogram).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramSpec {
    /// Service, id and help.
    pub spec: MetricSpec,
    /// Upper bounds of the buckets, inclusive: finite, strictly increasing, at least one. The bucket for all that is
    /// above the last is always there and not named.
    pub buckets: Vec<f64>,
}

impl HistogramSpec {
    /// A spec of these parts; checked when it is registered.
    #[must_use]
    pub fn new(
        service: ServiceId,
        metric: MetricId,
        help: impl Into<String>,
        buckets: impl Into<Vec<f64>>,
    ) -> Self {
        Self { spec: MetricSpec::new(service, metric, help), buckets: buckets.into() }
    }
}

/// Histograms told apart by labels.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramVectorSpec {
    /// Service, id, help and labels.
    pub vector: MetricVectorSpec,
    /// Upper bounds of the buckets, as for [`HistogramSpec`].
    pub buckets: Vec<f64>,
}

impl HistogramVectorSpec {
    /// A spec of these parts; checked when it is registered.
    #[must_use]
    pub fn new<L: Into<String>>(
        service: ServiceId,
        metric: MetricId,
        help: impl Into<String>,
        labels: impl IntoIterator<Item = L>,
        buckets: impl Into<Vec<f64>>,
    ) -> Self {
        let vector = MetricVectorSpec::new(MetricSpec::new(service, metric, help), labels);
        Self { vector, buckets: buckets.into() }
    }

    /// Sets the most series that the vector may have, instead of what the config says.
    #[must_use]
    pub fn max_series(mut self, max: usize) -> Self {
        self.vector.max_series = Some(max);
        self
    }
}
