//! Tests of the answers of the probes.

use app_core::{ServiceDescriptor, StopCause, prelude::*, testing::TestApp};

use futures_util::FutureExt as _;

use super::*;
use crate::{
    fixture::{CHECK, OTHER, Probe, SECOND, every_second, pass, started, started_parallel},
    report,
};

#[tokio::test(start_paused = true)]
async fn a_critical_check_has_to_pass_before_the_app_is_ready() {
    let (app, health) = started().await;
    assert!(readiness(&app).ready() && liveness(&app).ready());
    Probe::default().register(&health, every_second(CHECK).name("disk").critical(), Duration::ZERO);
    assert_eq!(readiness(&app).reasons, ["critical health check disk (c1) has not run yet"]);
    pass(SECOND).await;
    assert!(readiness(&app).ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_critical_check_that_fails_takes_readiness_down_and_not_liveness() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).critical().failure_threshold(2), Duration::ZERO);
    pass(SECOND / 2).await;
    probe.fail(true);
    pass(SECOND).await;
    assert!(readiness(&app).ready(), "one failure is within the threshold");
    pass(SECOND).await;
    assert_eq!(
        readiness(&app).reasons,
        ["critical health check c1 fails (2 times in a row): health check c1 failed: told to fail"]
    );
    assert!(liveness(&app).ready());
    assert_eq!(report::health(&app).document["status"], "fail");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_not_critical_is_a_warning() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.fail(true);
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(SECOND / 2).await;
    assert!(readiness(&app).ready());
    let report = report::health(&app);
    assert_eq!((report.http_status, &report.document["status"]), (200, &"warn".into()));
    assert_eq!(report.document["checks"]["c1"][0]["status"], "fail");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_old_is_unknown_and_says_so() {
    let (app, health) = started().await;
    Probe::default().register(&health, every_second(CHECK).critical(), Duration::ZERO);
    pass(SECOND / 2).await;
    // This check holds its permit for ever.
    health
        .register_unbound(every_second(OTHER).timeout(100 * SECOND), |_cancel| {
            std::future::pending::<Result<(), Error>>()
        })
        .unwrap();
    pass(5 * SECOND).await;
    assert_eq!(
        readiness(&app).reasons,
        ["critical health check c1 is unknown: it last ran 5s ago, and should run every 1s"]
    );
    let document = report::health(&app).document;
    let check = &document["checks"]["c1"][0];
    assert_eq!(
        (&check["state"], &check["stale"], &check["status"]),
        (&"unknown".into(), &true.into(), &"fail".into())
    );
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_does_not_count() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.fail(true);
    probe.register(&health, every_second(CHECK).critical(), Duration::ZERO);
    pass(SECOND / 2).await;
    assert!(!readiness(&app).ready());
    health.pause(CHECK).unwrap();
    assert!(readiness(&app).ready());
    assert_eq!(report::health(&app).document["checks"]["c1"][0]["paused"], true);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn while_the_health_service_starts_the_app_is_alive_and_not_ready() {
    let app = TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]).build();
    // Not started: no service is known yet.
    assert_eq!(readiness(&app).reasons, ["starting"]);
    let starting = ServiceDescriptor::of(HEALTHCHECK_SERVICE_ID, "health", |_: Service| {
        std::future::pending::<Result<HealthChecks, Error>>()
    });
    let app = TestApp::builder().service(starting).build();
    let started = tokio::time::timeout(SECOND, app.start()).await;
    assert!(started.is_err());
    // A restart would not help.
    assert!(liveness(&app).ready());
    assert_eq!(report::health(&app).document["notes"][0], "starting: the health service does not run yet");
    assert_eq!(report::health(&app).http_status, 503);
    assert_eq!(readiness(&app).reasons[0], "starting");
    app.kill(StopCause::Killed("enough".to_owned()));
    app.stopped().await;
    assert!(liveness(&app).ready());
    assert!(!readiness(&app).ready());
}

#[tokio::test(start_paused = true)]
async fn a_health_service_that_died_is_not_alive() {
    let (app, _health) = started().await;
    app.service(HEALTHCHECK_SERVICE_ID).unwrap().kill("by hand");
    pass(SECOND).await;
    assert_eq!(liveness(&app).reasons, ["the health service is stopped: by hand"]);
    assert!(!readiness(&app).ready());
    app.stop().await.expect_clean();
}

