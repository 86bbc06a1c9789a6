//! The functions of the Go library, over the process's current app. One test only, because the process has one current
//! app.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::{
    CONSTANT_LABELS, CounterSpec, CounterVectorSpec, DEFAULT_METRICS_HTTP_PORT, GaugeSpec, GaugeVectorSpec,
    HistogramSpec, HistogramVectorSpec, METRICS_SERVICE_ID, Metrics, MetricsConfig,
};

const A: ServiceId = ServiceId::new(0xa);

fn id(metric: u64) -> MetricId {
    MetricId::new(metric)
}

fn register(metrics: &Metrics) -> Result<(), Error> {
    metrics.counter(CounterSpec::new(A, id(1), "Help."))?.inc();
    metrics.counter_vector(CounterVectorSpec::new(A, id(2), "Help.", ["l"]))?;
    metrics.gauge(GaugeSpec::new(A, id(3), "Help."))?;
    metrics.gauge_vector(GaugeVectorSpec::new(A, id(4), "Help.", ["l"]))?;
    metrics.histogram(HistogramSpec::new(A, id(5), "Help.", [1.0]))?;
    metrics.histogram_vector(HistogramVectorSpec::new(A, id(6), "Help.", ["l"], [1.0]))?;
    Ok(())
}

#[tokio::test]
async fn the_functions_of_the_package_are_those_of_the_current_app() {
    assert!(app_metrics::compat::counter(A, id(1)).unwrap_err().is(&errors::APP_NOT_ALIVE));
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    app_core::compat::install(&app);
    let metrics = app.get::<Metrics>();
    register(&metrics).unwrap();

    assert_eq!(app_metrics::compat::counter(A, id(1)).unwrap().unwrap().get(), 1.0);
    assert_eq!(app_metrics::compat::counter_metric_ids(A).unwrap(), [id(1)]);
    assert_eq!(app_metrics::compat::counter_metric_ids_per_service().unwrap()[&A], [id(1)]);
    assert_eq!(app_metrics::compat::counter_vector(A, id(2)).unwrap().unwrap().labels(), ["l"]);
    assert_eq!(app_metrics::compat::counter_vector_metric_ids(A).unwrap(), [id(2)]);
    assert_eq!(app_metrics::compat::counter_vector_metric_ids_per_service().unwrap()[&A], [id(2)]);
    assert!(app_metrics::compat::gauge(A, id(3)).unwrap().is_some());
    assert_eq!(app_metrics::compat::gauge_metric_ids(A).unwrap(), [id(3)]);
    assert_eq!(app_metrics::compat::gauge_metrics_by_service().unwrap()[&A], [id(3)]);
    assert!(app_metrics::compat::gauge_vector(A, id(4)).unwrap().is_some());
    assert_eq!(app_metrics::compat::gauge_vector_metric_ids(A).unwrap(), [id(4)]);
    assert_eq!(app_metrics::compat::gauge_vector_metrics_by_service().unwrap()[&A], [id(4)]);
    assert!(app_metrics::compat::histogram(A, id(5)).unwrap().is_some());
    assert_eq!(app_metrics::compat::histogram_metric_ids(A).unwrap(), [id(5)]);
    assert_eq!(app_metrics::compat::histogram_metrics_by_service().unwrap()[&A], [id(5)]);
    assert!(app_metrics::compat::histogram_vector(A, id(6)).unwrap().is_some());
    assert_eq!(app_metrics::compat::histogram_vector_metric_ids(A).unwrap(), [id(6)]);
    assert_eq!(app_metrics::compat::histogram_vector_metrics_by_service().unwrap()[&A], [id(6)]);
    assert!(app_metrics::compat::counter(A, id(9)).unwrap().is_none());

    let labels = app_metrics::compat::metric_spec_labels(A).unwrap();
    assert_eq!(labels.clone().map(|(name, _)| name), CONSTANT_LABELS);
    assert_eq!(labels[2].1, "a");
    assert_eq!(
        app_metrics::compat::metrics_service_spec().unwrap(),
        <MetricsConfig as app_config::Config>::without_file()
    );
    assert_eq!(app_metrics::compat::metrics_service_spec().unwrap().http_port, DEFAULT_METRICS_HTTP_PORT);

    app.stop().await.expect_clean();
    let late = metrics.counter(CounterSpec::new(A, id(1), "Help.")).unwrap_err();
    assert!(late.is(&errors::SERVICE_NOT_ALIVE), "{late:#}");
    assert!(app_metrics::compat::counter(A, id(1)).unwrap_err().is(&errors::SERVICE_NOT_AVAILABLE));
}
