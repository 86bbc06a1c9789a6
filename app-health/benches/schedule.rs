//! Measures the cost of scheduled checks on paused time, which counts only the work.
//!
//! `cargo bench -p app-health --bench schedule`: processor time of a simulated minute and of a run on demand, and bytes
//! of a check. `cargo bench -p app-health --bench schedule -- --hour`: ten thousand checks every second for a simulated
//! hour. Each run is on time, none overlaps, and none is missing.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints figures"
)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use app_core::{LogLevel, prelude::*, testing::TestApp};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use nix::sys::{
    resource::{UsageWho, getrusage},
    time::TimeValLike as _,
};
use peak_alloc::PeakAlloc;
use tokio::time::{Instant, sleep};

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

const MINUTE: Duration = Duration::from_secs(60);

fn main() {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    if std::env::args().any(|argument| argument == "--hour") {
        runtime.block_on(on_time(10_000, 3_600));
        return;
    }
    println!(
        "{:>7} {:>10} {:>16} {:>15} {:>15}",
        "checks", "interval", "CPU ms a minute", "bytes, new", "bytes, full"
    );
    for interval in [300, 10] {
        for checks in [10, 100, 1_000, 10_000] {
            runtime.block_on(idle(checks, Duration::from_secs(interval)));
        }
    }
    runtime.block_on(on_time(10_000, 10));
    runtime.block_on(on_demand(500_000));
}

async fn started() -> (TestApp, Arc<HealthChecks>) {
    let builder = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = builder.linked([HEALTHCHECK_SERVICE_ID]).start().await;
    let health = app.get::<HealthChecks>();
    (app, health)
}

/// The processor time of this process.
fn processor_time() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).unwrap();
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.try_into().unwrap())
}

async fn idle(checks: u32, interval: Duration) {
    let (app, health) = started().await;
    // The first check also allocates what all checks share.
    let none = HealthCheckSpec::new(HealthCheckId::new(u64::MAX));
    health.register_unbound(none, |_cancel| async { Ok::<(), Error>(()) }).unwrap();
    sleep(Duration::from_secs(1)).await;
    let empty = MEMORY.current_usage();
    for id in 1..=checks {
        let spec = HealthCheckSpec::new(HealthCheckId::new(id.into())).interval(interval);
        health.register_unbound(spec, |_cancel| async { Ok::<(), Error>(()) }).unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let new = (MEMORY.current_usage() - empty) / checks as usize;
    // Until the history is full.
    sleep(32 * interval).await;
    let full = (MEMORY.current_usage() - empty) / checks as usize;
    let began = processor_time();
    let minutes = 10;
    sleep(minutes * MINUTE).await;
    let used = (processor_time() - began).as_secs_f64() * 1e3 / f64::from(minutes);
    println!("{checks:>7} {:>8} s {used:>16.3} {new:>15} {full:>15}", interval.as_secs());
    app.stop().await.expect_clean();
}

/// Like the bench `health`, but by processor time, which is the same on a busy machine.
async fn on_demand(runs: u32) {
    let (app, health) = started().await;
    let id = HealthCheckId::new(1);
    health.register_unbound(HealthCheckSpec::new(id), |_cancel| async { Ok::<(), Error>(()) }).unwrap();
    let asking = async move {
        let began = processor_time();
        for _ in 0..runs {
            assert!(health.run(id).await.unwrap().passed());
        }
        processor_time() - began
    };
    let used = tokio::spawn(asking).await.unwrap();
    println!("a run on demand: {:.0} ns of processor time", used.as_secs_f64() * 1e9 / f64::from(runs));
    app.stop().await.expect_clean();
}

#[derive(Default)]
struct Watched {
    runs: AtomicU32,
    in_flight: AtomicBool,
}

async fn on_time(checks: u32, seconds: u32) {
    let (app, health) = started().await;
    let watched: Arc<Vec<Watched>> = Arc::new((0..checks).map(|_| Watched::default()).collect());
    let began = Instant::now();
    for id in 0..checks {
        let watched = Arc::clone(&watched);
        let first = std::sync::OnceLock::new();
        let first = Arc::new(first);
        let check = move |_cancel| {
            let (watched, first) = (Arc::clone(&watched), Arc::clone(&first));
            async move {
                let me = &watched[id as usize];
                assert!(!me.in_flight.swap(true, Ordering::Relaxed), "two runs of check {id} at once");
                let run = me.runs.fetch_add(1, Ordering::Relaxed);
                let first = *first.get_or_init(Instant::now);
                assert!(first - began < Duration::from_millis(60), "check {id} began late");
                assert_eq!(first.elapsed(), run * Duration::from_secs(1), "run {run} of check {id}");
                me.in_flight.store(false, Ordering::Relaxed);
                Ok::<(), Error>(())
            }
        };
        let spec =
            HealthCheckSpec::new(HealthCheckId::new(u64::from(id) + 1)).interval(Duration::from_secs(1));
        health.register_unbound(spec, check).unwrap();
    }
    let cpu = processor_time();
    sleep(Duration::from_secs(seconds.into()) - Duration::from_millis(500)).await;
    let cpu = processor_time() - cpu;
    assert!(watched.iter().all(|check| check.runs.load(Ordering::Relaxed) == seconds), "a run is missing");
    assert!(health.results().unwrap().values().all(app_health::HealthCheckResult::passed));
    let runs = u64::from(checks) * u64::from(seconds);
    println!(
        "{checks} checks every second for {seconds} s: {runs} runs, all on time, in {:.1} s of processor time, {:.0} ns each",
        cpu.as_secs_f64(),
        cpu.as_secs_f64() * 1e9 / runs as f64
    );
    app.stop().await.expect_clean();
}
