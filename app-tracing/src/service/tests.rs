//! The service as a whole, with a collector in the test.

use std::net::SocketAddr;

use app_core::testing::TestApp;
use app_core::trace::TraceContext;
use app_metrics::testing::TestMetrics as _;
use parking_lot::Mutex;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::*;
use crate::ids::{SPANS_DROPPED, SPANS_FAILED};

mod reload;

/// The sink is that of the process: one app at a time.
static ONE: Mutex<()> = Mutex::new(());

const PATIENCE: Duration = Duration::from_secs(60);

/// A collector that accepts everything, and counts the bytes of spans.
async fn collector() -> (SocketAddr, watch::Receiver<Vec<u8>>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (got, seen) = watch::channel(Vec::new());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let got = got.clone();
            tokio::spawn(async move {
                let mut request = Vec::new();
                loop {
                    let mut bytes = [0; 4096];
                    match stream.read(&mut bytes).await {
                        Ok(0) | Err(_) => return,
                        Ok(read) => request.extend_from_slice(&bytes[..read]),
                    }
                    if let Some(length) = whole(&request) {
                        got.send_modify(|got| got.extend(request.drain(..length)));
                        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await.unwrap();
                    }
                }
            });
        }
    });
    (address, seen)
}

/// The length of the request, if all of it is there.
fn whole(request: &[u8]) -> Option<usize> {
    let head = request.windows(4).position(|part| part == b"\r\n\r\n")? + 4;
    let text = std::str::from_utf8(&request[..head]).unwrap();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
    let length = head + length.parse::<usize>().unwrap();
    (request.len() >= length).then_some(length)
}

fn holds(got: &[u8], text: &str) -> bool {
    got.windows(text.len()).any(|part| part == text.as_bytes())
}

async fn app(variables: &[(&str, String)]) -> TestApp {
    let variables = Variables::of(variables.iter().cloned());
    TestApp::builder().linked([TRACING_SERVICE_ID]).provide(variables).start().await
}

fn plain(address: SocketAddr) -> Vec<(&'static str, String)> {
    vec![("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{address}"))]
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn spans_reach_the_collector_and_those_of_a_stop_too() {
    let _one = ONE.lock();
    let (address, mut got) = collector().await;
    let app = app(&plain(address)).await;
    tracing::info_span!("early", of = "the test").in_scope(|| {});
    tokio::time::timeout(PATIENCE, got.wait_for(|got| holds(got, "early"))).await.unwrap().unwrap();
    assert!(holds(&got.borrow(), "the test") && holds(&got.borrow(), "service.instance.id"));
    tracing::info_span!("late").in_scope(|| {});
    tracing::debug_span!("detail").in_scope(|| {});
    app.stop().await.expect_clean();
    assert!(holds(&got.borrow(), "late") && !holds(&got.borrow(), "detail"));
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn without_an_endpoint_spans_are_off() {
    let _one = ONE.lock();
    let app = app(&[]).await;
    tracing::info_span!("off").in_scope(|| assert!(TraceContext::current().is_none()));
    assert!(app.captured().text().contains("no spans are made: no endpoint is named"));
    let shown = app.operation("tracing", "sampling", json!({})).await.unwrap();
    assert_eq!(shown["collector"], json!(null));
    app.stop().await.expect_clean();
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn sampling_is_changed_for_a_time_and_comes_back() {
    let _one = ONE.lock();
    let (address, _got) = collector().await;
    let mut variables = plain(address);
    variables.push(("OTEL_TRACES_SAMPLER", "parentbased_always_off".to_owned()));
    let app = app(&variables).await;
    let is_sampled = || tracing::info_span!("one").in_scope(|| TraceContext::current().unwrap().sampled());
    assert!(!is_sampled());
    for (arguments, wrong) in [
        (json!({ "ratio": 1.5 }), "ratio: must be 0 to 1"),
        (json!({ "ratio": 1, "for": "2d" }), "at most a day"),
        (json!({ "ratio": 1, "for": "0s" }), "more than 0"),
        (json!({ "ratio": 1, "for": "soon" }), "for: expected a time"),
        (json!({}), "ratio"),
    ] {
        let refused = app.operation("tracing", "sample", arguments).await.unwrap_err();
        assert!(refused.to_string().contains(wrong), "{wrong}: {refused}");
    }
    let set = app.operation("tracing", "sample", json!({ "ratio": 1, "for": "1h" })).await.unwrap();
    assert_eq!((set["ratio"].as_f64(), set["configured"].as_f64()), (Some(1.0), Some(0.0)));
    assert!(is_sampled());
    let reset = app.operation("tracing", "sample-as-configured", json!({})).await.unwrap();
    assert_eq!((reset["ratio"].as_f64(), is_sampled()), (Some(0.0), false));
    // By itself.
    app.operation("tracing", "sample", json!({ "ratio": 1, "for": "20ms" })).await.unwrap();
    let handle = app.get::<Tracing>();
    let back = async {
        while handle.ratio() > 0.0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, back).await.unwrap();
    assert!(!is_sampled());
    app.stop().await.expect_clean();
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn a_wrong_variable_is_a_warning_and_the_application_runs() {
    let _one = ONE.lock();
    let variables = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318".to_owned()),
        ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc".to_owned()),
        ("OTEL_SERVICENAME", "x".to_owned()),
    ];
    let app = app(&variables).await;
    let log = app.captured().text();
    assert!(log.contains("OTEL_EXPORTER_OTLP_PROTOCOL: grpc is not supported"), "{log}");
    assert!(log.contains("did you mean OTEL_SERVICE_NAME?"), "{log}");
    assert!(app.get::<Tracing>().destination().is_none() && app.readiness().ready());
    app.stop().await.expect_clean();
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn a_collector_that_is_away_fails_the_check_and_nothing_else() {
    let _one = ONE.lock();
    // Nothing listens there any more.
    let address = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let app = app(&plain(address)).await;
    tracing::info_span!("lost").in_scope(|| {});
    assert!(app.readiness().ready());
    let metrics = app.get::<Metrics>();
    app.stop().await.expect_clean();
    let failed = format!("{}{{", SPANS_FAILED.prometheus_name(TRACING_SERVICE_ID));
    let text = metrics.encode();
    let line = text.lines().find(|line| line.starts_with(&failed) && line.contains("reason=\"stopped\""));
    // The span of the test, and those of the start.
    assert!(line.is_some_and(|line| !line.ends_with("} 0")), "{line:?}");
}

#[expect(clippy::await_holding_lock, reason = "each test has a runtime of its own")]
#[tokio::test]
async fn spans_that_wait_when_the_exporter_is_given_up_count_as_dropped() {
    let _one = ONE.lock();
    let collector = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let app = app(&plain(collector.local_addr().unwrap())).await;
    tracing::info_span!("first").in_scope(|| {});
    // It never answers, so the exporter waits with its first batch and takes no other.
    let connection = tokio::time::timeout(PATIENCE, collector.accept()).await.unwrap().unwrap();
    for _ in 0..7 {
        tracing::info_span!("waits").in_scope(|| {});
    }
    let tracing = app.get::<Tracing>();
    let waiting = tracing.sink.queue.waiting();
    assert!(waiting >= 7, "{waiting}");
    tracing.give_up("the test");
    assert_eq!(app.metric(TRACING_SERVICE_ID, SPANS_DROPPED, []), waiting as f64);
    drop((connection, collector));
    app.stop().await.expect_clean();
}
