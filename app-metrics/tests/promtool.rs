//! `promtool check metrics` reads everything that an app exposes.
//!
//! Without promtool (Debian package `prometheus`) the test says that it was skipped; with `REQUIRE_TOOLS=1` it fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test that is skipped says so")]

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeSpec, GaugeVectorSpec, HistogramSpec, HistogramVectorSpec,
    METRICS_SERVICE_ID, Metrics,
};
use std::io::{ErrorKind, Write as _};
use std::process::{Command, Output, Stdio};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

/// Exit status of promtool when it could read all and has remarks.
const REMARKS: i32 = 3;

/// What promtool remarks on names that are ids, in a format whose counters keep their exact name.
const EXPECTED_REMARK: &str = "counter metrics should have \"_total\" suffix";

/// One metric of each kind, with awkward values, and vectors with nothing in them.
fn fill(metrics: &Metrics) -> Result<(), Error> {
    let id = MetricId::new;
    metrics.counter(CounterSpec::new(SERVICE, id(1), "A \\ counter \"of\" é."))?.add_f64(1.5);
    metrics.gauge(GaugeSpec::new(SERVICE, id(2), "A gauge."))?.set(f64::NEG_INFINITY);
    metrics.histogram(HistogramSpec::new(SERVICE, id(3), "A histogram.", [0.001, 0.1, 10.0]))?.observe(0.05);
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

/// `None` without promtool.
fn promtool(text: &str) -> Option<Output> {
    let started = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut process = match started {
        Err(error) if error.kind() == ErrorKind::NotFound => {
            let required = std::env::var_os("REQUIRE_TOOLS").is_some_and(|value| value == "1");
            assert!(!required, "promtool is not installed (Debian package prometheus)");
            return None;
        }
        started => started.unwrap(),
    };
    process.stdin.take().expect("it is piped").write_all(text.as_bytes()).unwrap();
    Some(process.wait_with_output().unwrap())
}

#[tokio::test]
async fn promtool_reads_all_and_remarks_on_nothing_but_names() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    fill(&app.get::<Metrics>()).unwrap();
    let text = app.scrape();
    app.stop().await.expect_clean();
    let Some(output) = promtool(&text) else {
        eprintln!("SKIPPED: promtool is not installed (Debian package prometheus)");
        return;
    };
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
