//! What the end of a service means for the rest of a running app. Time is paused: a timeout takes no time.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{future::pending, time::Duration};

use app_core::{
    ExitStatus, ServiceDescriptor, ServiceState, StopCause, events,
    prelude::*,
    testing::{TestApp, fails_after, hangs_at_stop, panics_after, runs},
};

const BASE: ServiceId = ServiceId::new(0xba5e);
const MIDDLE: ServiceId = ServiceId::new(0x3dd1e);
const TOP: ServiceId = ServiceId::new(0x709);

fn disk_full() -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(BASE).message("disk full").build()
}

fn rules_vanished(service: ServiceId) -> Error {
    errors::CONFIG_FAILURE.error(service).message("rules vanished").build()
}

#[tokio::test(start_paused = true)]
async fn a_service_that_dies_takes_its_dependents_along_and_the_app_lives_on() {
    let dies = fails_after(BASE, "base", Duration::from_secs(5), disk_full()).after([]);
    let services = [
        dies,
        runs(MIDDLE, "middle").after([BASE]),
        runs(TOP, "top").after([MIDDLE]),
        runs(ServiceId::new(1), "other"),
    ];
    let app = TestApp::builder().services(services).start().await;
    tokio::time::sleep(Duration::from_secs(6)).await;
    assert_eq!(app.service_ids(), [ServiceId::new(1)]);
    let stopped = app.captured().with_event(events::SERVICE_STOPPED);
    let stopped: Vec<_> = stopped.iter().map(|record| record["svc_name"].as_str().unwrap()).collect();
    assert_eq!(stopped, ["base", "top", "middle"], "dependents first");
    let statuses = app.service_statuses();
    let base = statuses.iter().find(|status| status.id == BASE).unwrap();
    assert_eq!((base.state, base.deaths), (ServiceState::Failed, 1));
    let reasons = app.readiness().reasons;
    assert_eq!(reasons.len(), 3, "{reasons:?}");
    assert!(reasons.iter().any(|reason| reason == "service base (ba5e) is failed: disk full"), "{reasons:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_panic_after_the_start_kills_that_service_alone() {
    let services = [panics_after(BASE, "base", Duration::from_secs(1)), runs(TOP, "top")];
    let app = TestApp::builder().services(services).start().await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.service_ids(), [TOP]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_stops_the_app_with_its_own_status() {
    let fatal = rules_vanished(BASE);
    let app = TestApp::builder()
        .services([fails_after(BASE, "base", Duration::from_secs(1), fatal), runs(TOP, "top")])
        .start()
        .await;
    let report = app.stopped().await;
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    assert!(matches!(&report.cause, StopCause::Fatal(error) if error.message() == "rules vanished"));
}

#[tokio::test(start_paused = true)]
async fn dependents_that_hang_do_not_hold_up_what_a_fatal_error_means() {
    let fatal = rules_vanished(MIDDLE);
    let services = [
        fails_after(BASE, "base", Duration::from_secs(1), disk_full()),
        hangs_at_stop(TOP, "top").after([BASE]),
        fails_after(MIDDLE, "middle", Duration::from_secs(2), fatal),
    ];
    let begun = tokio::time::Instant::now();
    let app = TestApp::builder().services(services).start().await;
    app.dying().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(app.stopped().await.exit_status(), ExitStatus::Fatal);
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_with_a_task_that_hangs_is_given_up_like_one_that_is_stopped() {
    let failed = |error: Error| {
        ServiceDescriptor::of(BASE, "base", move |service: Service| {
            let error = error.clone();
            async move {
                service.spawn("hangs", pending::<()>())?;
                service.spawn("fails", async move {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    Err::<(), _>(error)
                })
            }
        })
    };
    let app =
        TestApp::builder().services([failed(disk_full()), runs(TOP, "top").after([BASE])]).start().await;
    tokio::time::sleep(Duration::from_secs(12)).await;
    assert!(app.service_ids().is_empty(), "its dependent is stopped too");
    let told = app.captured().with_event(events::SERVICE_STOPPING_TIMEOUT);
    assert_eq!((told.len(), &told[0]["tasks"]), (1, &"hangs".into()));
    app.stop().await.expect_clean();

    let fatal = rules_vanished(BASE);
    let app = TestApp::builder().service(failed(fatal)).start().await;
    let begun = tokio::time::Instant::now();
    app.dying().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "a fatal error waits for nothing");
    assert_eq!(app.stopped().await.exit_status(), ExitStatus::Fatal);
}
