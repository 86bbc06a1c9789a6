//! Several threads kill and restart what they like: nothing overlaps, no wake-up is lost, and in the end all runs.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

const SERVICES: u64 = 5;

/// How many incarnations of each service live, and how many were ever too many.
#[derive(Default)]
struct Count {
    alive: [AtomicUsize; SERVICES as usize],
    overlaps: AtomicUsize,
}

struct Life(Arc<Count>, usize);

impl Drop for Life {
    fn drop(&mut self) {
        self.0.alive[self.1].fetch_sub(1, Ordering::SeqCst);
    }
}

/// Each needs the one before it.
fn chain(count: &Arc<Count>) -> impl Iterator<Item = ServiceDescriptor> {
    let count = Arc::clone(count);
    let at_once = Restart::always().max_restarts(u32::MAX).backoff(Duration::ZERO, Duration::ZERO);
    (0..SERVICES).map(move |part| {
        let (count, part_index) = (Arc::clone(&count), part as usize);
        let start = move |service: Service| {
            if count.alive[part_index].fetch_add(1, Ordering::SeqCst) > 0 {
                count.overlaps.fetch_add(1, Ordering::SeqCst);
            }
            let life = Life(Arc::clone(&count), part_index);
            async move {
                let me = service.clone();
                service.spawn("lives", async move {
                    me.dying().await;
                    drop(life);
                })
            }
        };
        let need = (part > 0).then(|| ServiceId::new(part));
        ServiceDescriptor::of(ServiceId::new(part + 1), format!("s{part}"), start)
            .after(need)
            .restart(at_once)
    })
}

async fn harass(app: App, seed: u64) {
    for step in 0..150_u64 {
        let id = ServiceId::new((seed + step * 7) % SERVICES + 1);
        match (app.service(id), step % 3) {
            (Some(service), 0) => service.kill("harassed"),
            (Some(service), 1) => service.kill(disk_full()),
            _ => app.restart(id, "harassed").await.unwrap(),
        }
        for _ in 0..(seed * 31 + step * 17) % 23 {
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn whatever_threads_do_at_once_nothing_overlaps_and_in_the_end_all_runs() {
    let count = Arc::<Count>::default();
    let quiet = TestApp::builder().flags(|flags| flags.log_level = app_core::LogLevel::Error);
    let app = quiet.services(chain(&count)).start().await;
    let threads: Vec<_> = (0..3).map(|seed| tokio::spawn(harass(app.app().clone(), seed))).collect();
    for thread in threads {
        thread.await.unwrap();
    }
    let all_run = async {
        let one = |alive: &AtomicUsize| alive.load(Ordering::SeqCst) == 1;
        while !(app.readiness().ready() && count.alive.iter().all(one)) {
            tokio::task::yield_now().await;
        }
    };
    let in_time = tokio::time::timeout(secs(30), all_run).await;
    assert!(in_time.is_ok(), "{:?}", app.readiness());
    assert_eq!(count.overlaps.load(Ordering::SeqCst), 0);
    app.stop().await.expect_clean();
}
