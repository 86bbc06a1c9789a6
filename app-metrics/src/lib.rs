//! app-metrics: metric specs and their registry, exposition, and the HTTP server that serves it.

mod counter;
pub mod errors;
mod exposition;
mod family;
mod gauge;
mod histogram;
mod registry;
mod spec;
mod vector;

pub use counter::Counter;
pub use family::{
    CounterMetric, CounterVectorMetric, GaugeMetric, GaugeVectorMetric, HistogramMetric,
    HistogramVectorMetric, Registered,
};
pub use gauge::Gauge;
pub use histogram::{Histogram, HistogramSnapshot};
pub use registry::{DEFAULT_MAX_SERIES_PER_VECTOR, MetricRegistry};
pub use spec::{
    CONSTANT_LABELS, CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec,
    HistogramVectorSpec, Kind, MetricSpec, MetricVectorSpec, metric_spec_labels, prometheus_name,
};
pub use vector::{
    CounterVector, GaugeVector, HistogramVector, MAX_LABEL_VALUE_BYTES, OVERFLOW_LABEL_VALUE, Vector,
};
