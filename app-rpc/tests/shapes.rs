//! Shapes of what one client may send: the memory of each, and its effect on other clients.
//!
//! A program of its own, because it counts all memory of the process. It writes the table of `docs/ATTACKS.md` with
//!
//! ```text
//! ATTACKS="$PWD/docs/ATTACKS.md" cargo test -p app-rpc --test shapes
//! ```

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]
#![allow(clippy::too_many_lines, reason = "lists of shapes")]
#![allow(clippy::print_stdout, reason = "the table")]

#[path = "shapes/list.rs"]
mod list;
#[path = "shapes/messages.rs"]
mod messages;
#[path = "rpc/pki.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod pki;
#[path = "rpc/raw.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod raw;
#[path = "rpc/stand.rs"]
#[allow(dead_code, reason = "shared with another program of tests")]
mod stand;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use app_rpc::{End, RpcClient, ServerCounts};
use peak_alloc::PeakAlloc;
use quota_schema::quota_capnp::quota;
use rustls::ClientConfig;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::list::{Shape, all};
use crate::pki::{AUTHORITY, Leaf};
use crate::stand::{PATIENCE, Stand, ask, eventually};

#[global_allocator]
static ALLOCATED: PeakAlloc = PeakAlloc;

const MIB: usize = 1024 * 1024;

/// The most memory that one client may take, beyond the memory before it, for every shape.
const MOST: usize = 32 * MIB;

/// The most memory that may be left some time after the client is gone: caches and buffers.
const LEFT: usize = 6 * MIB;

/// How long a client tries to send while the server takes nothing.
const BLOCKED: Duration = Duration::from_millis(1500);

/// Bytes of one write.
const PIECE: usize = 64 * 1024;

