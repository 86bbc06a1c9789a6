//! Tests of the times at which checks run.

use app_core::{StopCause, prelude::*, testing::TestApp};

use crate::{
    HEALTHCHECK_SERVICE_ID, HealthChecks,
    fixture::{CHECK, OTHER, Probe, SECOND, every_second, pass, started},
};

#[tokio::test(start_paused = true)]
async fn the_first_run_is_at_once_and_the_others_at_a_fixed_rate() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::from_millis(300));
    pass(Duration::from_millis(60)).await;
    assert_eq!(probe.runs(), 1);
    pass(10 * SECOND).await;
    assert_eq!(probe.gaps(), [SECOND; 10], "the duration of a run does not matter");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn due_times_that_were_missed_are_left_out() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).timeout(10 * SECOND), 5 * SECOND / 2);
    pass(20 * SECOND).await;
    assert_eq!(probe.gaps(), [3 * SECOND; 6]);
    assert_eq!(probe.most_in_flight(), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn after_a_suspension_there_is_no_burst_and_no_drift() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(Duration::from_millis(3_100)).await;
    let before = probe.runs();
    tokio::time::advance(Duration::from_millis(3_600_700)).await;
    pass(Duration::from_millis(1)).await;
    assert_eq!(probe.runs(), before + 1, "one run for all that were missed");
    pass(3 * SECOND).await;
    let gaps = probe.gaps();
    let (_suspended, later) = (gaps[before - 1], &gaps[before..]);
    assert!(later[0] < SECOND, "on schedule again");
    assert!(later[1..].iter().all(|gap| *gap == SECOND), "{later:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn one_check_runs_at_a_time() {
    let (app, health) = started().await;
    let probe = Probe::default();
    for id in 1..=20 {
        probe.register(&health, every_second(HealthCheckId::new(id)), Duration::from_millis(20));
    }
    pass(Duration::from_millis(1_500)).await;
    assert_eq!(probe.most_in_flight(), 1);
    assert!(probe.runs() >= 20);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn checks_that_time_out_hold_the_others_up_by_one_timeout_a_turn() {
    let (app, health) = started().await;
    let well = Probe::default();
    for id in 1..=3 {
        let hangs = every_second(HealthCheckId::new(id)).timeout(SECOND);
        health.register_unbound(hangs, |_cancel| std::future::pending::<Result<(), Error>>()).unwrap();
    }
    well.register(&health, every_second(OTHER), Duration::ZERO);
    pass(60 * SECOND).await;
    // Three timeouts of a second, and 0.1 s for each to clean up.
    let longest = well.gaps().into_iter().max().unwrap();
    assert!(longest <= Duration::from_millis(3_300) + SECOND, "{longest:?}");
    assert!(well.runs() > 12, "{}", well.runs());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn no_run_begins_once_the_app_stops() {
    let drains = TestApp::builder().flags(|flags| flags.drain_delay = 30 * SECOND);
    let app = drains.linked([HEALTHCHECK_SERVICE_ID]).start().await;
    let health = app.get::<HealthChecks>();
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(SECOND / 2).await;
    app.kill(StopCause::Killed("enough".to_owned()));
    pass(10 * SECOND).await;
    assert!(health.run(CHECK).await.unwrap_err().is(&errors::APP_NOT_ALIVE));
    assert!(health.resume(CHECK).unwrap_err().is(&errors::APP_NOT_ALIVE));
    app.stop().await.expect_clean();
    assert_eq!(probe.runs(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_thousand_checks_keep_their_time() {
    let (app, health) = started().await;
    let probes: Vec<_> = (1..=1_000)
        .map(|id| {
            let probe = Probe::default();
            probe.register(&health, every_second(HealthCheckId::new(id)), Duration::ZERO);
            probe
        })
        .collect();
    pass(Duration::from_millis(3_060)).await;
    for probe in probes {
        assert_eq!(probe.gaps(), [SECOND; 3]);
    }
    app.stop().await.expect_clean();
}
