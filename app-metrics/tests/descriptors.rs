//! The HTTP server when the process has no file descriptors left. A process of its own, because the test takes them
//! all.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use app_core::testing::TestApp;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{HTTP_CONNECTIONS, METRICS_SERVICE_ID, Metrics};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::fs::File;
use std::net::Ipv4Addr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Few enough to take all of them quickly.
const DESCRIPTORS: u64 = 200;

#[tokio::test]
async fn a_connection_that_waits_makes_room_when_descriptors_run_out() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, hard).unwrap();
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();

    let mut waiting = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    let mut second = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    // Both are accepted once the second is answered.
    assert!(scrape(&mut second).await.starts_with("HTTP/1.1 200 OK"));

    let mut taken: Vec<File> = std::iter::from_fn(|| File::open("/dev/null").ok()).collect();
    // One for the client. The server has none to accept with.
    taken.pop().expect("there were some");
    let mut third = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    assert!(scrape(&mut third).await.starts_with("HTTP/1.1 200 OK"));
    assert_eq!(waiting.read(&mut [0]).await.unwrap(), 0, "the connection that waited longest was closed");
    drop(taken);

    let said = |text: &'static str| {
        move |record: &serde_json::Value| {
            record["message"].as_str().is_some_and(|message| message.contains(text))
        }
    };
    app.captured().wait_for(said("HTTP server cannot accept connections")).await;
    app.captured().wait_for(said("accepts connections again")).await;
    for event in ["accept_failed", "displaced"] {
        assert!(app.metric(METRICS_SERVICE_ID, HTTP_CONNECTIONS, [event]) >= 1.0, "{event}");
    }
    app.stop().await.expect_clean();
}

/// The first bytes of the answer.
async fn scrape(client: &mut TcpStream) -> String {
    client.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut chunk = vec![0; 4096];
    let read = tokio::time::timeout(Duration::from_secs(20), client.read(&mut chunk)).await;
    let read = read.expect("an answer in time").unwrap();
    String::from_utf8_lossy(&chunk[..read]).into_owned()
}
