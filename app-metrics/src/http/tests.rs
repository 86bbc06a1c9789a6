//! Tests of the HTTP server over real sockets, with short limits.

mod keep_alive;
mod traced;
mod unusual;

use super::router::marked;
use super::{Bound, HttpMetrics, Limits};
use crate::{HTTP_CONNECTIONS, HTTP_CONNECTIONS_OPEN, HTTP_REQUESTS, METRICS_SERVICE_ID, MetricRegistry};
use app_core::listeners::listen;
use app_core::{Log, LogLevel};
use axum::Router;
use axum::body::{Body, Bytes};
use axum::routing::get;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const LOCALHOST: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);
const SHORT: Duration = Duration::from_millis(100);
const DEADLINE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    dying: CancellationToken,
    served: JoinHandle<()>,
    log: app_core::log::CapturedLog,
    registry: MetricRegistry,
}

impl Running {
    fn start(router: Router, limits: Limits) -> Self {
        let listener = listen(Some(LOCALHOST), 0).expect("a free port");
        let address = listener.address();
        let bound = Bound::new(listener, None).unwrap();
        let identity =
            app_core::Identity { domain: 1.into(), app: 2.into(), release: 3.into(), instance: 4.into() };
        let (log, captured) = Log::captured(&identity, LogLevel::Debug);
        let dying = CancellationToken::new();
        let registry = MetricRegistry::new(identity, 1_000);
        let meters = HttpMetrics::register(&registry).unwrap();
        let served = tokio::spawn(bound.serve(router, limits, meters, log.logger(), dying.clone()));
        Self { address, dying, served, log: captured, registry }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    async fn send(&self, request: &str) -> TcpStream {
        let mut client = self.connect().await;
        client.write_all(request.as_bytes()).await.unwrap();
        client
    }

    async fn ask(&self, request: &str) -> String {
        rest(self.send(request).await).await
    }

    /// Number of connections with this event.
    fn connections(&self, event: &str) -> f64 {
        self.registry.value(METRICS_SERVICE_ID, HTTP_CONNECTIONS, &[event]).unwrap()
    }

    async fn stop(self) -> MetricRegistry {
        self.dying.cancel();
        within(self.served).await.unwrap();
        self.registry
    }
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, future).await.expect("not within the deadline")
}

/// Everything that the server sends until it closes the connection, even with a reset.
async fn rest(mut client: TcpStream) -> String {
    let mut received = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = within(client.read(&mut chunk)).await {
        received.extend_from_slice(&chunk[..read]);
    }
    String::from_utf8_lossy(&received).into_owned()
}

/// The first bytes of an answer, on a connection that stays open.
async fn first(client: &mut TcpStream) -> String {
    let mut chunk = [0; 4096];
    let read = within(client.read(&mut chunk)).await.unwrap();
    String::from_utf8_lossy(&chunk[..read]).into_owned()
}

fn hello() -> Router {
    Router::new().route("/hello", get(|| async { "hello" }))
}

fn request(method: &str, path: &str) -> String {
    format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
}

#[tokio::test]
async fn get_and_head_are_answered_and_nothing_else_is() {
    let server = Running::start(hello(), Limits::default());
    let answer = server.ask(&request("GET", "/hello")).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\nhello"), "{answer}");
    let answer = server.ask(&request("HEAD", "/hello")).await;
    assert!(answer.contains("content-length: 5\r\n") && answer.ends_with("\r\n\r\n"), "{answer}");
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "WHATEVER"] {
        let answer = server.ask(&request(method, "/hello")).await;
        assert!(answer.starts_with("HTTP/1.1 405 "), "{answer}");
        assert!(answer.contains("allow: GET,HEAD\r\n"), "{answer}");
    }
    assert!(server.ask(&request("GET", "/hello/")).await.starts_with("HTTP/1.1 404 "));
    server.stop().await;
}

#[tokio::test]
async fn a_request_body_is_not_waited_for() {
    let server = Running::start(hello(), Limits::default());
    let answer = server.ask("GET /hello HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\nsome").await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    server.stop().await;
}

#[tokio::test]
async fn requests_follow_one_another_on_one_connection() {
    let server = Running::start(hello(), Limits::default());
    let mut client = server.connect().await;
    for _ in 0..3 {
        client.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(first(&mut client).await.starts_with("HTTP/1.1 200 "));
    }
    server.stop().await;
}

