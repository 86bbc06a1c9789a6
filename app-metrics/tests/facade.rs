//! What dependencies record through the crate `metrics`. Its recorder is the process's, so the tests of this file share it:
//! each has names of its own.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "support/scrapes.rs"]
mod support;

use app_core::testing::TestApp;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{INCLUDED_DROPPED, METRICS_SERVICE_ID};
use capnp::message::Builder;
use schema::metrics_capnp::metrics_service_spec;
use std::time::Duration;
use support::{ask, body, promtool_is_clean, python};

/// An app whose config names the prefix of all tests, with 100 series for each name.
async fn app(idle_seconds: u32) -> TestApp {
    let mut message = Builder::new_default();
    let mut spec = message.init_root::<metrics_service_spec::Builder<'_>>();
    spec.set_http_port(0);
    spec.set_max_series_per_vector(100);
    spec.set_facade_idle_seconds(idle_seconds);
    spec.reborrow().init_facade_prefixes(1).set(0, "test.");
    let mut buckets = spec.init_facade_buckets(2);
    buckets.set(0, 0.5);
    buckets.set(1, 2.0);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let builder = TestApp::builder();
    std::fs::write(builder.config_dir().join(format!("{METRICS_SERVICE_ID:#x}")), content).unwrap();
    builder.linked([METRICS_SERVICE_ID]).start().await
}

#[tokio::test]
async fn what_begins_with_a_prefix_is_in_the_scrape() {
    let app = app(0).await;
    metrics::describe_counter!("test.one.requests", metrics::Unit::Count, "Requests,\nof all \\ kinds");
    metrics::counter!("test.one.requests", "path" => "/a\"\\\n", "svc" => "theirs").increment(3);
    metrics::counter!("test.one.requests", "path" => "/b", "svc" => "theirs").absolute(7);
    metrics::gauge!("test.one.open").set(1.5);
    metrics::gauge!("test.one.open").decrement(1.0);
    metrics::describe_histogram!("test.one.wait_seconds", metrics::Unit::Seconds, "Wait");
    metrics::histogram!("test.one.wait_seconds").record(1.0);
    metrics::counter!("other_requests").increment(1);
    for (format, accept) in [("text", "text/plain"), ("openmetrics", "application/openmetrics-text")] {
        let text = body(&ask(&app, "/metrics?names=readable", accept).await);
        assert!(!text.contains("other_requests"), "{text}");
        for line in [
            "test_one_requests_total{domain=",
            ",path=\"/a\\\"\\\\\\n\",exported_svc=\"theirs\"} 3\n",
            ",path=\"/b\",exported_svc=\"theirs\"} 7\n",
            "\n# TYPE test_one_open gauge\n",
            "} 0.5\n",
            "\n# TYPE test_one_wait_seconds histogram\n",
            "\ntest_one_wait_seconds_bucket{",
            ",le=\"0.5\"} 0\n",
            ",le=\"2.0\"} 1\n",
            "Unit: seconds.\n",
        ] {
            assert!(text.contains(line), "{accept}: no {line:?} in\n{text}");
        }
        if format == "text" {
            assert!(
                text.contains("# HELP test_one_requests_total Requests, of all \\\\ kinds Unit: count.\n")
            );
            promtool_is_clean(&text);
        }
        assert_eq!(text.contains("# UNIT test_one_wait_seconds seconds\n"), format == "openmetrics");
        python(format, &text);
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn series_and_kinds_are_bounded_and_what_is_too_much_is_counted() {
    let app = app(0).await;
    for number in 0..150 {
        metrics::counter!("test.two.wide", "number" => number.to_string()).increment(1);
    }
    metrics::gauge!("test.two.wide").set(1.0);
    metrics::counter!("test.two.long", "a" => "x".repeat(5_000)).increment(1);
    let text = app.scrape();
    assert_eq!(text.matches("\ntest_two_wide_total{").count(), 101, "{text}");
    assert!(text.contains(",number=\"overflow\"} 50\n"), "{text}");
    assert!(text.contains("test_two_long_total{") && text.contains("a=\"overflow\"} 1\n"), "{text}");
    let dropped = |reason| app.metric(METRICS_SERVICE_ID, INCLUDED_DROPPED, [reason]);
    assert!(dropped("series_cap") >= 51.0);
    assert!(dropped("type_conflict") >= 1.0);
    python("text", &text);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn what_threads_record_at_once_is_all_there() {
    let app = app(0).await;
    let threads: Vec<_> = (0..8)
        .map(|thread: u32| {
            std::thread::spawn(move || {
                for number in 0..1_000 {
                    metrics::counter!("test.three.sum", "thread" => (thread % 2).to_string()).increment(1);
                    metrics::histogram!("test.three.time").record(f64::from(number));
                }
            })
        })
        .collect();
    for _ in 0..20 {
        app.scrape();
    }
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    let text = app.scrape();
    for line in [",thread=\"0\"} 4000\n", ",thread=\"1\"} 4000\n"] {
        assert!(text.contains(line), "{text}");
    }
    let count = text.lines().find(|line| line.starts_with("test_three_time_count")).unwrap();
    assert!(count.ends_with("} 8000"), "{count}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn without_a_prefix_nothing_is_shown() {
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    metrics::counter!("test.four").increment(1);
    assert!(!app.scrape().contains("test_four"));
    tokio::time::timeout(Duration::from_secs(20), app.stop()).await.unwrap().expect_clean();
}
