//! Tests of both formats.

mod library;
mod reader;

use super::{Format, ProcessMetrics, Progress, Scrape};
use crate::names::Names;
use crate::registry::MetricRegistry;
use crate::spec::Origin;
use crate::{CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec};
use app_core::Identity;
use app_ids::{AppId, DomainId, InstanceId, MetricId, ReleaseId, ServiceId};
use proptest::prelude::*;
use reader::read;
use std::collections::BTreeMap;

const SERVICE: ServiceId = ServiceId::new(0xa);
const LABELS: &str = r#"domain="1",app="2",svc="a",release="3",instance="4""#;

fn registry() -> MetricRegistry {
    let identity = Identity {
        domain: DomainId::new(1),
        app: AppId::new(2),
        release: ReleaseId::new(3),
        instance: InstanceId::new(4),
    };
    MetricRegistry::new(identity, 1_000)
}

fn id(metric: u64) -> MetricId {
    MetricId::new(metric)
}

fn text(registry: &MetricRegistry) -> String {
    written(registry, Format::Text)
}

fn written(registry: &MetricRegistry, format: Format) -> String {
    let mut out = String::new();
    let mut scrape = Scrape::new(format, Names::Ids, registry.snapshot(), ProcessMetrics::default());
    assert_eq!(scrape.write(&mut out, usize::MAX), Progress::Done);
    out
}

#[test]
fn each_family_has_one_help_and_type_and_its_samples() {
    let registry = registry();
    let counter =
        registry.register(CounterSpec::new(SERVICE, id(0xb), "Back\\slash \"q\"."), Origin::Service);
    counter.unwrap().add(3);
    registry.register(GaugeSpec::new(SERVICE, id(0xc), "G."), Origin::Service).unwrap().set(0.25);
    let vector = CounterVectorSpec::new(SERVICE, id(0xd), "V.", ["rule", "outcome"]);
    let vector = registry.register(vector, Origin::Service).unwrap();
    vector.with(["r\"1\n\\", "yes"]).unwrap().inc();
    vector.with(["r2", "no"]).unwrap().add_f64(0.5);
    let histogram = HistogramSpec::new(SERVICE, id(0xe), "H.", [0.5, 1.0]);
    let histogram = registry.register(histogram, Origin::Service).unwrap();
    histogram.observe(0.75);
    histogram.observe(7.0);
    let expected = [
        r"# HELP op_a_b Back\\slash ".to_owned() + r#""q"."#,
        "# TYPE op_a_b counter".into(),
        format!("op_a_b{{{LABELS}}} 3"),
        "# HELP op_a_c G.".into(),
        "# TYPE op_a_c gauge".into(),
        format!("op_a_c{{{LABELS}}} 0.25"),
        "# HELP op_a_d V.".into(),
        "# TYPE op_a_d counter".into(),
        format!("op_a_d{{{LABELS},rule=\"r\\\"1\\n\\\\\",outcome=\"yes\"}} 1"),
        format!("op_a_d{{{LABELS},rule=\"r2\",outcome=\"no\"}} 0.5"),
        "# HELP op_a_e H.".into(),
        "# TYPE op_a_e histogram".into(),
        format!("op_a_e_bucket{{{LABELS},le=\"0.5\"}} 0"),
        format!("op_a_e_bucket{{{LABELS},le=\"1.0\"}} 1"),
        format!("op_a_e_bucket{{{LABELS},le=\"+Inf\"}} 2"),
        format!("op_a_e_sum{{{LABELS}}} 7.75"),
        format!("op_a_e_count{{{LABELS}}} 2"),
    ];
    assert_eq!(text(&registry).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn values_are_written_as_prometheus_reads_them() {
    let registry = registry();
    let gauge = registry.register(GaugeSpec::new(SERVICE, id(1), "G."), Origin::Service).unwrap();
    for (value, written) in [
        (0.0, "0"),
        (-0.0, "0"),
        (-1.0, "-1"),
        (1e15, "1000000000000000"),
        (1e300, "1e300"),
        (1.5e-7, "1.5e-7"),
        (f64::NAN, "NaN"),
        (f64::INFINITY, "+Inf"),
        (f64::NEG_INFINITY, "-Inf"),
    ] {
        gauge.set(value);
        assert!(text(&registry).ends_with(&format!("}} {written}\n")), "{value}: {}", text(&registry));
    }
}

#[test]
fn the_process_shows_itself_under_the_usual_names() {
    let registry = registry();
    let mut out = String::new();
    let process = ProcessMetrics::read("a=\"b\"".into());
    Scrape::new(Format::Text, Names::Ids, registry.snapshot(), process).write(&mut out, usize::MAX);
    for name in ["cpu_seconds_total", "open_fds", "max_fds", "resident_memory_bytes", "start_time_seconds"] {
        let line = out.lines().find(|line| line.starts_with(&format!("process_{name}{{"))).expect(name);
        let (_, value) = line.rsplit_once(' ').expect("a value");
        let at_least = if name == "cpu_seconds_total" { 0.0 } else { 1.0 };
        assert!(value.parse::<f64>().unwrap() >= at_least, "{line}");
    }
    assert!(out.contains("# TYPE process_cpu_seconds_total counter\n"));
}

#[test]
fn what_threads_add_is_exactly_what_a_scrape_shows() {
    let registry = registry();
    let vector = GaugeVectorSpec::new(SERVICE, id(1), "G.", ["thread"]);
    let gauges = registry.register(vector, Origin::Service).unwrap();
    let histograms = HistogramVectorSpec::new(SERVICE, id(2), "H.", ["thread"], [5.0]);
    let histograms = registry.register(histograms, Origin::Service).unwrap();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let (gauges, histograms) = (&gauges, &histograms);
            scope.spawn(move || {
                for round in 0..1_000_u32 {
                    let name = (thread % 2).to_string();
                    gauges.with([&name]).unwrap().inc();
                    histograms.with([&name]).unwrap().observe(f64::from(round % 10));
                }
            });
        }
        let exposed = read(&text(&registry), Format::Text).unwrap();
        for ((name, labels), value) in &exposed.samples {
            if name == "op_a_2_count" {
                let infinite = [("thread", labels["thread"].as_str()), ("le", "+Inf")];
                assert_eq!(
                    exposed.value("op_a_2_bucket", &infinite),
                    *value,
                    "the count is that of the buckets"
                );
            }
        }
    });
    let exposed = read(&text(&registry), Format::Text).unwrap();
    for thread in ["0", "1"] {
        let label = ("thread", thread);
        assert_eq!(exposed.value("op_a_1", &[label]), 2_000.0);
        assert_eq!(exposed.value("op_a_2_count", &[label]), 2_000.0);
        assert_eq!(exposed.value("op_a_2_sum", &[label]), 9_000.0);
        assert_eq!(exposed.value("op_a_2_bucket", &[label, ("le", "5.0")]), 1_200.0);
    }
}

