//! The functions of the Go library that this project follows. Each calls the metrics of the process's current app.
//!
//! New code should take `Dep<Metrics>` as a parameter instead: tests can then run many apps in one process.

use crate::registry::ConstantLabels;
use crate::{
    CounterMetric, CounterVectorMetric, GaugeMetric, GaugeVectorMetric, HistogramMetric,
    HistogramVectorMetric, Metrics, MetricsConfig,
};
use app_errors::Error;
use app_ids::{MetricId, ServiceId};
use std::collections::BTreeMap;
use std::sync::Arc;

fn current() -> Result<Arc<Metrics>, Error> {
    app_core::compat::current()?.get::<Metrics>()
}

/// The constant labels of a service's metrics: names and values of `domain app svc release instance`.
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotAvailable` if the metrics service does not run.
pub fn metric_spec_labels(service: ServiceId) -> Result<ConstantLabels, Error> {
    Ok(current()?.registry().metric_spec_labels(service).as_ref().clone())
}

/// The config of the metrics service.
///
/// # Errors
/// `AppNotAlive` without an app; `ServiceNotAvailable` if the metrics service does not run.
pub fn metrics_service_spec() -> Result<MetricsConfig, Error> {
    Ok(current()?.config().clone())
}

macro_rules! facades {
    ($what:literal, $metric:ident, $lookup:ident, $ids:ident, $ids_by_service:ident) => {
        #[doc = concat!("The ", $what, " of that service and id, if one is registered.")]
        ///
        /// # Errors
        /// `AppNotAlive` without an app; `ServiceNotAvailable` if the metrics service does not run.
        pub fn $lookup(service: ServiceId, metric: MetricId) -> Result<Option<$metric>, Error> {
            Ok(current()?.registry().$lookup(service, metric))
        }

        #[doc = concat!("Ids of the service's ", $what, "s, ascending.")]
        ///
        /// # Errors
        /// `AppNotAlive` without an app; `ServiceNotAvailable` if the metrics service does not run.
        pub fn $ids(service: ServiceId) -> Result<Vec<MetricId>, Error> {
            Ok(current()?.registry().$ids(service))
        }

        #[doc = concat!("Ids of all ", $what, "s by service, ascending.")]
        ///
        /// # Errors
        /// `AppNotAlive` without an app; `ServiceNotAvailable` if the metrics service does not run.
        pub fn $ids_by_service() -> Result<BTreeMap<ServiceId, Vec<MetricId>>, Error> {
            Ok(current()?.registry().$ids_by_service())
        }
    };
}

facades!("counter", CounterMetric, counter, counter_metric_ids, counter_metric_ids_per_service);
facades!(
    "counter vector",
    CounterVectorMetric,
    counter_vector,
    counter_vector_metric_ids,
    counter_vector_metric_ids_per_service
);
facades!("gauge", GaugeMetric, gauge, gauge_metric_ids, gauge_metrics_by_service);
facades!(
    "gauge vector",
    GaugeVectorMetric,
    gauge_vector,
    gauge_vector_metric_ids,
    gauge_vector_metrics_by_service
);
facades!("histogram", HistogramMetric, histogram, histogram_metric_ids, histogram_metrics_by_service);
facades!(
    "histogram vector",
    HistogramVectorMetric,
    histogram_vector,
    histogram_vector_metric_ids,
    histogram_vector_metrics_by_service
);