/// The result of a shape.
struct Outcome {
    sent: usize,
    peak: usize,
    seconds: f64,
    slowest: Duration,
    ends: Vec<String>,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_one_client_sends_it_takes_little_and_the_others_are_served() {
    let stand = Stand::new().await;
    let client = stand.client();
    for _ in 0..20 {
        assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    }
    let shown = AUTHORITY.issue(Leaf::client("attacker.test"));
    let tls = raw::tls(Some(&shown), rustls::ALL_VERSIONS);
    let start = ALLOCATED.current_usage();
    let mut table = String::new();
    let shapes = all();
    assert!(shapes.len() >= 60, "{} shapes", shapes.len());
    // Before the first shape, because a failing test shows its stack, which takes memory.
    if std::env::var_os("ATTACKS").is_none() {
        check_page(&shapes);
    }
    for shape in &shapes {
        let outcome = play(shape, &stand, &client, &tls).await;
        let row = row(shape, &outcome);
        println!("{row}");
        table.push_str(&row);
        table.push('\n');
        assert!(outcome.peak <= MOST, "{}: {} bytes of memory", shape.name, outcome.peak);
        let back = || ALLOCATED.current_usage() < start + LEFT;
        eventually(&format!("{}: its memory comes back", shape.name), back).await;
        assert_eq!(stand.counts().ended(End::Panicked), 0, "{}", shape.name);
    }
    if let Some(path) = std::env::var_os("ATTACKS") {
        let page = std::fs::read_to_string(&path).unwrap_or_default();
        let text = page.split(HEADER).next().unwrap_or_default();
        std::fs::write(path, format!("{text}{HEADER}{table}")).unwrap();
    }
    stand.app.stop().await.expect_clean();
}

const HEADER: &str = "| What one client sends | Bytes sent | Peak memory | Seconds | Slowest call of another client | How its connections ended |\n\
     |---|---:|---:|---:|---:|---|\n";

fn row(shape: &Shape, outcome: &Outcome) -> String {
    let Outcome { sent, peak, seconds, slowest, ends } = outcome;
    let mut row =
        format!("| {} | {sent} | {:.1} MiB | {seconds:.1} | ", shape.name, *peak as f64 / MIB as f64);
    write!(row, "{} ms | {} |", slowest.as_millis(), ends.join(", ")).unwrap();
    row
}

/// Sends everything of a shape, while another client makes calls.
async fn play(
    shape: &Shape,
    stand: &Stand,
    client: &RpcClient<quota::Client>,
    tls: &Arc<ClientConfig>,
) -> Outcome {
    let ended = stand.counts();
    let before = ALLOCATED.current_usage();
    ALLOCATED.reset_peak_usage();
    let (begun, over, sent) = (Instant::now(), AtomicBool::new(false), AtomicUsize::new(0));
    let attack = async {
        let senders = (0..shape.connections).map(|_| send(shape, stand, tls, &sent));
        let connections = futures_util::future::join_all(senders).await;
        // The client of a connection finishes the handshake before the server.
        eventually("handshakes end", || stand.counts().connecting == 0).await;
        drop(connections);
        over.store(true, Ordering::SeqCst);
    };
    let others = async {
        let (mut calls, mut slowest) = (0_u32, Duration::ZERO);
        while calls < 3 || !over.load(Ordering::SeqCst) {
            let called = Instant::now();
            let answer = timeout(PATIENCE, client.call(|quota| ask(quota, "echo", 2))).await;
            assert_eq!(answer.expect("an answer"), Ok(2), "{}: another client", shape.name);
            slowest = slowest.max(called.elapsed());
            calls += 1;
        }
        slowest
    };
    let ((), slowest) = tokio::join!(attack, others);
    let peak = ALLOCATED.peak_usage().saturating_sub(before);
    let seconds = begun.elapsed().as_secs_f64();
    let others = open(&ended);
    eventually(&format!("{}: its connections end", shape.name), || open(&stand.counts()) <= others).await;
    let now = stand.counts();
    let ends = End::ALL.into_iter().map(|end| (end, now.ended(end) - ended.ended(end)));
    let ends = ends.filter(|(_, count)| *count > 0).map(|(end, count)| format!("`{end}` {count}")).collect();
    Outcome { sent: sent.into_inner(), peak, seconds, slowest, ends }
}

/// Accepted connections that are neither refused nor over.
fn open(counts: &ServerCounts) -> u64 {
    let refused: u64 = counts.refusals.iter().map(|(_, count)| count).sum();
    let ended: u64 = counts.ends.iter().map(|(_, count)| count).sum();
    counts.accepted - refused - ended
}

/// One connection. It reads nothing, and stays open until the result is dropped.
async fn send(
    shape: &Shape,
    stand: &Stand,
    tls: &Arc<ClientConfig>,
    sent: &AtomicUsize,
) -> Option<TlsStream<TcpStream>> {
    let mut stream = raw::connect(stand.address(), tls).await.ok()?;
    if shape.asks {
        stream.write_all(&messages::bootstrap(0)).await.ok()?;
        // The first bytes of the answer show that the client is accepted.
        let _ = timeout(PATIENCE, stream.read(&mut [0; 8])).await.ok()?;
    }
    for number in 0..shape.count {
        let length = (shape.bytes)(number).len();
        // A large message is made again for each piece, so that many connections need little memory on this side.
        for begin in (0..length).step_by(PIECE) {
            let piece = (shape.bytes)(number)[begin..length.min(begin + PIECE)].to_vec();
            let Ok(Ok(())) = timeout(BLOCKED, stream.write_all(&piece)).await else { return Some(stream) };
            sent.fetch_add(piece.len(), Ordering::Relaxed);
        }
        if number % 64 == 0 {
            tokio::task::yield_now().await;
        }
    }
    let _ = timeout(BLOCKED, stream.flush()).await;
    Some(stream)
}

/// Every row of the page is a shape, and every shape is a row.
fn check_page(shapes: &[Shape]) {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/ATTACKS.md");
    let page = std::fs::read_to_string(page).unwrap();
    let (_, rows) = page.split_once(HEADER).expect("the table");
    let rows: Vec<&str> =
        rows.lines().filter_map(|row| row.split(" | ").next()?.strip_prefix("| ")).collect();
    let names: Vec<&str> = shapes.iter().map(|shape| shape.name).collect();
    assert_eq!(rows, names, "write the page anew: see the head of this file");
    assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len(), "two shapes have one name");
}
