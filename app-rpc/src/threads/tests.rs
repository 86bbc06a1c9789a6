//! Jobs run on their threads, and threads end.

use std::sync::mpsc::sync_channel;

use app_core::testing::TestApp;

use super::*;

#[tokio::test]
async fn jobs_go_to_the_thread_with_the_fewest_and_all_end_before_the_threads() {
    let app = TestApp::empty().await;
    let threads = LocalThreads::start("test", 2, app.logger()).unwrap();
    let spawner = threads.spawner();
    let (names, named) = sync_channel(4);
    let (go_on, _) = tokio::sync::broadcast::channel::<()>(1);
    for _ in 0..4 {
        let (names, mut wait) = (names.clone(), go_on.subscribe());
        let job = move || async move {
            names.send(thread::current().name().unwrap().to_owned()).unwrap();
            let _ = wait.recv().await;
        };
        spawner.spawn(job).unwrap();
    }
    let mut names: Vec<_> = (0..4).map(|_| named.recv().unwrap()).collect();
    names.sort();
    assert_eq!(names, ["test-0", "test-0", "test-1", "test-1"]);
    go_on.send(()).unwrap();
    threads.join(Duration::from_secs(10)).await;
    assert_eq!(spawner.spawn(|| async {}), Err(SpawnRefused));
    assert!(!app.captured().text().contains("given up"));
}

#[tokio::test]
async fn a_job_that_does_not_end_is_dropped_at_the_deadline() {
    struct Dropped(Option<std::sync::mpsc::SyncSender<()>>);
    impl Drop for Dropped {
        fn drop(&mut self) {
            self.0.take().unwrap().send(()).unwrap();
        }
    }
    let app = TestApp::empty().await;
    let threads = LocalThreads::start("test", 1, app.logger()).unwrap();
    let (dropped, was_dropped) = sync_channel(1);
    let held = Dropped(Some(dropped));
    let job = move || async move {
        let _held = held;
        std::future::pending::<()>().await;
    };
    threads.spawner().spawn(job).unwrap();
    threads.join(Duration::from_millis(20)).await;
    was_dropped.try_recv().unwrap();
    assert!(!app.captured().text().contains("given up"));
}

#[tokio::test]
async fn a_thread_that_is_blocked_is_given_up_by_name() {
    let app = TestApp::empty().await;
    let threads = LocalThreads::start("blocked", 1, app.logger()).unwrap();
    let (release, wait) = sync_channel::<()>(0);
    threads.spawner().spawn(move || async move { wait.recv().unwrap_or(()) }).unwrap();
    threads.join(Duration::from_millis(20)).await;
    assert!(app.captured().text().contains("\"thread\":\"blocked-0\""), "{}", app.captured().text());
    drop(release);
}

#[tokio::test]
async fn a_job_that_panics_ends_alone() {
    let app = TestApp::empty().await;
    let threads = LocalThreads::start("test", 1, app.logger()).unwrap();
    let (answer, answered) = oneshot::channel();
    threads.spawner().spawn(|| async { panic!("on purpose") }).unwrap();
    threads.spawner().spawn(move || async move { answer.send(7).unwrap() }).unwrap();
    assert_eq!(answered.await, Ok(7));
    threads.join(Duration::from_secs(10)).await;
    assert!(app.captured().text().contains("a task of an RPC thread failed"));
}

/// The payload of a panic that panics when it is dropped, outside of the job that panicked.
struct Twice;

impl Drop for Twice {
    fn drop(&mut self) {
        panic!("again, on purpose");
    }
}

#[tokio::test]
async fn a_thread_that_panics_is_told_and_one_that_ends_is_not() {
    let app = TestApp::empty().await;
    let start = || LocalThreads::start("test", 1, app.logger()).unwrap();
    let (ends, panics) = (start(), start());
    let told = panics.broken();
    panics.spawner().spawn(|| async { std::panic::panic_any(Twice) }).unwrap();
    tokio::time::timeout(Duration::from_secs(60), told.cancelled()).await.unwrap();
    panics.join(Duration::from_secs(10)).await;
    let told = ends.broken();
    ends.join(Duration::from_secs(10)).await;
    assert!(!told.is_cancelled());
}
