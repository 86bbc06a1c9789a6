//! Tests of the text format.

use super::{Format, ProcessMetrics, Progress, Scrape};
use crate::registry::MetricRegistry;
use crate::spec::Origin;
use crate::{CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec};
use app_core::Identity;
use app_ids::{AppId, DomainId, InstanceId, MetricId, ReleaseId, ServiceId};
use proptest::prelude::*;
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
    let mut scrape = Scrape::new(format, registry.snapshot(), ProcessMetrics::default());
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
    let process = ProcessMetrics::read("a=\"b\"".to_owned());
    Scrape::new(Format::Text, registry.snapshot(), process).write(&mut out, usize::MAX);
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
        let samples = parsed(&text(&registry)).unwrap();
        for (key, value) in &samples {
            if let Some(labels) = key.strip_prefix("op_a_2_count{") {
                let infinite = format!("op_a_2_bucket{{{labels}le=+Inf;");
                assert_eq!(samples.get(&infinite), Some(value), "the count is that of the buckets");
            }
        }
    });
    let samples = parsed(&text(&registry)).unwrap();
    for thread in ["0", "1"] {
        let labels = format!("domain=1;app=2;svc=a;release=3;instance=4;thread={thread};");
        assert_eq!(samples[&format!("op_a_1{{{labels}")], 2_000.0);
        assert_eq!(samples[&format!("op_a_2_count{{{labels}")], 2_000.0);
        assert_eq!(samples[&format!("op_a_2_sum{{{labels}")], 9_000.0);
        assert_eq!(samples[&format!("op_a_2_bucket{{{labels}le=5.0;")], 1_200.0);
    }
}

proptest! {
    #[test]
    fn any_help_and_label_value_gives_text_that_reads_back(
        help in "\\PC{0,40}[\\\\\"]{0,2}",
        values in prop::collection::btree_set(any::<String>(), 1..5),
        amount in any::<u32>(),
    ) {
        let registry = registry();
        let spec = CounterVectorSpec::new(SERVICE, id(1), help.clone(), ["value"]);
        let Ok(vector) = registry.register(spec, Origin::Service) else {
            prop_assert!(help.trim().is_empty() || help.trim().chars().any(char::is_control));
            return Ok(());
        };
        for value in &values {
            vector.with([value]).unwrap().add(amount.into());
        }
        let out = text(&registry);
        let shown_help = out.lines().next().and_then(|line| line.strip_prefix("# HELP op_a_1 "));
        prop_assert_eq!(shown_help.map(|text| text.replace("\\\\", "\\")), Some(help.trim().to_owned()));
        let samples = parsed(&out).map_err(TestCaseError::fail)?;
        let expected: BTreeMap<String, f64> = values
            .iter()
            .map(|value| (format!("op_a_1{{domain=1;app=2;svc=a;release=3;instance=4;value={value};"), amount.into()))
            .collect();
        prop_assert_eq!(samples, expected);
    }
}

/// Samples by `name{label=value;label=value;`, read by the rules of the format: lines end at a newline only, label
/// values are unescaped, every family was announced before.
fn parsed(text: &str) -> Result<BTreeMap<String, f64>, String> {
    let mut samples = BTreeMap::new();
    let mut family = "";
    for line in text.strip_suffix('\n').ok_or("no newline at the end")?.split('\n') {
        if let Some(rest) = line.strip_prefix("# TYPE ") {
            family = rest.split(' ').next().ok_or("no name")?;
        } else if !line.starts_with("# HELP ") {
            let (key, value) = parsed_sample(line)?;
            if !key.starts_with(family) || samples.insert(key, value).is_some() {
                return Err(format!("twice, or under another family: {line:?}"));
            }
        }
    }
    Ok(samples)
}

fn parsed_sample(line: &str) -> Result<(String, f64), String> {
    let (name, mut rest) = line.split_once('{').ok_or_else(|| format!("no labels: {line:?}"))?;
    let mut key = format!("{name}{{");
    while !rest.starts_with('}') {
        let (label, after) = rest.split_once("=\"").ok_or_else(|| format!("no label: {line:?}"))?;
        let mut chars = after.char_indices();
        key += &format!("{label}=");
        loop {
            match chars.next().ok_or_else(|| format!("no end of the value: {line:?}"))?.1 {
                '"' => break,
                '\\' => key.push(match chars.next().map(|(_, escaped)| escaped) {
                    Some('n') => '\n',
                    Some(c @ ('\\' | '"')) => c,
                    other => return Err(format!("escaped {other:?}: {line:?}")),
                }),
                c => key.push(c),
            }
        }
        key.push(';');
        rest = chars.as_str();
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    let value = rest.strip_prefix("} ").ok_or_else(|| format!("no value: {line:?}"))?;
    Ok((key, value.parse().map_err(|_| format!("no number: {line:?}"))?))
}
