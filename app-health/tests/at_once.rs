//! Concurrent use from many threads: runs of one check never overlap, and no caller waits for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use app_core::{prelude::*, testing::TestApp};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use schema::health_capnp::health_check_service_spec;

const CHECKS: usize = 3;
const TASKS: usize = 8;
const ROUNDS: usize = 200;

/// A config with concurrent runs of different checks.
fn many_at_a_time() -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    message.init_root::<health_check_service_spec::Builder<'_>>().set_max_concurrent_runs(16);
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    file
}

#[derive(Default)]
struct Seen {
    in_flight: AtomicUsize,
    overlaps: AtomicUsize,
    runs: AtomicUsize,
}

struct InFlight(Arc<Seen>);

impl InFlight {
    fn enter(seen: &Arc<Seen>) -> Self {
        let before = seen.in_flight.fetch_add(1, Ordering::SeqCst);
        seen.overlaps.fetch_add(before, Ordering::SeqCst);
        seen.runs.fetch_add(1, Ordering::SeqCst);
        Self(Arc::clone(seen))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::SeqCst);
    }
}

fn register(health: &HealthChecks, id: HealthCheckId, seen: &Arc<Seen>) {
    let seen = Arc::clone(seen);
    let check = move |_cancel| {
        let seen = Arc::clone(&seen);
        async move {
            let _in_flight = InFlight::enter(&seen);
            tokio::task::yield_now().await;
            Ok::<(), Error>(())
        }
    };
    health.register_unbound(HealthCheckSpec::new(id).interval(Duration::from_millis(2)), check).unwrap();
}

/// Performs all operations, each task in an order of its own.
async fn busy(task: usize, health: Arc<HealthChecks>, seen: Arc<Vec<Arc<Seen>>>) {
    for round in 0..ROUNDS {
        let which = (task + round) % CHECKS;
        let id = HealthCheckId::new(which as u64 + 1);
        match (task * 7 + round) % 11 {
            0 => register(&health, id, &seen[which]),
            1 => drop(health.unregister(id).unwrap()),
            2 | 3 => drop(health.pause(id).unwrap()),
            // Another task may just have unregistered the check.
            4..=6 => drop(health.resume(id)),
            7 => drop(health.states().unwrap()),
            8 => drop(health.results().unwrap()),
            _ => drop(health.run(id).await),
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_is_done_to_a_check_its_runs_never_overlap() {
    let builder = TestApp::builder();
    let file = builder.config_dir().join(format!("{HEALTHCHECK_SERVICE_ID:#x}"));
    std::fs::write(file, many_at_a_time()).unwrap();
    let app = builder.linked([HEALTHCHECK_SERVICE_ID]).start().await;
    let health = app.get::<HealthChecks>();
    let seen: Arc<Vec<Arc<Seen>>> = Arc::new((0..CHECKS).map(|_| Arc::default()).collect());
    let tasks: Vec<_> =
        (0..TASKS).map(|task| tokio::spawn(busy(task, Arc::clone(&health), Arc::clone(&seen)))).collect();
    let all = async {
        for task in tasks {
            task.await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("no caller waits for ever");
    for (which, seen) in seen.iter().enumerate() {
        let id = HealthCheckId::new(which as u64 + 1);
        register(&health, id, seen);
        // A pause outlives its check.
        health.resume(id).unwrap();
        assert!(health.run(id).await.unwrap().passed());
        assert_eq!(seen.overlaps.load(Ordering::SeqCst), 0);
        assert!(seen.runs.load(Ordering::SeqCst) > 0);
    }
    app.stop().await.expect_clean();
    assert!(seen.iter().all(|seen| seen.in_flight.load(Ordering::SeqCst) == 0));
}