/// A metric of each kind, without values, with values, and with values beyond the buckets.
fn filled() -> MetricRegistry {
    let registry = registry();
    let help = "Back\\slash \"q\".";
    registry.register(CounterSpec::new(SERVICE, id(0xb), help), Origin::Service).unwrap().add(3);
    registry.register(GaugeSpec::new(SERVICE, id(0xc), "G."), Origin::Service).unwrap().set(0.25);
    let vector = CounterVectorSpec::new(SERVICE, id(0xd), "V.", ["key"]).max_series(20);
    let counters = registry.register(vector, Origin::Service).unwrap();
    (0..25).for_each(|key| counters.with([&key.to_string()]).unwrap().inc());
    counters.remove(["7"]).unwrap();
    registry.register(GaugeVectorSpec::new(SERVICE, id(0xe), "None.", ["key"]), Origin::Service).unwrap();
    let histograms = HistogramVectorSpec::new(SERVICE, id(0xf), "H.", ["key"], [0.5, 1.0]);
    let histograms = registry.register(histograms, Origin::Service).unwrap();
    ["x", "y"].iter().for_each(|key| histograms.with([key]).unwrap().observe(0.75));
    registry
}

#[test]
fn openmetrics_has_total_and_quotes_escaped_and_an_end() {
    let registry = registry();
    let counter = CounterSpec::new(SERVICE, id(0xb), "Back\\slash \"q\".");
    registry.register(counter, Origin::Service).unwrap().add_f64(0.5);
    let mut out = String::new();
    let process = ProcessMetrics::read("a=\"b\"".into());
    Scrape::new(Format::OpenMetrics, Names::Ids, registry.snapshot(), process).write(&mut out, usize::MAX);
    let expected = [
        r#"# HELP op_a_b Back\\\\slash \"q\"."#.replace("\\\\", "\\"),
        "# TYPE op_a_b counter".into(),
        format!("op_a_b_total{{{LABELS}}} 0.5"),
    ];
    assert_eq!(out.lines().take(3).collect::<Vec<_>>(), expected);
    assert!(out.contains("# TYPE process_cpu_seconds counter\nprocess_cpu_seconds_total{a=\"b\"} "), "{out}");
    assert!(out.ends_with("\n# EOF\n") && out.matches("# EOF").count() == 1, "{out}");
}

