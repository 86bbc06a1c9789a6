//! Scrapes with readable names: the names, both formats, collisions, and what other parsers say.
//!
//! If a tool is not installed (Debian package `prometheus`), its test says that it was skipped. With `REQUIRE_TOOLS=1` the
//! test fails.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/scrapes.rs"]
mod support;

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_metrics::errors::METRIC_NAME_CONFLICT;
use app_metrics::{
    CounterSpec, CounterVectorSpec, GaugeSpec, HistogramSpec, METRICS_SERVICE_ID, MetricDoc, Metrics,
};
use support::{ask, body, promtool_is_clean, python};

ids! {
    /// A service of these tests.
    POST: ServiceId = 0x70f1_ce00_0000_0001, "post-office";
    /// Letters.
    LETTERS: MetricId = 0x70f1_ce00_0000_0011, "letters";
    /// Bags.
    BAGS: MetricId = 0x70f1_ce00_0000_0012, "bags.open";
    /// Wait.
    WAIT: MetricId = 0x70f1_ce00_0000_0013, "post_office_wait";
    /// Like the count of a histogram.
    WAIT_COUNT: MetricId = 0x70f1_ce00_0000_0014, "wait_seconds_count";
    /// Like a counter.
    LETTERS_TOTAL: MetricId = 0x70f1_ce00_0000_0015, "letters_total";
    /// Like a gauge, after mapping.
    BAGS_TOO: MetricId = 0x70f1_ce00_0000_0016, "bags-open";
    /// Like the creation time of a counter.
    LETTERS_CREATED: MetricId = 0x70f1_ce00_0000_0017, "letters_created";
    /// The process.
    PROCESS: ServiceId = 0x70f1_ce00_0000_0002, "process";
    /// Like a metric of the process.
    OPEN_FDS: MetricId = 0x70f1_ce00_0000_0018, "open_fds";
}

const UNNAMED: MetricId = MetricId::new(0x70f1_ce00_0000_00ff);

const WAIT_DOC: MetricDoc = MetricDoc::histogram(POST, WAIT, "Seconds in line.", &[0.5, 1.0]).unit("seconds");

app_metrics::document! { WAIT_DOC }

async fn app() -> TestApp {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let metrics = app.get::<Metrics>();
    let letters = CounterVectorSpec::new(POST, LETTERS, "Letters, by \"kind\".", ["kind"]);
    metrics.counter_vector(letters).unwrap().with(["a\"\n\\"]).unwrap().add(2);
    metrics.gauge(GaugeSpec::new(POST, BAGS, "Open bags.")).unwrap().set(1.5);
    metrics.histogram(WAIT_DOC.histogram_spec()).unwrap().observe(0.7);
    metrics.counter(CounterSpec::new(POST, UNNAMED, "Without a name.")).unwrap().inc();
    app
}