/// Polled once, it advances the clock without giving any task a turn, like a blocked runtime or a stopped process.
fn stand_still(time: Duration) {
    assert!(tokio::time::advance(time).now_or_never().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_blocked_runtime_is_not_alive() {
    let (app, _health) = started().await;
    pass(100 * SECOND).await;
    assert!(liveness(&app).ready());
    stand_still(9 * SECOND);
    assert!(liveness(&app).ready());
    stand_still(3 * SECOND);
    assert!(liveness(&app).ready(), "a suspicion");
    stand_still(SECOND);
    assert!(liveness(&app).ready(), "still one");
    stand_still(SECOND);
    assert!(liveness(&app).reasons[0].starts_with("the runtime is blocked: its last heartbeat was 1"));
    assert_eq!(report::verdict(&app, liveness(&app)).http_status, 503);
    pass(2 * SECOND).await;
    assert!(liveness(&app).ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_process_that_was_stopped_is_alive_when_it_goes_on() {
    let (app, _health) = started().await;
    for _ in 0..3 {
        // Stopped for an hour. The probe is asked before any other task gets a turn.
        stand_still(3_600 * SECOND);
        assert!(liveness(&app).ready());
        pass(SECOND / 2).await;
        assert!(liveness(&app).ready());
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn liveness_heeds_a_critical_check_that_says_it_is_about_liveness_and_only_when_it_fails() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.fail(true);
    probe.register(
        &health,
        every_second(CHECK).critical().failure_threshold(2).group(LIVENESS_GROUP),
        SECOND / 4,
    );
    Probe::default().register(&health, every_second(OTHER).group(LIVENESS_GROUP), Duration::ZERO);
    assert!(liveness(&app).ready() && readiness(&app).ready(), "unknown is not failing");
    pass(SECOND).await;
    assert!(liveness(&app).ready(), "one failure is within the threshold");
    pass(SECOND).await;
    assert!(liveness(&app).reasons[0].starts_with("critical health check c1 fails (2 times in a row)"));
    assert!(readiness(&app).ready(), "it is in no other group");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_start_is_over_when_critical_checks_of_startup_have_passed_once() {
    let (app, health) = started().await;
    assert!(startup(&app).ready());
    let probe = Probe::default();
    probe.fail(true);
    probe.register(&health, every_second(CHECK).critical().group(STARTUP_GROUP), Duration::ZERO);
    pass(SECOND / 2).await;
    assert!(startup(&app).reasons[0].contains("told to fail") && !readiness(&app).ready());
    probe.fail(false);
    pass(SECOND).await;
    assert!(startup(&app).ready() && readiness(&app).ready());
    probe.fail(true);
    pass(2 * SECOND).await;
    assert!(startup(&app).ready() && readiness(&app).ready(), "once is enough");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_hundred_checks_that_hang_each_time_out_and_no_probe_waits_for_them() {
    let (app, health) = started_parallel().await;
    let probes: Vec<_> = (1..=100)
        .map(|id| {
            let (probe, hangs) = (Probe::default(), Duration::from_secs(86_400));
            probe.register(&health, every_second(HealthCheckId::new(id)).critical(), hangs);
            probe
        })
        .collect();
    for _ in 0..20 {
        pass(SECOND).await;
        let asked = tokio::time::Instant::now();
        assert!(liveness(&app).ready());
        assert!(!readiness(&app).ready());
        assert_eq!(report::health(&app).http_status, 503);
        assert_eq!(asked.elapsed(), Duration::ZERO);
    }
    assert!(probes.iter().all(|probe| probe.most_in_flight() == 1 && probe.runs() > 3));
    let results = health.results().unwrap();
    assert_eq!(results.len(), 100);
    assert!(results.values().all(|result| result.outcome == crate::HealthOutcome::TimedOut));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn readiness_notes_the_critical_checks_that_are_paused() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.fail(true);
    probe.register(&health, every_second(CHECK).name("disk").critical(), Duration::ZERO);
    Probe::default().register(&health, every_second(OTHER), Duration::ZERO);
    pass(SECOND / 2).await;
    assert_eq!(report::readiness(&app).http_status, 503);
    assert!(health.pause(CHECK).unwrap() && health.pause(OTHER).unwrap());
    let report = report::readiness(&app);
    assert_eq!((report.http_status, &report.document["status"]), (200, &"pass".into()));
    let notes = report.document["notes"].as_array().unwrap();
    assert_eq!(notes.len(), 1, "one check is critical: {notes:?}");
    let note = notes[0].as_str().unwrap();
    assert!(note.starts_with("critical health check disk (c1) is paused since 20"), "{note}");
    let check = report::health(&app).document["checks"]["disk"][0].clone();
    assert!(check["pausedSince"].is_string(), "{check}");
    health.resume(CHECK).unwrap();
    assert_eq!(report::readiness(&app).document["notes"].as_array().map(Vec::len), Some(1), "it fails");
    app.stop().await.expect_clean();
}
