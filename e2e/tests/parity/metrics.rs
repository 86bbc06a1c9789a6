//! Metrics: the six kinds, the registry, names and labels.

use app_core::testing::TestApp;
use app_ids::{MetricId, ServiceId};
use app_metrics::{
    Counter, CounterMetric, CounterSpec, CounterVector, CounterVectorMetric, CounterVectorSpec, Gauge,
    GaugeMetric, GaugeSpec, GaugeVector, GaugeVectorMetric, GaugeVectorSpec, Histogram, HistogramMetric,
    HistogramSpec, HistogramVector, HistogramVectorMetric, HistogramVectorSpec, METRICS_SERVICE_ID,
    MetricRegistry, MetricSpec, Metrics, testing::TestMetrics as _,
};

use super::current::CurrentApp;

const SERVICE: ServiceId = ServiceId::new(0xe492_14fa_20b3_5ba8);
const HELP: &str = "How many.";
const BUCKETS: [f64; 2] = [0.5, 1.0];

fn id(metric: u64) -> MetricId {
    MetricId::new(metric)
}

/// The current app with a metric of each kind. Their ids are 1 to 6.
async fn with_metrics() -> CurrentApp {
    let app = CurrentApp::start(TestApp::builder().linked([METRICS_SERVICE_ID])).await;
    let metrics = app.get::<Metrics>();
    metrics.counter(CounterSpec::new(SERVICE, id(1), HELP)).unwrap().inc();
    metrics.counter_vector(CounterVectorSpec::new(SERVICE, id(2), HELP, ["rule"])).unwrap();
    metrics.gauge(GaugeSpec::new(SERVICE, id(3), HELP)).unwrap().set(3.0);
    metrics.gauge_vector(GaugeVectorSpec::new(SERVICE, id(4), HELP, ["rule"])).unwrap();
    metrics.histogram(HistogramSpec::new(SERVICE, id(5), HELP, BUCKETS)).unwrap().observe(0.7);
    metrics.histogram_vector(HistogramVectorSpec::new(SERVICE, id(6), HELP, ["rule"], BUCKETS)).unwrap();
    app
}

