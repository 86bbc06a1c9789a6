//! Other parsers read everything that an app exposes: `promtool check metrics`, and the parsers of Python's
//! `prometheus_client` for both formats.
//!
//! If a tool is not installed (Debian package `prometheus`, PyPI package `prometheus-client`), its test says that it
//! was skipped. With `REQUIRE_TOOLS=1` the test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_core::trace::TraceContext;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec,
    METRICS_SERVICE_ID, Metrics,
};
use proptest::prelude::{any, prop_oneof};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use std::io::{ErrorKind, Write as _};
use std::net::Ipv4Addr;
use std::process::{Command, Output, Stdio};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

/// A sampled trace.
const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
/// What OpenMetrics shows of an observation in it.
const EXEMPLAR: &str = "# {trace_id=\"4bf92f3577b34da6a3ce929d0e0e4736\",span_id=\"00f067aa0ba902b7\"} 0.05 ";

/// Exit status of promtool for valid text with lint warnings.
const REMARKS: i32 = 3;

/// Promtool's warnings about names that are ids, in a format whose counters keep their exact names.
const EXPECTED_REMARK: &str = "counter metrics should have \"_total\" suffix";

/// One metric of each kind with awkward values, and empty vectors.
fn fill(metrics: &Metrics) -> Result<(), Error> {
    let id = MetricId::new;
    metrics.counter(CounterSpec::new(SERVICE, id(1), "A \\ counter \"of\" é."))?.add_f64(1.5);
    metrics.gauge(GaugeSpec::new(SERVICE, id(2), "A gauge."))?.set(f64::NEG_INFINITY);
    let histogram =
        metrics.histogram(HistogramSpec::new(SERVICE, id(3), "A histogram.", [0.001, 0.1, 10.0]))?;
    // Within a sampled trace, so that it is an exemplar.
    let traced = TraceContext::parse(TRACE, None).expect("it is well-formed").verified();
    traced.run(|| histogram.observe(0.05));
    let vector = metrics.counter_vector(CounterVectorSpec::new(SERVICE, id(4), "Counters.", ["a", "b"]))?;
    vector.with(["quote \" back \\ line \n end", ""])?.inc();
    vector.with(["{a=\"b\"} 1", "\r\t\u{0}\u{2028}"])?.inc();
    let vector =
        metrics.gauge_vector(GaugeVectorSpec::new(SERVICE, id(5), "Gauges.", ["a"]).max_series(1))?;
    vector.with(["é"])?.set(1e300);
    vector.with(["too many"])?.set(f64::NAN);
    let vector = HistogramVectorSpec::new(SERVICE, id(6), "Histograms.", ["a"], [-1.0, 0.0]);
    metrics.histogram_vector(vector)?.with(["x"])?.observe(3.0);
    metrics.counter_vector(CounterVectorSpec::new(SERVICE, id(7), "None.", ["a"]))?;
    metrics.histogram_vector(HistogramVectorSpec::new(SERVICE, id(8), "None.", ["a"], [1.0]))?;
    Ok(())
}

/// Various label values, the same in every run.
fn random_values() -> Vec<String> {
    let mut runner = TestRunner::deterministic();
    let text = prop_oneof![any::<String>(), "[\\\\\"\n\r{},=#na ]{0,8}"];
    let mut value = || text.new_tree(&mut runner).unwrap().current();
    let mut values: Vec<String> = (0..300).map(|_| value()).collect();
    values.sort();
    values.dedup();
    values
}

/// Runs a tool on a text; `None` if it is not installed.
fn run(tool: &mut Command, text: &str, package: &str) -> Option<Output> {
    let started = tool.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut process = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => return skipped(package),
        started => started.unwrap(),
    };
    let mut stdin = process.stdin.take().expect("it is piped");
    let text = text.to_owned();
    // In a thread of its own: the tool may write more than a pipe holds while it reads. It may also not read
    // everything.
    let writing = std::thread::spawn(move || drop(stdin.write_all(text.as_bytes())));
    let output = process.wait_with_output().unwrap();
    writing.join().unwrap();
    Some(output)
}

fn skipped<T>(package: &str) -> Option<T> {
    let required = std::env::var_os("REQUIRE_TOOLS").is_some_and(|value| value == "1");
    assert!(!required, "{package} is not installed, and REQUIRE_TOOLS=1 asks for it");
    eprintln!("SKIPPED: {package} is not installed");
    None
}

fn promtool(text: &str) -> Option<Output> {
    run(Command::new("promtool").args(["check", "metrics"]), text, "promtool (Debian package prometheus)")
}

/// Values by name and labels.
type Samples = BTreeMap<(String, BTreeMap<String, String>), f64>;