#[tokio::test]
async fn names_are_made_of_those_of_the_service_and_the_metric() {
    let app = app().await;
    for (accept, total) in [("text/plain", "_total"), ("application/openmetrics-text", "")] {
        let text = body(&ask(&app, "/metrics?names=readable", accept).await);
        let has = |line: &str| assert!(text.contains(line), "{accept}: no {line:?} in\n{text}");
        let help = if total.is_empty() { "by \\\"kind\\\"." } else { "by \"kind\"." };
        has(&format!(
            "# HELP post_office_letters{total} op_70f1ce0000000001_70f1ce0000000011: Letters, {help}\n"
        ));
        has(&format!("# TYPE post_office_letters{total} counter\n"));
        has("\npost_office_letters_total{domain=");
        has(",svc=\"70f1ce0000000001\",");
        has("\n# TYPE post_office_bags_open gauge\npost_office_bags_open{");
        has("\n# TYPE post_office_wait_seconds histogram\n");
        has("\npost_office_wait_seconds_bucket{");
        has("\npost_office_wait_seconds_sum{");
        has("\nop_70f1ce0000000001_70f1ce00000000ff_total{");
        has("\napp_service_up{");
        has("\nprocess_cpu_seconds_total{");
        let unit = "\n# UNIT post_office_wait_seconds seconds\n";
        assert_eq!(text.contains(unit), total.is_empty(), "{text}");
        let named_by_id = text.lines().filter(|line| line.starts_with("op_"));
        assert_eq!(named_by_id.count(), 1, "{text}");
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn with_ids_only_the_help_has_the_readable_name() {
    let app = app().await;
    let with_ids =
        [ask(&app, "/metrics", "text/plain").await, ask(&app, "/metrics?names=ids&x=y", "text/plain").await];
    for answer in with_ids {
        let text = body(&answer);
        for line in [
            "# HELP op_70f1ce0000000001_70f1ce0000000011 post_office_letters_total: Letters, by \"kind\".\n",
            "\nop_70f1ce0000000001_70f1ce0000000011{",
            "# HELP op_70f1ce0000000001_70f1ce00000000ff Without a name.\n",
        ] {
            assert!(text.contains(line), "no {line:?} in\n{text}");
        }
        let names = text.lines().filter(|line| !line.starts_with('#') && !line.starts_with("process_"));
        assert!(names.clone().count() > 10);
        for line in names {
            assert!(line.starts_with("op_"), "{line}");
        }
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn promtool_and_python_find_nothing_to_remark() {
    let app = app().await;
    let text = body(&ask(&app, "/metrics?names=readable", "text/plain").await);
    promtool_is_clean(&text);
    for (format, accept) in [("text", "text/plain"), ("openmetrics", "application/openmetrics-text")] {
        let text = body(&ask(&app, "/metrics?names=readable", accept).await);
        let Some(samples) = python(format, &text) else { continue };
        let letters: Vec<_> =
            samples.iter().filter(|(name, _, _)| name == "post_office_letters_total").collect();
        assert_eq!(letters.len(), 1, "{format}: {samples:?}");
        assert_eq!(letters[0].1["kind"], "a\"\n\\");
        assert_eq!(letters[0].2, 2.0);
        assert!(
            samples.iter().any(|(name, _, value)| name == "post_office_wait_seconds_count" && *value == 1.0)
        );
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_word_that_is_unknown_is_refused_with_the_cure() {
    let app = app().await;
    for (query, said) in [
        ("names=nice", "names: there is no \"nice\"; ask for names=ids, names=readable, or neither"),
        ("names=", "names: there is no \"\";"),
        ("names", "names: there is no \"\";"),
        ("names=Readable", "names: there is no \"Readable\";"),
        ("a=b&names=readable&names=ids", "names: asked for twice, with two values;"),
        ("names=%22%0d%0a%00x", "names: there is no \"\\\"\\r\\n\\0x\";"),
    ] {
        let answer = ask(&app, &format!("/metrics?{query}"), "*/*").await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{query}: {answer}");
        assert!(body(&answer).starts_with(said), "{query}: {answer}");
    }
    let long = ask(&app, &format!("/metrics?names={}", "x".repeat(2_000)), "*/*").await;
    assert!(long.starts_with("HTTP/1.1 400 ") && long.len() < 500, "{long}");
    for query in ["names=readable&names=readable", "names=%72eadable", "&&=&names=readable&"] {
        let answer = ask(&app, &format!("/metrics?{query}"), "*/*").await;
        assert!(
            answer.starts_with("HTTP/1.1 200 ") && answer.contains("\npost_office_bags_open{"),
            "{query}"
        );
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn two_metrics_with_a_name_in_common_are_an_error_that_names_both() {
    let app = app().await;
    let metrics = app.get::<Metrics>();
    let gauge = |service, metric| metrics.gauge(GaugeSpec::new(service, metric, "Help.")).map(drop);
    for (registered, own, other) in [
        (gauge(POST, WAIT_COUNT), "70f1ce0000000014", "70f1ce0000000013"),
        (gauge(POST, LETTERS_TOTAL), "70f1ce0000000015", "70f1ce0000000011"),
        (gauge(POST, BAGS_TOO), "70f1ce0000000016", "70f1ce0000000012"),
        (gauge(POST, LETTERS_CREATED), "70f1ce0000000017", "70f1ce0000000011"),
        (
            metrics.counter(CounterSpec::new(POST, LETTERS_TOTAL, "Help.")).map(drop),
            "70f1ce0000000015",
            "70f1ce0000000011",
        ),
    ] {
        let error = registered.expect_err("they collide");
        assert!(error.is(&METRIC_NAME_CONFLICT), "{error}");
        let message = error.to_string();
        for id in [own, other] {
            assert!(message.contains(&format!("op_70f1ce0000000001_{id} ")), "{message}");
        }
        assert!(message.contains("record another name"), "{message}");
    }
    let of_the_process = gauge(PROCESS, OPEN_FDS).expect_err("the process has this name").to_string();
    assert!(of_the_process.contains("the metric process_open_fds of the process"), "{of_the_process}");
    // What was refused is not there, and takes no name.
    let spec = HistogramSpec::new(POST, WAIT_COUNT, "Help.", [1.0]);
    assert!(metrics.histogram(spec).is_err());
    assert!(metrics.registry().gauge(POST, WAIT_COUNT).is_none());
    assert_eq!(metrics.registry().readable_name(POST, LETTERS).as_deref(), Some("post_office_letters_total"));
    assert_eq!(metrics.registry().readable_name(POST, UNNAMED), None);
    app.stop().await.expect_clean();
}
