//! Memory of a process with very many subjects, and with more events than its handler takes: it does not grow with them, and each
//! event that was dropped is counted.
//!
//! The short form runs in every test. With `PROOF=100` there are a million of each:
//!
//! ```sh
//! PROOF=100 cargo test --release -p app-messaging --test memory -- --nocapture
//! ```

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::env;
use std::fs;
use std::io::{Write as _, stderr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_messaging::{Done, MESSAGING_SERVICE_ID, Messaging, Sender};
use app_metrics::testing::TestMetrics as _;
use futures_util::stream::{self, StreamExt as _};
use peak_alloc::PeakAlloc;
use quota_schema::quota_capnp::quota_rule;
use schema::messaging_capnp::messaging_spec;
use tokio::sync::Semaphore;

#[path = "support/nats.rs"]
#[allow(unreachable_pub, reason = "other tests compile the file too")]
mod nats;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const WORKS: ServiceId = ServiceId::new(0xb6d1_07c8_5f2e_93a4);

/// What waits in queues at most, and far less than a hundred bytes for each of a million.
const MOST_GROWTH: usize = 24 << 20;

const PATIENCE: Duration = Duration::from_secs(600);

app_messaging::message! {
    /// Work for one of many keys.
    struct Work(quota_rule::Owned);
    id: 0xa0f7_3c51_d928_6eb4, of: WORKS, name: "work", kind: Stored, key: |work| work.get_name()
}
app_messaging::message! {
    /// Something happened.
    struct Tick(quota_rule::Owned);
    id: 0x93e8_b5d0_174c_a2f6, of: WORKS, name: "tick", kind: Event
}
app_messaging::stream! {
    WORKED: id 0xe8c2_6f94_a03b_5d17, of: WORKS, name: "worked", stores: [Work], max_bytes: 512 << 20
}

/// How many: the share of a million that `PROOF` names in percent.
fn many(short: u64) -> u64 {
    match env::var("PROOF") {
        Ok(percent) => 10_000 * percent.parse::<u64>().unwrap().clamp(1, 100),
        Err(_) => short,
    }
}

fn say(figure: &str) {
    // Not `eprintln`: the test harness hides its output if the test passes.
    let _ = writeln!(stderr(), "memory: {figure}");
}

async fn pass(time: Duration) {
    let _ = tokio::time::timeout(time, std::future::pending::<()>()).await;
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let waits = async {
        while !is_so() {
            pass(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, waits).await.unwrap_or_else(|_| panic!("no {what} within {PATIENCE:?}"));
}

fn put_config(folder: &Path, server: &str) {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<messaging_spec::Builder<'_>>().init_servers(1).set(0, server);
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let path = folder.join(app_config::compat::service_config_id(MESSAGING_SERVICE_ID));
    fs::write(&path, file).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
}

/// An application that is connected to this server.
async fn connected(server: &str) -> (TestApp, Arc<Messaging>, Service) {
    let builder = TestApp::builder().linked([MESSAGING_SERVICE_ID]);
    put_config(builder.config_dir(), server);
    let app = builder.start().await;
    let (messaging, service) = (app.get::<Messaging>(), app.new_service(WORKS, "works"));
    (app, messaging, service)
}

/// Sends one message for each key.
async fn send(sender: &Sender<Work>, keys: std::ops::Range<u64>) {
    let sent = stream::iter(keys).map(|key| sender.send(move |work| work.set_name(format!("key {key}"))));
    sent.buffer_unordered(256).for_each(|sent| async { drop(sent.unwrap()) }).await;
}

/// Both measure the memory of this process, so they run one after another.
#[test]
fn memory_does_not_grow_with_subjects_nor_with_events_that_nobody_takes() {
    let Some(program) = nats::NatsProgram::newest() else { return };
    let server = program.start();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(async {
        with_many_subjects(&server.url()).await;
        with_a_flood(&server.url()).await;
    });
}

async fn with_many_subjects(server: &str) {
    let keys = many(20_000);
    let (app, messaging, service) = connected(server).await;
    let handled = Arc::new(AtomicU64::new(0));
    let counts = Arc::clone(&handled);
    let consumer = messaging.consumer("memory").of::<Work>().max_in_flight(64).by_key();
    consumer
        .start(&service, move |_| {
            counts.fetch_add(1, Ordering::Relaxed);
            async { Ok(Done) }
        })
        .unwrap();
    let sender = messaging.sender::<Work>();
    const FIRST: u64 = 4_000;
    send(&sender, 0..FIRST).await;
    until("first work", || handled.load(Ordering::Relaxed) == FIRST).await;
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    send(&sender, FIRST..FIRST + keys).await;
    until("work", || handled.load(Ordering::Relaxed) >= FIRST + keys).await;
    let growth = MEMORY.peak_usage().saturating_sub(before);
    assert_eq!(handled.load(Ordering::Relaxed), FIRST + keys);
    say(&format!("{keys} subjects: {} KiB more at most", growth >> 10));
    assert!(growth < MOST_GROWTH, "{growth} bytes more after {keys} subjects");
    app.stop().await.expect_clean();
}

async fn with_a_flood(server: &str) {
    let events = many(20_000);
    let (app, messaging, service) = connected(server).await;
    let (gate, handled) = (Arc::new(Semaphore::new(1)), Arc::new(AtomicU64::new(0)));
    let (held, counts) = (Arc::clone(&gate), Arc::clone(&handled));
    messaging
        .subscriber::<Tick>()
        .start(&service, move |_| {
            let (held, counts) = (Arc::clone(&held), Arc::clone(&counts));
            async move {
                // A handler that takes nothing until the flood is over.
                drop(held.acquire().await);
                counts.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
        })
        .unwrap();
    let publisher = messaging.publisher::<Tick>();
    let metric = MetricId::named("messages_dropped").unwrap();
    let dropped = || app.metric(MESSAGING_SERVICE_ID, metric, ["tick"]) as u64;
    // Events before the subscription is there reach no subscriber: they are no part of the count.
    while handled.load(Ordering::Relaxed) == 0 {
        publisher.publish(|tick| tick.set_burst(7)).await.unwrap();
        pass(Duration::from_millis(100)).await;
    }
    pass(Duration::from_millis(500)).await;
    let first = handled.load(Ordering::Relaxed);
    gate.forget_permits(1);
    let before = MEMORY.current_usage();
    MEMORY.reset_peak_usage();
    for number in 0..events {
        publisher.publish(|tick| tick.set_burst(7)).await.unwrap();
        // As fast as the server takes them; a publisher has no answer to wait for.
        if number % 512 == 0 {
            pass(Duration::from_millis(1)).await;
        }
    }
    gate.add_permits(1);
    let total = || handled.load(Ordering::Relaxed) - first + dropped();
    until("the rest", || total() >= events).await;
    let growth = MEMORY.peak_usage().saturating_sub(before);
    pass(Duration::from_millis(300)).await;
    assert_eq!(total(), events, "each event was handled, or is counted as dropped");
    assert!(dropped() > events / 2, "{}", dropped());
    say(&format!("{events} events, {} dropped: {} KiB more at most", dropped(), growth >> 10));
    assert!(growth < MOST_GROWTH, "{growth} bytes more after {events} events");
    app.stop().await.expect_clean();
}