/// The values that `prometheus_client` reads. It calls every counter `_total`.
fn python(format: &str, text: &str) -> Option<Samples> {
    const SCRIPT: &str = "\
import json, sys
from prometheus_client import parser
from prometheus_client.openmetrics import parser as openmetrics
parse = {'text': parser, 'openmetrics': openmetrics}[sys.argv[1]].text_string_to_metric_families
families = list(parse(sys.stdin.buffer.read().decode()))
names = [family.name for family in families]
assert len(names) == len(set(names)), names
exemplars = [s.exemplar for family in families for s in family.samples if s.exemplar]
assert len(exemplars) == (sys.argv[1] == 'openmetrics'), exemplars
for e in exemplars:
    assert e.value == 0.05 and e.timestamp and e.labels['span_id'] == '00f067aa0ba902b7', e
json.dump([[s.name, s.labels, repr(s.value)] for family in families for s in family.samples], sys.stdout)
";
    const PACKAGE: &str = "prometheus_client (PyPI package prometheus-client)";
    let installed = run(Command::new("python3").args(["-c", "import prometheus_client"]), "", PACKAGE)?;
    if !installed.status.success() {
        return skipped(PACKAGE);
    }
    let output = run(Command::new("python3").args(["-c", SCRIPT, format]), text, PACKAGE)?;
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{format}: {said}\n{text}");
    let samples: Vec<(String, BTreeMap<String, String>, String)> =
        serde_json::from_slice(&output.stdout).unwrap();
    Some(samples.into_iter().map(|(name, labels, value)| ((name, labels), value.parse().unwrap())).collect())
}

#[tokio::test]
async fn python_understands_both_formats_as_they_are_meant() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = app.get::<Metrics>();
    fill(&metrics).unwrap();
    let random = GaugeVectorSpec::new(SERVICE, MetricId::new(0x10), "Random.", ["value"]);
    let random = metrics.gauge_vector(random).unwrap();
    let values = random_values();
    for (index, value) in values.iter().enumerate() {
        random.with([value]).unwrap().set(index as f64);
    }
    let scrapes = [
        ("text", scrape(&app, "text/plain").await),
        ("openmetrics", scrape(&app, "application/openmetrics-text").await),
    ];
    assert!(!scrapes[0].1.contains(" # {") && scrapes[1].1.contains(EXEMPLAR), "{}", scrapes[1].1);
    let constant: BTreeMap<_, _> = metrics
        .registry()
        .metric_spec_labels(SERVICE)
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    app.stop().await.expect_clean();
    for (format, text) in scrapes {
        let Some(samples) = python(format, &text) else { return };
        let value = |name: &str, labels: &[(&str, &str)]| {
            let mut all = constant.clone();
            all.extend(labels.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
            let key = (format!("op_ce1f32c680e1ef0b_{name}"), all);
            *samples.get(&key).unwrap_or_else(|| panic!("{format}: no {key:?} in {samples:?}"))
        };
        assert_eq!(value("1_total", &[]), 1.5);
        assert_eq!(value("2", &[]), f64::NEG_INFINITY);
        assert_eq!((value("3_sum", &[]), value("3_count", &[])), (0.05, 1.0));
        assert_eq!(value("3_bucket", &[("le", "0.001")]), 0.0);
        assert_eq!(value("3_bucket", &[("le", "10.0")]), 1.0);
        assert_eq!(value("4_total", &[("a", "quote \" back \\ line \n end"), ("b", "")]), 1.0);
        assert_eq!(value("4_total", &[("a", "{a=\"b\"} 1"), ("b", "\r\t\u{0}\u{2028}")]), 1.0);
        assert_eq!(value("5", &[("a", "é")]), 1e300);
        assert!(value("5", &[("a", "overflow")]).is_nan());
        assert_eq!(value("6_bucket", &[("a", "x"), ("le", "+Inf")]), 1.0);
        for (index, random) in values.iter().enumerate() {
            assert_eq!(value("10", &[("value", random)]), index as f64);
        }
        assert!(samples.keys().any(|(name, _)| name == "process_cpu_seconds_total"));
    }
}

/// The answer to a client that accepts only this format.
async fn scrape(app: &TestApp, accept: &str) -> String {
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();
    let mut client = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let request =
        format!("GET /metrics HTTP/1.1\r\nhost: x\r\naccept: {accept}\r\nconnection: close\r\n\r\n");
    client.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    client.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains(&format!("content-type: {accept};")), "{head}");
    body.to_owned()
}

#[tokio::test]
async fn promtool_reads_all_and_remarks_on_nothing_but_names() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    fill(&app.get::<Metrics>()).unwrap();
    let text = app.scrape();
    app.stop().await.expect_clean();
    let Some(output) = promtool(&text) else { return };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(matches!(output.status.code(), Some(0 | REMARKS)), "{}: {said}\n{text}", output.status);
    for remark in said.lines() {
        assert!(remark.starts_with("op_") && remark.ends_with(EXPECTED_REMARK), "{said}");
    }
}

#[test]
fn promtool_refuses_what_is_no_exposition() {
    if let Some(output) = promtool("op_1_1{a=\"} 1\n") {
        assert_eq!(output.status.code(), Some(1));
    }
}
