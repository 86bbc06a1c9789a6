//! Tests of the config of the metrics service.

use super::MetricsConfig;
use crate::{CounterSpec, CounterVectorSpec, HistogramVectorSpec};
use app_config::Config as _;
use app_errors::errors;
use app_ids::{MetricId, ServiceId};
use capnp::message::{Builder, HeapAllocator};
use schema::metrics_capnp::{histogram_vector_metric_spec, metrics_service_spec};

const SERVICE: ServiceId = ServiceId::new(0xa);

/// The config in a file, read as the config service reads it.
fn read(write: impl FnOnce(metrics_service_spec::Builder<'_>)) -> Result<MetricsConfig, String> {
    let mut message = Builder::new(HeapAllocator::default());
    write(message.init_root());
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    app_config::parse(app_config::codec::decode(&file).unwrap()).map_err(|problems| problems.to_string())
}

fn fill_histogram_vector(mut spec: histogram_vector_metric_spec::Builder<'_>, metric: u64, label: &str) {
    let mut histogram = spec.reborrow().init_metric_spec();
    histogram.set_service_id(SERVICE.as_u64());
    histogram.set_metric_id(metric);
    histogram.set_help(" How long. ");
    histogram.set_buckets([0.5, 1.0].as_slice()).unwrap();
    spec.init_label_names(1).set(0, label);
}

#[test]
fn an_empty_message_is_the_default() {
    assert_eq!(read(|_| ()).unwrap(), MetricsConfig::without_file());
}

#[test]
fn where_it_listens_is_read() {
    let config = read(|mut spec| {
        spec.set_http_port(0);
        spec.set_bind_address("::1");
        spec.set_max_series_per_vector(7);
    });
    let config = config.unwrap();
    assert_eq!((config.http_port, config.max_series_per_vector), (0, 7));
    assert_eq!(config.bind_address, Some("::1".parse().unwrap()));
}

#[test]
fn metrics_of_every_kind_are_read() {
    let config = read(|spec| {
        let mut metrics = spec.init_metric_specs();
        let mut counter = metrics.reborrow().init_counter_specs(1).get(0);
        counter.set_service_id(0xa);
        counter.set_metric_id(1);
        counter.set_help("How many.");
        let mut counters = metrics.reborrow().init_counter_vector_specs(1).get(0);
        let mut counter = counters.reborrow().init_metric_spec();
        counter.set_service_id(0xa);
        counter.set_metric_id(2);
        counter.set_help("How many.");
        let mut labels = counters.init_label_names(2);
        labels.set(0, "rule");
        labels.set(1, "outcome");
        let mut gauge = metrics.reborrow().init_gauge_specs(1).get(0);
        gauge.set_service_id(0xa);
        gauge.set_metric_id(3);
        gauge.set_help("How much.");
        let mut gauges = metrics.reborrow().init_gauge_vector_specs(1).get(0);
        let mut gauge = gauges.reborrow().init_metric_spec();
        gauge.set_service_id(0xa);
        gauge.set_metric_id(4);
        gauge.set_help("How much.");
        gauges.set_max_series(7);
        gauges.init_label_names(1).set(0, "le");
        let mut histogram = metrics.reborrow().init_histogram_specs(1).get(0);
        histogram.set_service_id(0xa);
        histogram.set_metric_id(5);
        histogram.set_help("How long.");
        histogram.set_buckets([0.5].as_slice()).unwrap();
        fill_histogram_vector(metrics.init_histogram_vector_specs(1).get(0), 6, "rule");
    });
    let metrics = config.unwrap().metrics;
    assert_eq!(metrics.counters, [CounterSpec::new(SERVICE, MetricId::new(1), "How many.")]);
    let vector = CounterVectorSpec::new(SERVICE, MetricId::new(2), "How many.", ["rule", "outcome"]);
    assert_eq!(metrics.counter_vectors, [vector]);
    assert_eq!(metrics.gauges[0].spec.metric, MetricId::new(3));
    assert_eq!(metrics.gauge_vectors[0].vector.labels, ["le"]);
    assert_eq!(metrics.gauge_vectors[0].vector.max_series, Some(7));
    assert_eq!(metrics.histograms[0].buckets, [0.5]);
    let vector = HistogramVectorSpec::new(SERVICE, MetricId::new(6), "How long.", ["rule"], [0.5, 1.0]);
    assert_eq!(metrics.histogram_vectors, [vector]);
}

#[test]
fn every_problem_is_reported_at_its_path() {
    let problems = read(|mut spec| {
        spec.set_bind_address("localhost");
        spec.set_max_series_per_vector(0);
        let mut labels = spec.reborrow().init_constant_labels(4);
        for (index, label) in (0..).zip(["instance", "svc", "host", "svc"]) {
            labels.set(index, label);
        }
        let mut metrics = spec.init_metric_specs();
        let mut counters = metrics.reborrow().init_counter_specs(2);
        for index in 0..2 {
            let mut counter = counters.reborrow().get(index);
            counter.set_service_id(0xa);
            counter.set_metric_id(1);
            counter.set_help("How many.");
        }
        counters.get(1).set_help("");
        metrics.reborrow().init_gauge_specs(1);
        metrics.reborrow().init_gauge_vector_specs(1);
        let mut histograms = metrics.init_histogram_vector_specs(1).get(0);
        fill_histogram_vector(histograms.reborrow(), 7, "le");
        histograms.get_metric_spec().unwrap().set_buckets([1.0, f64::NAN].as_slice()).unwrap();
    });
    let expected = [
        "bindAddress: must be an IP address, such as 127.0.0.1 or ::1, found \"localhost\"",
        "maxSeriesPerVector: must be 1 or more",
        "constantLabels[2]: must be one of domain, app, svc, release, instance, found \"host\"",
        "constantLabels[3]: \"svc\" is listed twice",
        "metricSpecs.counterSpecs[1].help: must not be empty",
        "metricSpecs.counterSpecs[1]: op_a_1 is already declared by counterSpecs[0]",
        "metricSpecs.gaugeVectorSpecs[0].metricSpec.serviceId: must not be zero",
        "metricSpecs.gaugeVectorSpecs[0].metricSpec.metricId: must not be zero",
        "metricSpecs.gaugeVectorSpecs[0].metricSpec.help: must not be empty",
        "metricSpecs.gaugeVectorSpecs[0].labelNames: a vector needs at least one label",
        "metricSpecs.gaugeSpecs[0].serviceId: must not be zero",
        "metricSpecs.gaugeSpecs[0].metricId: must not be zero",
        "metricSpecs.gaugeSpecs[0].help: must not be empty",
        "metricSpecs.histogramVectorSpecs[0].metricSpec.buckets[1]: must be finite, found NaN",
        "metricSpecs.histogramVectorSpecs[0].labelNames[0]: \"le\" is reserved: it names the buckets of a histogram",
    ];
    let problems = problems.unwrap_err();
    let (mut found, mut expected) = (problems.split("; ").collect::<Vec<_>>(), expected.to_vec());
    found.sort_unstable();
    expected.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn a_struct_of_the_schema_becomes_a_spec_or_says_why_not() {
    let mut message = Builder::new(HeapAllocator::default());
    let mut vector = message.init_root::<histogram_vector_metric_spec::Builder<'_>>();
    fill_histogram_vector(vector.reborrow(), 6, "rule");
    let spec = HistogramVectorSpec::try_from(vector.reborrow().into_reader()).unwrap();
    assert_eq!(spec, HistogramVectorSpec::new(SERVICE, MetricId::new(6), "How long.", ["rule"], [0.5, 1.0]));
    fill_histogram_vector(vector.reborrow(), 0, "rule");
    let error = HistogramVectorSpec::try_from(vector.into_reader()).unwrap_err();
    assert!(error.is(&errors::CONFIG_FAILURE));
    assert_eq!(error.to_string(), "histogram_vector_metric_spec: metricSpec.metricId: must not be zero");
}

#[test]
fn what_dependencies_record_is_chosen_by_prefixes() {
    let config = read(|mut spec| {
        let mut prefixes = spec.reborrow().init_facade_prefixes(2);
        prefixes.set(0, "sqlx_");
        prefixes.set(1, "tokio.");
        spec.set_facade_buckets([0.5, 1.0].as_slice()).unwrap();
        spec.set_facade_idle_seconds(60);
    });
    let config = config.unwrap();
    assert_eq!(config.facade_prefixes, ["sqlx_", "tokio."]);
    assert_eq!(config.facade_buckets, [0.5, 1.0]);
    assert_eq!(config.facade_idle, Some(std::time::Duration::from_secs(60)));

    let problems = read(|mut spec| {
        let mut prefixes = spec.reborrow().init_facade_prefixes(4);
        prefixes.set(0, "");
        prefixes.set(1, "a");
        prefixes.set(2, "a");
        prefixes.set(3, "x".repeat(201));
        spec.set_facade_buckets([1.0, 1.0, f64::NAN].as_slice()).unwrap();
    });
    let problems = problems.unwrap_err();
    for part in [
        "facadePrefixes[0]: must not be empty",
        "facadePrefixes[2]: \"a\" is listed twice",
        "facadePrefixes[3]: must have at most 200 bytes",
        "facadeBuckets[1]: must be above the bucket before it (1), found 1",
        "facadeBuckets[2]: must be finite, found NaN",
    ] {
        assert!(problems.contains(part), "no {part:?} in {problems}");
    }
}