#[tokio::test(start_paused = true)]
async fn counters_are_found_by_service_and_id() {
    let app = with_metrics().await;
    let counter: CounterMetric = app_metrics::compat::counter(SERVICE, id(1)).unwrap().unwrap();
    let (spec, metric): (&CounterSpec, &Counter) = (counter.spec(), counter.metric());
    assert_eq!((&*spec.spec.help, metric.get()), (HELP, 1.0));
    assert_eq!(app_metrics::compat::counter_metric_ids(SERVICE).unwrap(), [id(1)]);
    assert_eq!(app_metrics::compat::counter_metric_ids_per_service().unwrap()[&SERVICE], [id(1)]);
    assert!(app_metrics::compat::counter(SERVICE, id(3)).unwrap().is_none(), "a gauge");

    let vector: CounterVectorMetric = app_metrics::compat::counter_vector(SERVICE, id(2)).unwrap().unwrap();
    let (spec, metric): (&CounterVectorSpec, &CounterVector) = (vector.spec(), vector.metric());
    metric.with(["mails"]).unwrap().add(2);
    assert_eq!(
        (spec.vector.labels.as_slice(), app.metric(SERVICE, id(2), ["mails"])),
        (metric.labels(), 2.0)
    );
    assert_eq!(app_metrics::compat::counter_vector_metric_ids(SERVICE).unwrap(), [id(2)]);
    assert_eq!(app_metrics::compat::counter_vector_metric_ids_per_service().unwrap()[&SERVICE], [id(2)]);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn gauges_are_found_by_service_and_id() {
    let app = with_metrics().await;
    let gauge: GaugeMetric = app_metrics::compat::gauge(SERVICE, id(3)).unwrap().unwrap();
    let (spec, metric): (&GaugeSpec, &Gauge) = (gauge.spec(), gauge.metric());
    assert_eq!((&*spec.spec.help, metric.get()), (HELP, 3.0));
    assert_eq!(app_metrics::compat::gauge_metric_ids(SERVICE).unwrap(), [id(3)]);
    assert_eq!(app_metrics::compat::gauge_metrics_by_service().unwrap()[&SERVICE], [id(3)]);

    let vector: GaugeVectorMetric = app_metrics::compat::gauge_vector(SERVICE, id(4)).unwrap().unwrap();
    let (spec, metric): (&GaugeVectorSpec, &GaugeVector) = (vector.spec(), vector.metric());
    metric.with(["mails"]).unwrap().set(-1.0);
    assert_eq!(
        (spec.vector.labels.as_slice(), app.metric(SERVICE, id(4), ["mails"])),
        (metric.labels(), -1.0)
    );
    assert_eq!(app_metrics::compat::gauge_vector_metric_ids(SERVICE).unwrap(), [id(4)]);
    assert_eq!(app_metrics::compat::gauge_vector_metrics_by_service().unwrap()[&SERVICE], [id(4)]);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn histograms_are_found_by_service_and_id() {
    let app = with_metrics().await;
    let histogram: HistogramMetric = app_metrics::compat::histogram(SERVICE, id(5)).unwrap().unwrap();
    let (spec, metric): (&HistogramSpec, &Histogram) = (histogram.spec(), histogram.metric());
    assert_eq!((spec.buckets.as_slice(), metric.snapshot().counts), (&BUCKETS[..], vec![0, 1, 0]));
    assert_eq!(app_metrics::compat::histogram_metric_ids(SERVICE).unwrap(), [id(5)]);
    assert_eq!(app_metrics::compat::histogram_metrics_by_service().unwrap()[&SERVICE], [id(5)]);

    let vector: HistogramVectorMetric =
        app_metrics::compat::histogram_vector(SERVICE, id(6)).unwrap().unwrap();
    let (spec, metric): (&HistogramVectorSpec, &HistogramVector) = (vector.spec(), vector.metric());
    metric.with(["mails"]).unwrap().observe(2.0);
    assert_eq!((spec.vector.labels.as_slice(), &*spec.buckets), (metric.labels(), &BUCKETS[..]));
    assert_eq!(app.metric(SERVICE, id(6), ["mails"]), 1.0);
    assert_eq!(app_metrics::compat::histogram_vector_metric_ids(SERVICE).unwrap(), [id(6)]);
    assert_eq!(app_metrics::compat::histogram_vector_metrics_by_service().unwrap()[&SERVICE], [id(6)]);

    let metrics = app.get::<Metrics>();
    let registry: &MetricRegistry = metrics.registry();
    assert_eq!(registry.histogram_vector_metric_ids(SERVICE), [id(6)], "the same without a current app");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_metric_is_shown_with_its_name_help_and_constant_labels() {
    let app = with_metrics().await;
    let labels = app_metrics::compat::metric_spec_labels(SERVICE).unwrap();
    let instance = app.instance().hex();
    let expected = [
        ("domain", "d0"),
        ("app", "a0"),
        ("svc", "e49214fa20b35ba8"),
        ("release", "10"),
        ("instance", &instance),
    ];
    assert_eq!(labels.each_ref().map(|(name, value)| (*name, &**value)), expected);
    let shown = labels.map(|(name, value)| format!("{name}=\"{value}\"")).join(",");

    let scrape = app.scrape();
    for (metric, kind) in [(1, "counter"), (3, "gauge"), (5, "histogram")] {
        let spec = MetricSpec::new(SERVICE, id(metric), HELP);
        let MetricSpec { service, metric, help, .. } = &spec;
        assert_eq!((*service, &**help), (SERVICE, HELP));
        let name = app_metrics::prometheus_name(&spec);
        assert_eq!(name, metric.prometheus_name(*service));
        assert!(scrape.contains(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n")), "{scrape}");
    }
    assert!(scrape.contains(&format!("op_e49214fa20b35ba8_1{{{shown}}} 1\n")), "{scrape}");
    app.stop().await;
}
