//! Ten thousand clients that send half a request. A process of its own, because it needs more file descriptors than
//! usual.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use app_core::testing::TestApp;
use app_metrics::testing::TestMetrics as _;
use app_metrics::{HTTP_CONNECTIONS, METRICS_SERVICE_ID, Metrics};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

const CLIENTS: usize = 10_000;
/// Descriptors for the clients, for the server, and some spare ones.
const DESCRIPTORS: u64 = 11_000;
const ANSWER_WITHIN: Duration = Duration::from_millis(100);
const CLOSED_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn ten_thousand_half_sent_requests_keep_no_scrape_out_and_are_closed() {
    raise_descriptors();
    let app = TestApp::with([METRICS_SERVICE_ID]).await;
    let port = app.get::<Metrics>().bound_address().expect("it listens").port();
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));

    let mut clients = Vec::new();
    let mut answered_after = Duration::MAX;
    for count in 1..=CLIENTS {
        let mut client = TcpStream::connect(address).await.unwrap();
        client.write_all(b"GET /metrics HTTP/1.1\r\nhost: half").await.unwrap();
        clients.push(client);
        if count % (CLIENTS / 10) == 0 {
            // The fastest of ten attempts, because other tests may load the machine.
            answered_after = answered_after.min(scrape(address).await);
        }
    }
    assert!(answered_after < ANSWER_WITHIN, "a scrape took {answered_after:?}");

    // From here on, paused time passes when every task waits. So the deadlines are the real ones, but the test does not
    // wait.
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    for mut client in clients {
        let mut rest = Vec::new();
        let closed = tokio::time::timeout(CLOSED_WITHIN * 2, client.read_to_end(&mut rest)).await;
        // A reset if the server had not read everything, which is as good.
        let _ = closed.expect("it is closed");
        assert!(!rest.starts_with(b"HTTP/1.1 200"), "{}", String::from_utf8_lossy(&rest));
    }
    assert!(began.elapsed() < CLOSED_WITHIN, "the last was closed after {:?}", began.elapsed());
    let connections = |event| app.metric(METRICS_SERVICE_ID, HTTP_CONNECTIONS, [event]);
    let ended = connections("displaced") + connections("timed_out") + connections("refused");
    assert!(ended >= CLIENTS as f64, "{ended}");
    app.stop().await.expect_clean();
}

fn raise_descriptors() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, DESCRIPTORS, hard.max(DESCRIPTORS)).unwrap_or_else(|error| {
        panic!("{DESCRIPTORS} file descriptors (ulimit -n: {hard} at most): {error}")
    });
}

/// How long the answer took.
async fn scrape(address: SocketAddr) -> Duration {
    let began = Instant::now();
    let mut client = TcpStream::connect(address).await.unwrap();
    client.write_all(b"GET /metrics HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    let mut answer = String::new();
    let read = tokio::time::timeout(Duration::from_secs(20), client.read_to_string(&mut answer)).await;
    read.expect("an answer in time").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    began.elapsed()
}
