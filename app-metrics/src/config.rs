//! The config of the metrics service: where it listens, how many series, and metrics declared by it.

use crate::spec::Origin;
use crate::{
    CounterSpec, CounterVectorSpec, DEFAULT_MAX_SERIES_PER_VECTOR, GaugeSpec, GaugeVectorSpec, HistogramSpec,
    HistogramVectorSpec, MetricRegistry,
};
use app_core::prelude::*;
use std::net::IpAddr;

/// The port of the HTTP server when the config says none.
pub const DEFAULT_METRICS_HTTP_PORT: u16 = 4444;

/// Config of the metrics service, checked.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MetricsConfig {
    /// Port of the HTTP server; 0 is any free one.
    pub http_port: u16,
    /// Address to listen on; `None` is every address of the machine.
    pub bind_address: Option<IpAddr>,
    /// The most series of a vector whose spec says nothing else.
    pub max_series_per_vector: usize,
    /// Metrics that are there from the start.
    pub metrics: DeclaredMetrics,
}

/// Metrics that a config declares, by kind.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct DeclaredMetrics {
    /// Counters.
    pub counters: Vec<CounterSpec>,
    /// Vectors of counters.
    pub counter_vectors: Vec<CounterVectorSpec>,
    /// Gauges.
    pub gauges: Vec<GaugeSpec>,
    /// Vectors of gauges.
    pub gauge_vectors: Vec<GaugeVectorSpec>,
    /// Histograms.
    pub histograms: Vec<HistogramSpec>,
    /// Vectors of histograms.
    pub histogram_vectors: Vec<HistogramVectorSpec>,
}

impl Default for MetricsConfig {
    fn default() -> Self {
        Self {
            http_port: DEFAULT_METRICS_HTTP_PORT,
            bind_address: None,
            max_series_per_vector: DEFAULT_MAX_SERIES_PER_VECTOR,
            metrics: DeclaredMetrics::default(),
        }
    }
}

impl MetricsConfig {
    /// Registers what it declares.
    pub(crate) fn register(&self, registry: &MetricRegistry) -> Result<(), Error> {
        let DeclaredMetrics {
            counters,
            counter_vectors,
            gauges,
            gauge_vectors,
            histograms,
            histogram_vectors,
        } = self.metrics.clone();
        counters.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        counter_vectors
            .into_iter()
            .try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        gauges.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        gauge_vectors.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        histograms.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))?;
        histogram_vectors.into_iter().try_for_each(|spec| registry.register(spec, Origin::Service).map(drop))
    }
}