#[test]
fn a_sum_that_can_go_down_is_none_to_openmetrics() {
    let registry = registry();
    for (metric, bounds) in [(1, [-1.0, 1.0]), (2, [0.0, 1.0])] {
        let spec = HistogramSpec::new(SERVICE, id(metric), "H.", bounds);
        registry.register(spec, Origin::Service).unwrap().observe(-5.0);
    }
    let text = text(&registry);
    assert_eq!((text.matches("_sum{").count(), text.matches("_count{").count()), (2, 2), "{text}");
    let open_metrics = written(&registry, Format::OpenMetrics);
    assert!(!open_metrics.contains("_sum{") && !open_metrics.contains("_count{"), "{open_metrics}");
    assert_eq!(open_metrics.matches("le=\"+Inf\"} 1\n").count(), 2, "{open_metrics}");
}

#[test]
fn what_is_written_in_slices_is_what_is_written_at_once() {
    let registry = filled();
    for format in [Format::Text, Format::OpenMetrics] {
        let whole = written(&registry, format);
        for bytes in [0, 1, 100, 1_000, whole.len() - 1, whole.len(), whole.len() + 1] {
            let mut scrape = Scrape::new(format, Names::Ids, registry.snapshot(), ProcessMetrics::default());
            let mut slices: Vec<String> = Vec::new();
            loop {
                let mut slice = String::new();
                let progress = scrape.write(&mut slice, bytes);
                assert!(slice.len() < bytes + 1_000, "{bytes}: {slice}");
                slices.push(slice);
                if progress == Progress::Done {
                    break;
                }
            }
            assert_eq!(slices.concat(), whole, "in slices of {bytes}");
        }
    }
}

#[test]
fn series_that_stay_are_there_once_whatever_comes_and_goes_between_two_slices() {
    let registry = registry();
    let vector = GaugeVectorSpec::new(SERVICE, id(1), "G.", ["key"]);
    let gauges = registry.register(vector, Origin::Service).unwrap();
    (0..100).for_each(|key| gauges.with([&format!("stays{key}")]).unwrap().inc());
    let mut scrape = Scrape::new(Format::Text, Names::Ids, registry.snapshot(), ProcessMetrics::default());
    let mut out = String::new();
    for round in 0.. {
        let length = out.len();
        if scrape.write(&mut out, length + 1) == Progress::Done {
            break;
        }
        gauges.with([&format!("comes{round}")]).unwrap();
        gauges.remove([&format!("comes{}", round / 2)]).unwrap();
    }
    let exposed = read(&out, Format::Text).unwrap();
    let stayed = exposed.samples.keys().filter(|(_, labels)| labels["key"].starts_with("stays"));
    assert_eq!(stayed.count(), 100);
}

/// Any text; often text that the formats have to escape, or end with.
fn label_value() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), "[\\\\\"\n\r{},=#na ]{0,8}"]
}

proptest! {
    #[test]
    fn any_help_label_and_value_reads_back(
        help in "\\PC{0,40}[\\\\\"]{0,2}",
        values in prop::collection::btree_map(label_value(), any::<u64>().prop_map(f64::from_bits), 1..5),
        amount in any::<u32>(),
        format in prop_oneof![Just(Format::Text), Just(Format::OpenMetrics)],
    ) {
        let registry = registry();
        let spec = GaugeVectorSpec::new(SERVICE, id(1), help.clone(), ["value"]);
        let Ok(vector) = registry.register(spec, Origin::Service) else {
            prop_assert!(help.trim().is_empty() || help.trim().chars().any(char::is_control));
            return Ok(());
        };
        let counters = CounterVectorSpec::new(SERVICE, id(2), "C.", ["value"]);
        let counters = registry.register(counters, Origin::Service).unwrap();
        for (label, value) in &values {
            vector.with([label]).unwrap().set(*value);
            counters.with([label]).unwrap().add(amount.into());
        }
        let exposed = read(&written(&registry, format), format).map_err(TestCaseError::fail)?;
        prop_assert_eq!(&exposed.families["op_a_1"], &(help.trim().to_owned(), "gauge".to_owned()));
        let counter = if format == Format::Text { "op_a_2" } else { "op_a_2_total" };
        let mut expected = BTreeMap::new();
        for (label, value) in &values {
            let shown = exposed.value("op_a_1", &[("value", label)]);
            prop_assert!(shown == *value || shown.is_nan() && value.is_nan(), "{} is shown as {}", value, shown);
            expected.insert(label.clone(), exposed.value(counter, &[("value", label)]));
        }
        prop_assert!(expected.values().all(|shown| *shown == f64::from(amount)));
        prop_assert_eq!(exposed.samples.len(), 2 * values.len());
    }
}
