//! How long connections live: idle, with half a request, and at a stop. Paused time passes only when every task waits.

use super::*;
use tokio::time::{Instant, sleep};

const REQUEST: &[u8] = b"GET /hello HTTP/1.1\r\nhost: x\r\n\r\n";

fn start() -> Running {
    Running::start(hello(), Limits::default())
}

/// Sends text, and reads an answer on a connection that stays open.
async fn exchange(client: &mut TcpStream, request: &[u8]) {
    client.write_all(request).await.unwrap();
    let answer = first(client).await;
    assert!(answer.starts_with("HTTP/1.1 200 ") && answer.ends_with("hello"), "{answer}");
}

/// The time until the server closes the connection.
async fn closed_after(mut client: TcpStream) -> Duration {
    let began = Instant::now();
    let mut rest = Vec::new();
    let limit = Duration::from_secs(600);
    let read = tokio::time::timeout(limit, client.read_to_end(&mut rest)).await.expect("it is closed");
    // The server closes with a reset if it has not read everything.
    assert!(read.is_err() || rest.is_empty(), "{}", String::from_utf8_lossy(&rest));
    began.elapsed()
}

#[track_caller]
fn is_about(time: Duration, seconds: u64) {
    assert!(time.abs_diff(Duration::from_secs(seconds)) < Duration::from_millis(500), "{time:?}");
}

#[tokio::test(start_paused = true)]
async fn a_scraper_with_any_usual_interval_keeps_its_connection() {
    let server = start();
    for interval in [5, 10, 15, 30, 60] {
        let mut client = server.connect().await;
        for _ in 0..10 {
            exchange(&mut client, REQUEST).await;
            sleep(Duration::from_secs(interval)).await;
        }
    }
    assert_eq!(server.connections("timed_out"), 0.0);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_idle_connection_lives_75_s_before_and_after_a_request() {
    let server = start();
    is_about(closed_after(server.connect().await).await, 75);
    let mut client = server.connect().await;
    sleep(Duration::from_secs(70)).await;
    exchange(&mut client, REQUEST).await;
    is_about(closed_after(client).await, 75);
    assert_eq!(server.connections("timed_out"), 0.0, "no client was too slow");
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_slow_header_is_cut_5_s_after_its_first_byte_however_idle_it_was_before() {
    let server = start();
    for idle in [0, 60] {
        for served in [false, true] {
            let mut client = server.connect().await;
            if served {
                exchange(&mut client, REQUEST).await;
            }
            sleep(Duration::from_secs(idle)).await;
            let began = Instant::now();
            // A byte every second, as long as the server accepts it.
            for byte in REQUEST {
                if client.write_all(&[*byte]).await.is_err() {
                    break;
                }
                sleep(Duration::from_secs(1)).await;
            }
            assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
        }
    }
    assert_eq!(server.connections("timed_out"), 4.0);
    server.stop().await;
}

#[tokio::test(start_paused = true)]
async fn half_a_request_behind_a_whole_one_is_slow_too() {
    let server = start();
    let mut client = server.connect().await;
    exchange(&mut client, &[REQUEST, b"GET /he"].concat()).await;
    is_about(closed_after(client).await, 5);
    assert_eq!(server.connections("timed_out"), 1.0);
    server.stop().await;
}

#[tokio::test]
async fn a_stop_closes_what_waits_at_once_and_says_so_in_the_last_answer() {
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
    // Longer than the test, so this limit closes no connection.
    let limits = Limits { drain: DEADLINE * 2, ..Limits::default() };
    let server = Running::start(hello().route("/slow", get(slow)), limits);
    let unused = server.connect().await;
    let half = server.send("GET /hello HT").await;
    let mut idle = server.connect().await;
    exchange(&mut idle, REQUEST).await;
    let busy = server.send("GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await;
    within(arrivals.recv()).await.unwrap();
    server.dying.cancel();
    for waiting in [unused, half, idle] {
        assert_eq!(rest(waiting).await, "");
    }
    release.notify_waiters();
    let answer = rest(busy).await;
    assert!(answer.contains("connection: close\r\n") && answer.ends_with("slow"), "{answer}");
    let log = server.log.clone();
    server.stop().await;
    assert!(!log.text().contains("did not end in time"), "{}", log.text());
}
