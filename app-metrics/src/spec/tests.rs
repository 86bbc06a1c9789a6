//! Tests of the rules for specs.

use super::{
    CONSTANT_LABELS, CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec,
    HistogramVectorSpec, MetricSpec, Origin, problems, prometheus_name,
};
use crate::family::Spec;
use app_ids::{MetricId, ServiceId};

const SERVICE: ServiceId = ServiceId::new(0xe492_14fa_20b3_5ba8);
const METRIC: MetricId = MetricId::new(0xdb72_2ec1_bb1b_5766);

fn found(spec: &impl Spec) -> Vec<String> {
    problems(&spec.shape(), Origin::Service).iter().map(ToString::to_string).collect()
}

fn labelled(labels: &[&str]) -> Vec<String> {
    found(&CounterVectorSpec::new(SERVICE, METRIC, "Help.", labels.iter().copied()))
}

fn with_buckets(buckets: &[f64]) -> Vec<String> {
    found(&HistogramSpec::new(SERVICE, METRIC, "Help.", buckets))
}

#[test]
fn a_name_is_the_two_ids_in_hex() {
    assert_eq!(
        prometheus_name(&MetricSpec::new(SERVICE, METRIC, "Help.")),
        "op_e49214fa20b35ba8_db722ec1bb1b5766"
    );
}

#[test]
fn good_specs_of_every_kind_have_no_problems() {
    assert!(found(&CounterSpec::new(SERVICE, METRIC, " Help with \\ and \" and é. ")).is_empty());
    assert!(found(&GaugeSpec::new(SERVICE, METRIC, "Help.")).is_empty());
    assert!(found(&GaugeVectorSpec::new(SERVICE, METRIC, "Help.", ["le", "_x", "A9"])).is_empty());
    assert!(found(&HistogramVectorSpec::new(SERVICE, METRIC, "Help.", ["a"], [-1.0, 0.0, 0.5])).is_empty());
}

#[test]
fn every_problem_is_found() {
    let spec = HistogramVectorSpec::new(
        ServiceId::new(0),
        MetricId::new(0),
        "a\nb",
        ["ok", "9x", "svc", "ok", "__m", "le"],
        [1.0, 1.0, f64::NAN, 0.5],
    );
    assert_eq!(
        found(&spec),
        [
            "service: must not be zero",
            "metric: must not be zero",
            "help: must be one line without control characters, found '\\n'",
            "labels[1]: \"9x\" is not a label name ([a-zA-Z_][a-zA-Z0-9_]*)",
            "labels[2]: \"svc\" is reserved: every metric has it already",
            "labels[3]: \"ok\" is listed twice",
            "labels[4]: \"__m\" is reserved: names that begin with __ belong to Prometheus",
            "labels[5]: \"le\" is reserved: it names the buckets of a histogram",
            "buckets[1]: must be above the bucket before it (1), found 1",
            "buckets[2]: must be finite, found NaN",
        ]
    );
}

#[test]
fn only_the_platform_may_use_service_zero() {
    let spec = CounterSpec::new(ServiceId::new(0), METRIC, "Help.");
    assert_eq!(problems(&spec.shape(), Origin::Service).len(), 1);
    assert!(problems(&spec.shape(), Origin::Platform).is_empty());
}

#[test]
fn help_is_one_line_of_text() {
    for help in ["", "   ", "\n", "a\rb", "a\u{0}b", "a\u{85}b"] {
        assert_eq!(found(&GaugeSpec::new(SERVICE, METRIC, help)).len(), 1, "{help:?}");
    }
    assert!(found(&GaugeSpec::new(SERVICE, METRIC, "\n a line \n")).is_empty());
}

#[test]
fn labels_are_prometheus_label_names() {
    for bad in ["", "a-b", "a b", "é", "1", "a.b", "a:b", "__a", "a\n"] {
        assert_eq!(labelled(&[bad]).len(), 1, "{bad:?}");
    }
    for reserved in CONSTANT_LABELS {
        assert_eq!(labelled(&[reserved]).len(), 1, "{reserved:?}");
    }
    assert_eq!(labelled(&[]), ["labels: a vector needs at least one label"]);
}

#[test]
fn buckets_are_finite_and_increasing() {
    assert_eq!(with_buckets(&[]), ["buckets: must not be empty"]);
    assert_eq!(with_buckets(&[2.0, 1.0]), ["buckets[1]: must be above the bucket before it (2), found 1"]);
    assert_eq!(with_buckets(&[1.0, f64::INFINITY]), ["buckets[1]: must be finite, found inf"]);
    let many: Vec<f64> = (0..257).map(f64::from).collect();
    assert_eq!(with_buckets(&many), ["buckets: at most 256, found 257"]);
    assert!(with_buckets(&many[1..]).is_empty());
}
