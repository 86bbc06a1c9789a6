//! Tests of single runs: those that pass, fail, panic, time out or do not end.

use std::{future::pending, io, sync::mpsc};

use app_core::prelude::*;
use futures_util::FutureExt as _;
use tokio_util::sync::CancellationToken;

use crate::{
    HealthCheckResult, HealthCheckSpec,
    errors::HEALTH_CHECK_FAILED,
    fixture::{CHECK, OTHER, Probe, SECOND, every_second, gauges, pass, started},
};

#[tokio::test(start_paused = true)]
async fn a_result_says_when_and_how_long() {
    let (app, health) = started().await;
    Probe::default().register(&health, every_second(CHECK), Duration::from_millis(250));
    assert!(health.result(CHECK).unwrap().is_none());
    assert_eq!(gauges(&app, CHECK), (-1.0, 0.0));
    let HealthCheckResult { error, duration, error_count, started_at, .. } = health.run(CHECK).await.unwrap();
    assert!(error.is_none() && error_count == 0 && started_at >= app.started_on());
    assert_eq!(duration, Duration::from_millis(250));
    assert_eq!(gauges(&app, CHECK), (0.0, 250e6));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn failures_in_a_row_are_counted() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.fail(true);
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(Duration::from_millis(3_100)).await;
    assert_eq!(gauges(&app, CHECK).0, 4.0);
    let error = health.result(CHECK).unwrap().unwrap().error.unwrap();
    assert!(error.is(&HEALTH_CHECK_FAILED));
    assert_eq!(error.to_string(), "health check c1 failed: told to fail");
    probe.fail(false);
    pass(SECOND).await;
    assert_eq!(gauges(&app, CHECK).0, 0.0);
    let counts: Vec<_> = health.history(CHECK).unwrap().iter().map(|result| result.error_count).collect();
    assert_eq!(counts, [1, 2, 3, 4, 0]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_platform_stays_what_it_is_and_others_are_the_cause() {
    let (app, health) = started().await;
    health
        .register_unbound(every_second(CHECK), |_cancel| async {
            Err(app_errors::illegal_argument_error("no"))
        })
        .unwrap();
    let error = health.run(CHECK).await.unwrap().error.unwrap();
    assert!(error.is(&errors::ILLEGAL_ARGUMENT));
    health
        .register_unbound(every_second(CHECK), |_cancel| async {
            Err(io::Error::from(io::ErrorKind::NotFound))
        })
        .unwrap();
    let error = health.run(CHECK).await.unwrap().error.unwrap();
    assert!(error.downcast_cause::<io::Error>().is_some());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_has_failed_and_runs_again() {
    let (app, health) = started().await;
    let check = |_cancel: CancellationToken| async { panic!("on purpose, {}", 7) };
    health.register_unbound::<_, _, Error>(every_second(CHECK), check).unwrap();
    let before_its_future =
        |_cancel: CancellationToken| -> std::future::Ready<Result<(), Error>> { panic!("early") };
    health.register_unbound(every_second(OTHER), before_its_future).unwrap();
    pass(Duration::from_millis(2_100)).await;
    let result = health.result(CHECK).unwrap().unwrap();
    assert_eq!(result.error_count, 3);
    assert_eq!(result.error.unwrap().to_string(), "health check c1 panicked: on purpose, 7");
    let early = health.result(OTHER).unwrap().unwrap();
    assert_eq!(early.error.unwrap().to_string(), "health check c2 panicked: early");
    app.stop().await.expect_clean();
}

struct PanicsWhenDropped;

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

#[tokio::test(start_paused = true)]
async fn a_check_that_panics_when_it_is_dropped_goes_on_running() {
    let (app, health) = started().await;
    let check = |_cancel: CancellationToken| async {
        let _panics = PanicsWhenDropped;
        pending::<Result<(), Error>>().await
    };
    health.register_unbound(every_second(CHECK), check).unwrap();
    pass(Duration::from_millis(4_700)).await;
    assert!(health.result(CHECK).unwrap().unwrap().error_count >= 4);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_takes_too_long_is_cancelled() {
    let (app, health) = started().await;
    let (told, was_told) = mpsc::channel();
    let check = move |cancel: CancellationToken| {
        let told = told.clone();
        async move {
            cancel.cancelled().await;
            told.send(()).unwrap();
            Ok::<(), Error>(())
        }
    };
    health.register_unbound(every_second(CHECK), check).unwrap();
    let result = health.run(CHECK).await.unwrap();
    assert!(result.error.as_ref().unwrap().is(&errors::HEALTH_CHECK_TIMEOUT), "{result:?}");
    assert_eq!(result.duration, SECOND / 2);
    pass(Duration::from_millis(10)).await;
    was_told.try_recv().unwrap();
    assert_eq!(gauges(&app, CHECK), (1.0, 500e6));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn time_in_which_the_process_stood_still_is_not_that_of_its_runs() {
    let (app, health) = started().await;
    // It is still running when the process continues.
    let slow = |_cancel: CancellationToken| async {
        for _ in 0..5 {
            pass(SECOND / 20).await;
        }
        Ok::<(), Error>(())
    };
    health.register_unbound(every_second(CHECK).critical(), slow).unwrap();
    pass(SECOND / 8).await;
    assert!(health.result(CHECK).unwrap().is_none());
    // Polled once, it advances the clock without giving any task a turn.
    assert!(tokio::time::advance(3_600 * SECOND).now_or_never().is_none());
    pass(SECOND / 5).await;
    assert!(health.result(CHECK).unwrap().unwrap().passed());
    let hangs = |_cancel: CancellationToken| pending::<Result<(), Error>>();
    health.register_unbound(every_second(CHECK), hangs).unwrap();
    let result = health.run(CHECK).await.unwrap();
    assert_eq!(result.outcome, crate::HealthOutcome::TimedOut);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_does_not_listen_is_dropped() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::from_secs(3_600));
    let error = health.run(CHECK).await.unwrap().error.unwrap();
    assert_eq!(error.to_string(), "health check c1: timed out after 500ms, and was cancelled");
    pass(Duration::from_millis(110)).await;
    assert_eq!(probe.in_flight(), 0);
    pass(10 * SECOND).await;
    assert_eq!(probe.most_in_flight(), 1);
    app.stop().await.expect_clean();
}

/// Real time: paused time does not pass while a thread is blocked.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_check_that_blocks_its_thread_is_reported_and_never_runs_twice() {
    let (app, health) = started().await;
    let (release, blocked) = mpsc::channel::<()>();
    let blocked = std::sync::Arc::new(parking_lot::Mutex::new(blocked));
    let runs = std::sync::Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let counted = runs.clone();
    let check = move |_cancel: CancellationToken| {
        let (blocked, counted) = (blocked.clone(), counted.clone());
        async move {
            counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            // Blocks until the test ends it.
            let _ = blocked.lock().recv();
            Ok::<(), Error>(())
        }
    };
    let spec =
        HealthCheckSpec::new(CHECK).timeout(Duration::from_millis(10)).interval(Duration::from_millis(20));
    health.register_unbound(spec, check).unwrap();
    assert!(health.run(CHECK).await.unwrap().error.unwrap().is(&errors::HEALTH_CHECK_TIMEOUT));
    let stuck = health.run(CHECK).await.unwrap();
    assert!(stuck.error.as_ref().unwrap().is(&errors::HEALTH_CHECK_KILL_TIMEOUT), "{stuck:?}");
    assert_eq!(runs.load(std::sync::atomic::Ordering::SeqCst), 1);
    Probe::default().register(&health, every_second(OTHER), Duration::ZERO);
    assert!(health.run(OTHER).await.unwrap().passed(), "other checks run");
    drop(release);
    while !health.run(CHECK).await.unwrap().passed() {}
    app.stop().await.expect_clean();
}
