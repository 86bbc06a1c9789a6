//! Memory while spans end faster than any collector takes them: it does not grow, and each span is counted once.
//!
//! The short form runs in CI. The whole one has ten million spans: `cargo test --release -p app-tracing --test memory -- --ignored`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};

use app_core::testing::TestApp;
use app_metrics::Metrics;
use app_tracing::{TRACING_SERVICE_ID, Tracing, Variables};
use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// More than the queue and a request hold at most, and far less than the spans of the short form.
const MOST_GROWTH: usize = 24 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn memory_does_not_grow_with_the_number_of_spans() {
    without_growth(300_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
#[ignore = "takes a minute: the whole form of the test above"]
async fn memory_does_not_grow_over_ten_million_spans() {
    without_growth(10_000_000).await;
}

async fn without_growth(spans: u64) {
    let variables = Variables::of([("OTEL_EXPORTER_OTLP_ENDPOINT", format!("http://{}", collector()))]);
    let app = TestApp::builder().linked([TRACING_SERVICE_ID]).provide(variables).start().await;
    assert!(app.get::<Tracing>().destination().is_some());
    make(20_000);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    make(spans);
    let growth = MEMORY.peak_usage().saturating_sub(before);
    let metrics = app.get::<Metrics>();
    app.stop().await.expect_clean();
    assert!(growth < MOST_GROWTH, "{growth} bytes more after {spans} spans");
    let counted: f64 =
        ["spans_exported", "spans_dropped", "spans_failed"].map(|name| sum(&metrics, name)).iter().sum();
    // Those of the start and the stop come on top.
    let all = (spans + 20_000) as f64;
    assert!((all..all + 200.0).contains(&counted), "{counted} of {all} are counted");
}

/// Several processes of spans, some of them with attributes.
fn make(spans: u64) {
    for number in 0..spans {
        tracing::info_span!("one", number, text = "some text").in_scope(|| {});
    }
}

fn sum(metrics: &Metrics, name: &str) -> f64 {
    let id = app_ids::MetricId::named(name).expect("it has a name");
    let prefix = id.prometheus_name(TRACING_SERVICE_ID);
    let text = metrics.encode();
    let values =
        text.lines().filter(|line| line.starts_with(&prefix)).map(|line| line.rsplit(' ').next().unwrap());
    values.map(|value| value.parse::<f64>().unwrap()).sum()
}

/// A collector that accepts everything.
fn collector() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || accept_all(stream));
        }
    });
    address
}

fn accept_all(stream: TcpStream) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut length = 0;
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if let Some(bytes) = line.strip_prefix("content-length: ") {
                length = bytes.trim().parse().unwrap_or(0);
            }
            if line == "\r\n" {
                break;
            }
        }
        std::io::copy(&mut reader.by_ref().take(length), &mut std::io::sink())?;
        writer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
    }
}
