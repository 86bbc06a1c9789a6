//! Lookups of the registry, as in the Go library: for each kind the metric, the ids of a service, and the ids by
//! service.

use super::MetricRegistry;
use crate::spec::Kind;
use crate::{
    CounterMetric, CounterVectorMetric, GaugeMetric, GaugeVectorMetric, HistogramMetric,
    HistogramVectorMetric,
};
use app_ids::{MetricId, ServiceId};
use std::collections::BTreeMap;

macro_rules! lookups {
    ($what:literal, $kind:ident, $metric:ident, $lookup:ident, $ids:ident, $ids_by_service:ident) => {
        impl MetricRegistry {
            #[doc = concat!("The ", $what, " of that service and id, if one is registered.")]
            #[must_use]
            pub fn $lookup(&self, service: ServiceId, metric: MetricId) -> Option<$metric> {
                self.registered(service, metric)
            }

            #[doc = concat!("Ids of the service's ", $what, "s, ascending.")]
            #[must_use]
            pub fn $ids(&self, service: ServiceId) -> Vec<MetricId> {
                self.ids(Kind::$kind, service)
            }

            #[doc = concat!("Ids of all ", $what, "s by service, ascending; no entry for a service without one.")]
            #[must_use]
            pub fn $ids_by_service(&self) -> BTreeMap<ServiceId, Vec<MetricId>> {
                self.ids_by_service(Kind::$kind)
            }
        }
    };
}

lookups!("counter", Counter, CounterMetric, counter, counter_metric_ids, counter_metric_ids_per_service);
lookups!(
    "counter vector",
    CounterVector,
    CounterVectorMetric,
    counter_vector,
    counter_vector_metric_ids,
    counter_vector_metric_ids_per_service
);
lookups!("gauge", Gauge, GaugeMetric, gauge, gauge_metric_ids, gauge_metrics_by_service);
lookups!(
    "gauge vector",
    GaugeVector,
    GaugeVectorMetric,
    gauge_vector,
    gauge_vector_metric_ids,
    gauge_vector_metrics_by_service
);
lookups!(
    "histogram",
    Histogram,
    HistogramMetric,
    histogram,
    histogram_metric_ids,
    histogram_metrics_by_service
);
lookups!(
    "histogram vector",
    HistogramVector,
    HistogramVectorMetric,
    histogram_vector,
    histogram_vector_metric_ids,
    histogram_vector_metrics_by_service
);
