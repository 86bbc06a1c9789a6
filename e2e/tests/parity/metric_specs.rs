//! Metrics that a config declares. The service makes a spec of each and registers it.

use std::fs;

use app_config::{Config as _, ConfigDir};
use app_core::testing::TestApp;
use app_errors::{Error, errors};
use app_ids::{MetricId, ServiceId};
use app_metrics::{
    CounterSpec, CounterVectorSpec, DEFAULT_METRICS_HTTP_PORT, GaugeSpec, GaugeVectorSpec, HistogramSpec,
    HistogramVectorSpec, METRICS_SERVICE_ID, MetricSpec, MetricVectorSpec, MetricsConfig,
};
use capnp::message::{Builder, HeapAllocator};
use schema::metrics_capnp::metrics_service_spec;

use super::current::CurrentApp;

const SERVICE: ServiceId = ServiceId::new(0xe492_14fa_20b3_5ba8);
const HELP: &str = "How many.";
const BUCKETS: [f64; 2] = [0.5, 1.0];

fn id(metric: u64) -> MetricId {
    MetricId::new(metric)
}

macro_rules! fill {
    ($spec:expr, $metric:literal) => {{
        let mut spec = $spec;
        spec.set_service_id(SERVICE.as_u64());
        spec.set_metric_id($metric);
        spec.set_help(HELP);
        spec
    }};
}

/// A config with a metric of each kind. Their ids are 1 to 6.
fn config() -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut specs = message.init_root::<metrics_service_spec::Builder<'_>>().init_metric_specs();
    fill!(specs.reborrow().init_counter_specs(1).get(0), 1);
    let mut vector = specs.reborrow().init_counter_vector_specs(1).get(0);
    fill!(vector.reborrow().init_metric_spec(), 2);
    vector.init_label_names(1).set(0, "rule");
    fill!(specs.reborrow().init_gauge_specs(1).get(0), 3);
    let mut vector = specs.reborrow().init_gauge_vector_specs(1).get(0);
    fill!(vector.reborrow().init_metric_spec(), 4);
    vector.init_label_names(1).set(0, "rule");
    let mut histogram = fill!(specs.reborrow().init_histogram_specs(1).get(0), 5);
    histogram.set_buckets(&BUCKETS[..]).unwrap();
    let mut vector = specs.reborrow().init_histogram_vector_specs(1).get(0);
    let mut histogram = fill!(vector.reborrow().init_metric_spec(), 6);
    histogram.set_buckets(&BUCKETS[..]).unwrap();
    vector.init_label_names(1).set(0, "rule");
    message
}

#[test]
fn a_struct_of_a_config_becomes_a_spec_of_its_kind() {
    let message = config();
    let config = message.get_root_as_reader::<metrics_service_spec::Reader<'_>>().unwrap();
    let specs = config.get_metric_specs().unwrap();
    let counter: Result<CounterSpec, Error> = specs.get_counter_specs().unwrap().get(0).try_into();
    assert_eq!(counter.unwrap(), CounterSpec::new(SERVICE, id(1), HELP));
    let vector: Result<CounterVectorSpec, Error> =
        specs.get_counter_vector_specs().unwrap().get(0).try_into();
    assert_eq!(vector.unwrap(), CounterVectorSpec::new(SERVICE, id(2), HELP, ["rule"]));
    let gauge: Result<GaugeSpec, Error> = specs.get_gauge_specs().unwrap().get(0).try_into();
    assert_eq!(gauge.unwrap(), GaugeSpec::new(SERVICE, id(3), HELP));
    let vector: Result<GaugeVectorSpec, Error> = specs.get_gauge_vector_specs().unwrap().get(0).try_into();
    assert_eq!(vector.unwrap(), GaugeVectorSpec::new(SERVICE, id(4), HELP, ["rule"]));
    let histogram: Result<HistogramSpec, Error> = specs.get_histogram_specs().unwrap().get(0).try_into();
    assert_eq!(histogram.unwrap(), HistogramSpec::new(SERVICE, id(5), HELP, BUCKETS));
    let vector: Result<HistogramVectorSpec, Error> =
        specs.get_histogram_vector_specs().unwrap().get(0).try_into();
    assert_eq!(vector.unwrap(), HistogramVectorSpec::new(SERVICE, id(6), HELP, ["rule"], BUCKETS));
}

#[test]
fn a_struct_that_breaks_a_rule_is_a_config_error() {
    let mut message = config();
    let specs = message.get_root::<metrics_service_spec::Builder<'_>>().unwrap().get_metric_specs().unwrap();
    specs.get_counter_specs().unwrap().get(0).set_help("");
    let config = message.get_root_as_reader::<metrics_service_spec::Reader<'_>>().unwrap();
    let counter = config.get_metric_specs().unwrap().get_counter_specs().unwrap().get(0);
    let refused = CounterSpec::try_from(counter).unwrap_err();
    assert!(refused.is(&errors::CONFIG_FAILURE) && refused.to_string().contains("help"), "{refused:#}");
}

#[test]
fn a_vector_adds_labels_to_a_metric_and_a_histogram_buckets() {
    let spec = MetricSpec::new(SERVICE, id(6), HELP);
    let vector = MetricVectorSpec::new(spec.clone(), ["rule"]);
    assert_eq!((&vector.spec, &*vector.labels), (&spec, &["rule".to_owned()][..]));
    let histogram = HistogramSpec::new(SERVICE, id(6), HELP, BUCKETS);
    assert_eq!((&histogram.spec, &*histogram.buckets), (&spec, &BUCKETS[..]));
    let histograms = HistogramVectorSpec::new(SERVICE, id(6), HELP, ["rule"], BUCKETS);
    assert_eq!((&histograms.vector, &*histograms.buckets), (&vector, &BUCKETS[..]));
}

#[tokio::test(start_paused = true)]
async fn the_service_registers_what_its_config_declares() {
    assert_eq!(DEFAULT_METRICS_HTTP_PORT, 4444);
    assert_eq!(MetricsConfig::without_file().http_port, DEFAULT_METRICS_HTTP_PORT);
    let builder = TestApp::builder().linked([METRICS_SERVICE_ID]);
    let mut file = fs::File::create(ConfigDir::new(builder.config_dir()).file(METRICS_SERVICE_ID)).unwrap();
    app_config::codec::marshal(&config(), &mut file).unwrap();
    let app = CurrentApp::start(builder).await;
    let spec = app_metrics::compat::metrics_service_spec().unwrap();
    assert_eq!(spec.http_port, DEFAULT_METRICS_HTTP_PORT);
    assert_eq!(spec.metrics.counters, [CounterSpec::new(SERVICE, id(1), HELP)]);
    assert_eq!(app_metrics::compat::histogram_vector_metric_ids(SERVICE).unwrap(), [id(6)]);
    app.stop().await;
}