#[tokio::test]
async fn a_header_that_does_not_come_in_time_ends_the_connection() {
    let server = Running::start(hello(), Limits { header_read: SHORT, idle: SHORT, ..Limits::default() });
    for half in ["", "GET /hello HT", "GET /hello HTTP/1.1\r\nhost: x\r\n"] {
        let answer = server.ask(half).await;
        assert!(!answer.contains("200"), "{answer}");
    }
    let mut idle = server.send("GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(first(&mut idle).await.ends_with("hello"));
    assert_eq!(rest(idle).await, "", "a connection that is idle too long is closed");
    assert_eq!(server.connections("accepted"), 4.0);
    assert_eq!(server.connections("timed_out"), 2.0, "the connections with half a request");
    server.stop().await;
}

#[tokio::test]
async fn a_header_too_large_is_refused() {
    let server = Running::start(hello(), Limits::default());
    let large = format!("GET /hello HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "y".repeat(9 * 1024));
    assert!(server.ask(&large).await.starts_with("HTTP/1.1 431 "));
    server.stop().await;
}

#[tokio::test]
async fn garbage_hurts_nobody_else() {
    let server = Running::start(hello(), Limits::default());
    for garbage in [
        "\r\n\r\n\0\0\u{7f}\r\n\r\n",
        "GET\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "\u{16}\u{3}\u{1}\u{2}\0\u{1}",
    ] {
        let mut client = server.send(garbage).await;
        client.shutdown().await.unwrap();
        let answer = rest(client).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
    }
    assert!(server.ask(&request("GET", "/hello")).await.ends_with("hello"));
    server.stop().await;
}

#[tokio::test]
async fn whoever_waits_longest_makes_room_for_a_new_connection() {
    let server = Running::start(hello(), Limits { connections: 4, ..Limits::default() });
    let mut oldest = server.connect().await;
    for _ in 0..2 {
        // This connection was served, so its wait began only then.
        oldest.write_all(b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        assert!(first(&mut oldest).await.ends_with("hello"));
    }
    let mut halves = Vec::new();
    for _ in 0..40 {
        halves.push(server.send("GET /hello HTTP/1.1\r\nhost").await);
    }
    assert!(server.ask(&request("GET", "/hello")).await.ends_with("hello"));
    assert_eq!(rest(halves.remove(0)).await, "");
    assert_eq!(server.connections("accepted"), 42.0);
    assert_eq!(server.connections("displaced"), 38.0);
    server.stop().await;
}

#[tokio::test]
async fn when_all_connections_are_being_answered_a_new_one_is_refused() {
    let (arrived, mut arrivals) = mpsc::channel(2);
    let go_on = Arc::new(Notify::new());
    let release = Arc::clone(&go_on);
    let slow = move || {
        let (arrived, go_on) = (arrived.clone(), Arc::clone(&go_on));
        async move {
            let waits = go_on.notified();
            arrived.send(()).await.expect("the test waits");
            waits.await;
            "slow"
        }
    };
    let router = Router::new().route("/slow", get(slow));
    let server = Running::start(router, Limits { connections: 2, ..Limits::default() });
    let busy = [server.send(&request("GET", "/slow")).await, server.send(&request("GET", "/slow")).await];
    for _ in 0..2 {
        within(arrivals.recv()).await.unwrap();
    }
    let refused = server.ask("").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert_eq!((server.connections("accepted"), server.connections("refused")), (2.0, 1.0));
    let open = server.registry.value(METRICS_SERVICE_ID, HTTP_CONNECTIONS_OPEN, &[]);
    assert_eq!(open.unwrap(), 2.0);
    release.notify_waiters();
    for client in busy {
        assert!(rest(client).await.ends_with("slow"));
    }
    server.stop().await;
}

/// A body that reports its drop.
struct Watched(Vec<u8>, mpsc::Sender<()>);

impl AsRef<[u8]> for Watched {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        let _ = self.1.try_send(());
    }
}

#[tokio::test]
async fn a_client_that_does_not_take_its_answer_is_dropped() {
    for limits in [
        Limits { write_stall: SHORT, ..Limits::default() },
        Limits { write_total: SHORT, ..Limits::default() },
    ] {
        let (gone, mut went) = mpsc::channel(1);
        let large = move || {
            let bytes = Bytes::from_owner(Watched(vec![0; 64 << 20], gone.clone()));
            async move { Body::from(bytes) }
        };
        let server = Running::start(Router::new().route("/large", get(large)), limits);
        let client = server.send(&request("GET", "/large")).await;
        within(went.recv()).await.unwrap();
        drop(client);
        let registry = server.stop().await;
        assert_eq!(registry.value(METRICS_SERVICE_ID, HTTP_CONNECTIONS, &["timed_out"]).unwrap(), 1.0);
    }
}

#[tokio::test]
async fn a_handler_that_takes_too_long_is_answered_for() {
    let never = marked("/never/{name}", get(std::future::pending::<()>));
    let router = Router::new().route("/never/{name}", never);
    let server = Running::start(router, Limits { answer: SHORT, ..Limits::default() });
    assert!(server.ask(&request("GET", "/never/a")).await.starts_with("HTTP/1.1 503 "));
    let registry = server.stop().await;
    let counted = registry.value(METRICS_SERVICE_ID, HTTP_REQUESTS, &["/never/{name}", "GET", "503"]);
    assert_eq!(counted.unwrap(), 1.0);
}

#[tokio::test]
async fn a_handler_that_panics_loses_its_connection_only() {
    async fn panics() -> &'static str {
        panic!("as it should")
    }
    let server = Running::start(hello().route("/panics", get(panics)), Limits::default());
    assert_eq!(server.ask(&request("GET", "/panics")).await, "");
    assert!(server.ask(&request("GET", "/hello")).await.ends_with("hello"));
    let text = server.log.text();
    assert!(text.contains("a handler of an HTTP route panicked") && text.contains("as it should"), "{text}");
    server.stop().await;
}

#[tokio::test]
async fn a_stop_lets_answers_end_and_holds_for_nobody_else() {
    let (arrived, mut arrivals) = mpsc::channel(1);
    let go_on = Arc::new(Notify::new());
    let release = Arc::clone(&go_on);
    let slow = move || {
        let (arrived, go_on) = (arrived.clone(), Arc::clone(&go_on));
        async move {
            let waits = go_on.notified();
            arrived.send(()).await.expect("the test waits");
            waits.await;
            "slow"
        }
    };
    let server = Running::start(Router::new().route("/slow", get(slow)), Limits::default());
    let half = server.send("GET /slow HTTP/1.1\r\n").await;
    let mut slowly = server.send("GET /slow HTTP/1.1\r\nhost: x").await;
    let silent = server.connect().await;
    let mut idle = server.send(&request("GET", "/nothing").replace("connection: close\r\n", "")).await;
    assert!(first(&mut idle).await.starts_with("HTTP/1.1 404"));
    let busy = server.send(&request("GET", "/slow")).await;
    within(arrivals.recv()).await.unwrap();
    server.dying.cancel();
    release.notify_waiters();
    let answer = rest(busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("slow"), "{answer}");
    assert_eq!(rest(idle).await, "");
    // A byte of this request was read, so it is answered.
    slowly.write_all(b"\r\n\r\n").await.unwrap();
    within(arrivals.recv()).await.unwrap();
    release.notify_waiters();
    let answer = rest(slowly).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("slow"), "{answer}");
    let address = server.address;
    within(server.served).await.unwrap();
    assert_eq!(rest(half).await, "");
    assert_eq!(rest(silent).await, "");
    assert_eq!(TcpStream::connect(address).await.unwrap_err().kind(), ErrorKind::ConnectionRefused);
}

#[tokio::test]
async fn an_answer_that_is_made_while_it_is_sent_makes_no_room() {
    let (pieces, made) = mpsc::channel::<&'static str>(1);
    let made = Arc::new(tokio::sync::Mutex::new(made));
    let slow = move || {
        let made = Arc::clone(&made);
        let pieces = futures_util::stream::unfold(made, |made| async {
            let piece = made.lock().await.recv().await?;
            Some((Ok::<_, std::io::Error>(piece), made))
        });
        async { Body::from_stream(pieces) }
    };
    let router = Router::new().route("/slow", get(slow));
    let server = Running::start(router, Limits { connections: 1, ..Limits::default() });
    let mut client = server.send(&request("GET", "/slow")).await;
    pieces.send("first").await.unwrap();
    assert!(first(&mut client).await.contains("first"));
    // Everything was flushed, and the connection is still being answered.
    let refused = server.ask("").await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    pieces.send("second").await.unwrap();
    drop(pieces);
    assert!(rest(client).await.contains("second"));
    server.stop().await;
}
