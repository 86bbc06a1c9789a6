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
            /// Creates a spec. Registration validates it.
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
            /// Creates a spec. Registration validates it.
            #[must_use]
            pub fn new<L: Into<String>>(
                service: ServiceId,
                metric: MetricId,
                help: impl Into<String>,
                labels: impl IntoIterator<Item = L>,
            ) -> Self {
                Self { vector: MetricVectorSpec::new(MetricSpec::new(service, metric, help), labels) }
            }

            /// Sets the limit of series. It overrides the config.
            #[must_use]
            pub fn max_series(mut self, max: usize) -> Self {
                self.vector.max_series = Some(max);
                self
            }
        }
    };
}

simple_spec! {
    /// The spec of a [`Counter`](crate::Counter).
    CounterSpec
}
simple_spec! {
    /// The spec of a [`Gauge`](crate::Gauge).
    GaugeSpec
}
vector_spec! {
    /// The spec of a vector of counters.
    CounterVectorSpec
}
vector_spec! {
    /// The spec of a vector of gauges.
    GaugeVectorSpec
}

/// The spec of a [`Histogram`](crate::Histogram).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramSpec {
    /// Service, id and help.
    pub spec: MetricSpec,
    /// Upper bounds of the buckets, inclusive: finite, strictly increasing, at least one. A bucket for values above the
    /// last bound is always added.
    pub buckets: Vec<f64>,
}

impl HistogramSpec {
    /// Creates a spec. Registration validates it.
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

/// The spec of a vector of histograms.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramVectorSpec {
    /// Service, id, help and labels.
    pub vector: MetricVectorSpec,
    /// Upper bounds of the buckets, as for [`HistogramSpec`].
    pub buckets: Vec<f64>,
}

impl HistogramVectorSpec {
    /// Creates a spec. Registration validates it.
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

    /// Sets the limit of series. It overrides the config.
    #[must_use]
    pub fn max_series(mut self, max: usize) -> Self {
        self.vector.max_series = Some(max);
        self
    }
}
