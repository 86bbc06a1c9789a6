//! Many services, and many lives of an app in one process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;

use app_core::{
    events,
    prelude::*,
    testing::{TestApp, runs},
};

/// 1,000 services in five levels: each needs up to three of the level below.
fn layered(services: u64) -> impl Iterator<Item = app_core::ServiceDescriptor> {
    let width = services / 5;
    (0..services).map(move |i| {
        let (level, place) = (i / width, i % width);
        let needs =
            (0..3).filter(move |_| level > 0).map(move |k| id((level - 1) * width + (place * 7 + k) % width));
        runs(id(i), format!("s{i}")).after(needs)
    })
}

fn id(i: u64) -> ServiceId {
    ServiceId::new(i + 1)
}

fn positions(app_log: &app_core::log::CapturedLog, event: LogEventId) -> Vec<u64> {
    let number = |r: &serde_json::Value| r["svc_name"].as_str().unwrap()[1..].parse::<u64>().unwrap();
    app_log.with_event(event).iter().map(number).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_services_five_levels_deep_start_and_stop_in_order() {
    let app = TestApp::builder().services(layered(1000)).start().await;
    assert_eq!(app.service_ids().len(), 1000);
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    let (started, stopped) =
        (positions(&log, events::SERVICE_STARTED), positions(&log, events::SERVICE_STOPPED));
    assert_eq!((started.len(), stopped.len()), (1000, 1000));
    assert!(started.is_sorted_by_key(|i| i / 200), "a level starts when the one below runs");
    assert!(
        stopped.is_sorted_by_key(|i| std::cmp::Reverse(i / 200)),
        "a level stops when the one above is dead"
    );
}

fn open_files() -> usize {
    fs::read_dir("/proc/self/fd").unwrap().count()
}

fn threads() -> usize {
    fs::read_dir("/proc/self/task").unwrap().count()
}

#[tokio::test]
async fn ten_thousand_lives_leak_no_task_thread_or_file() {
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = (0, 0, 0);
    for life in 0..10_000 {
        let app = TestApp::builder()
            .service(runs(id(1), "one"))
            .service(runs(id(2), "two").after([id(1)]))
            .start()
            .await;
        app.stop().await.expect_clean();
        if life == 10 {
            before = (tasks(), threads(), open_files());
        }
    }
    let after = (tasks(), threads(), open_files());
    assert!(
        after.0 <= before.0 + 1 && after.1 <= before.1 + 2 && after.2 <= before.2 + 2,
        "{before:?} became {after:?}"
    );
}
