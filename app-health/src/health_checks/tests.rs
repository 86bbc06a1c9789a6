//! Tests of the handle: its methods and their errors.

use app_core::{prelude::*, testing::TestApp};
use app_metrics::testing::TestMetrics as _;

use super::*;
use crate::{
    HISTORY_LENGTH, HealthEvent, check,
    fixture::{CHECK, OTHER, Probe, SECOND, every_second, gauges, pass, started, started_parallel},
    outcome::RunOutcome,
};

const UNKNOWN: HealthCheckId = HealthCheckId::new(0xdead);

#[tokio::test(start_paused = true)]
async fn what_is_registered_can_be_asked_about() {
    let (app, health) = started().await;
    assert!(health.ids().unwrap().is_empty());
    for id in [OTHER, CHECK] {
        Probe::default().register(&health, every_second(id), Duration::ZERO);
    }
    assert_eq!(health.ids().unwrap(), [CHECK, OTHER]);
    assert!(health.registered(CHECK).unwrap() && !health.registered(UNKNOWN).unwrap());
    assert_eq!(health.spec(CHECK).unwrap(), every_second(CHECK));
    assert!(health.results().unwrap().is_empty());
    pass(SECOND).await;
    assert_eq!(health.results().unwrap().into_keys().collect::<Vec<_>>(), [CHECK, OTHER]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_not_there_is_not_registered() {
    let (app, health) = started().await;
    let not_registered = |error: Error| assert!(error.is(&errors::HEALTH_CHECK_NOT_REGISTERED), "{error}");
    not_registered(health.spec(UNKNOWN).unwrap_err());
    not_registered(health.result(UNKNOWN).unwrap_err());
    not_registered(health.history(UNKNOWN).unwrap_err());
    not_registered(health.state(UNKNOWN).unwrap_err());
    not_registered(health.run(UNKNOWN).await.unwrap_err());
    not_registered(health.resume(UNKNOWN).unwrap_err());
    assert!(!health.pause(UNKNOWN).unwrap());
    assert!(!health.unregister(UNKNOWN).unwrap());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn after_the_end_of_the_service_every_call_says_so() {
    let (app, health) = started().await;
    Probe::default().register(&health, every_second(CHECK), Duration::ZERO);
    app.stop().await.expect_clean();
    let not_alive = |error: Error| assert!(error.is(&errors::SERVICE_NOT_ALIVE), "{error}");
    let register = health.register_unbound(every_second(CHECK), |_cancel| async { Ok::<(), Error>(()) });
    not_alive(register.unwrap_err());
    not_alive(health.unregister(CHECK).unwrap_err());
    not_alive(health.registered(CHECK).unwrap_err());
    not_alive(health.ids().unwrap_err());
    not_alive(health.spec(CHECK).unwrap_err());
    not_alive(health.result(CHECK).unwrap_err());
    not_alive(health.results().unwrap_err());
    not_alive(health.history(CHECK).unwrap_err());
    not_alive(health.run(CHECK).await.unwrap_err());
    not_alive(health.pause(CHECK).unwrap_err());
    not_alive(health.resume(CHECK).unwrap_err());
    not_alive(health.paused().unwrap_err());
}

#[tokio::test(start_paused = true)]
async fn the_last_results_are_kept() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    probe.fail(true);
    pass(Duration::from_millis(50_060)).await;
    let history = health.history(CHECK).unwrap();
    assert_eq!(history.len(), HISTORY_LENGTH);
    let counts: Vec<_> = history.iter().map(|result| result.error_count).collect();
    assert_eq!(counts, (20..=51).collect::<Vec<_>>(), "oldest first");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_run_on_demand_joins_the_one_under_way() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).interval(100 * SECOND), SECOND / 4);
    pass(Duration::from_millis(60)).await;
    assert_eq!(probe.in_flight(), 1);
    let runs = (0..8).map(|_| health.run(CHECK));
    let results = futures_util::future::join_all(runs).await;
    assert!(results.into_iter().all(|result| result.unwrap().passed()));
    assert_eq!(probe.runs(), 1);
    let again = futures_util::future::join_all((0..8).map(|_| health.run(CHECK))).await;
    assert_eq!((again.len(), probe.runs()), (8, 2));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn runs_on_demand_leave_the_schedule_as_it_is() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(Duration::from_millis(500)).await;
    health.run(CHECK).await.unwrap();
    pass(SECOND).await;
    let gaps = probe.gaps();
    assert_eq!((gaps.len(), gaps[0] + gaps[1]), (2, SECOND));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_check_that_is_replaced_has_ended_before_the_new_one_runs() {
    let (app, health) = started_parallel().await;
    let (old, new) = (Probe::default(), Probe::default());
    old.register(&health, every_second(CHECK).timeout(100 * SECOND), 50 * SECOND);
    old.fail(true);
    pass(SECOND).await;
    let waiting = tokio::spawn({
        let health = HealthChecks::clone(&health);
        async move { health.run(CHECK).await }
    });
    pass(SECOND).await;
    assert_eq!(old.in_flight(), 1);
    let (old_one, new_one) = (old.clone(), new.clone());
    let check = move |_cancel| {
        assert_eq!(old_one.in_flight(), 0);
        new_one.clone().run(Duration::ZERO)
    };
    health.register_unbound(every_second(CHECK), check).unwrap();
    assert_eq!(gauges(&app, CHECK), (-1.0, 0.0), "another check, which has not run yet");
    assert!(waiting.await.unwrap().unwrap_err().is(&errors::HEALTH_CHECK_NOT_ALIVE));
    assert!(health.run(CHECK).await.unwrap().passed());
    pass(5 * SECOND).await;
    assert_eq!((old.runs(), health.ids().unwrap().len()), (1, 1));
    assert_eq!(gauges(&app, CHECK).0, 0.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn runs_of_one_check_never_overlap_however_often_it_is_replaced() {
    let (app, health) = started_parallel().await;
    let probe = Probe::default();
    for round in 0..50 {
        probe.register(&health, every_second(CHECK).timeout(100 * SECOND), 50 * SECOND);
        match round % 4 {
            0 => assert!(health.unregister(CHECK).unwrap()),
            1 => assert!(health.pause(CHECK).unwrap() && health.resume(CHECK).is_ok()),
            2 => pass(Duration::from_millis(70)).await,
            _ => {}
        }
    }
    pass(SECOND).await;
    assert_eq!((probe.in_flight(), probe.most_in_flight()), (1, 1));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_is_unregistered_is_gone_with_its_gauges() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), SECOND / 4);
    pass(Duration::from_millis(60)).await;
    assert!(app.scrape().contains("healthcheck=\"c1\""));
    assert!(health.unregister(CHECK).unwrap());
    assert!(!health.registered(CHECK).unwrap());
    pass(5 * SECOND).await;
    assert_eq!((probe.runs(), probe.in_flight()), (1, 0));
    assert!(!app.scrape().contains("healthcheck=\"c1\""));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_result_that_comes_after_its_check_is_gone_is_not_shown() {
    let (app, health) = started().await;
    let spec = health.effective_spec(every_second(CHECK)).unwrap();
    let check = check::boxed(Arc::clone(&spec), |_cancel| async { Ok::<(), Error>(()) });
    let entry = health.insert(spec, check, None).unwrap();
    assert!(entry.publish(RunOutcome::timed_out(&entry.spec, entry.wall_time())).is_some());
    Probe::default().register(&health, every_second(CHECK), Duration::ZERO);
    assert!(entry.publish(RunOutcome::timed_out(&entry.spec, entry.wall_time())).is_none());
    assert_eq!(gauges(&app, CHECK).0, -1.0, "the other has not run yet");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_does_not_run() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(Duration::from_millis(1_500)).await;
    assert!(health.pause(CHECK).unwrap() && health.pause(CHECK).unwrap());
    assert_eq!(health.paused().unwrap(), [CHECK]);
    pass(10 * SECOND).await;
    assert_eq!(probe.runs(), 2);
    assert!(health.run(CHECK).await.unwrap_err().is(&errors::HEALTH_CHECK_NOT_ALIVE));
    assert!(health.registered(CHECK).unwrap() && health.result(CHECK).unwrap().is_some());
    health.resume(CHECK).unwrap();
    health.resume(CHECK).unwrap();
    pass(Duration::from_millis(1_060)).await;
    assert_eq!(probe.runs(), 4, "at once, and then by its interval");
    assert!(health.paused().unwrap().is_empty());
    let log = app.captured();
    assert_eq!(log.with_event(crate::log_events::HEALTHCHECK_PAUSED).len(), 1);
    assert_eq!(log.with_event(crate::log_events::HEALTHCHECK_RESUMED)[0]["healthcheck"], "c1");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_pause_cancels_the_run_under_way() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).timeout(100 * SECOND), 50 * SECOND);
    pass(SECOND).await;
    health.pause(CHECK).unwrap();
    pass(Duration::from_millis(110)).await;
    assert_eq!(probe.in_flight(), 0);
    assert!(health.history(CHECK).unwrap().is_empty(), "a run that was cancelled has no result");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_stop_cancels_runs_under_way() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).timeout(100 * SECOND), 50 * SECOND);
    pass(SECOND).await;
    let waiting = tokio::spawn({
        let health = HealthChecks::clone(&health);
        async move { health.run(CHECK).await }
    });
    pass(SECOND).await;
    app.stop().await.expect_clean();
    assert_eq!(probe.in_flight(), 0);
    assert!(waiting.await.unwrap().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_check_may_hold_the_handle_without_being_kept_for_ever() {
    let (app, health) = started().await;
    let (holds, held) = (HealthChecks::clone(&health), Arc::downgrade(&health.0));
    health
        .register_unbound(every_second(CHECK), move |_cancel| {
            let ids = holds.ids();
            async move { ids.map(drop) }
        })
        .unwrap();
    pass(SECOND).await;
    drop(health);
    app.stop().await.expect_clean();
    assert_eq!(held.strong_count(), 0);
}

#[tokio::test(start_paused = true)]
async fn changes_are_logged_at_full_volume_and_what_stays_is_not() {
    let (app, health) = started().await;
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK).name("flaps"), Duration::ZERO);
    pass(Duration::from_millis(2_500)).await;
    probe.fail(true);
    pass(10 * SECOND).await;
    probe.fail(false);
    pass(2 * SECOND).await;
    let results = app.captured().with_event(crate::log_events::HEALTHCHECK_RESULT);
    let levels: Vec<_> = results.iter().filter_map(|record| record["level"].as_str()).collect();
    assert_eq!(levels.len(), 15, "{levels:?}");
    let loud: Vec<_> = results
        .iter()
        .filter(|record| record["level"] != "debug")
        .filter_map(|record| record["message"].as_str())
        .collect();
    assert_eq!(
        loud,
        [
            "health check flaps (c1) is passing, was unknown",
            "health check flaps (c1) is failing, was passing",
            "health check flaps (c1) failed",
            "health check flaps (c1) failed",
            "health check flaps (c1) failed",
            "health check flaps (c1) is passing, was failing",
        ]
    );
    assert!(results.iter().all(|record| record["healthcheck"] == "c1" && record["svc_name"] == "health"));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_app_without_checks_says_so() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    let zero = crate::log_events::ZERO_HEALTHCHECKS.hex();
    app.captured().wait_for(|record| record["event"] == *zero).await;
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_goes_with_the_service_that_it_was_registered_for() {
    let (app, health) = started().await;
    let owner = app.new_service(ServiceId::new(0x51), "owner");
    let part = owner.child("part").unwrap();
    let probe = Probe::default();
    for (owner, id) in [(&owner, CHECK), (&part, OTHER)] {
        let probe = probe.clone();
        let check = move |_cancel| probe.clone().run(Duration::ZERO);
        health.register(owner, every_second(id), check).unwrap();
    }
    pass(SECOND / 2).await;
    assert_eq!(probe.runs(), 2);
    part.kill("the test wants it");
    pass(SECOND).await;
    assert_eq!((health.ids().unwrap(), probe.runs()), (vec![CHECK], 3), "the end of a part sends no event");
    owner.kill("the test wants it");
    pass(SECOND / 10).await;
    assert!(health.ids().unwrap().is_empty());
    let too_late = health.register(&owner, every_second(CHECK), |_cancel| async { Ok::<(), Error>(()) });
    assert!(too_late.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_name_of_a_check_is_shown_among_the_metrics_as_it_is_now() {
    let (app, health) = started().await;
    let names = |app: &TestApp| {
        let name = |line: &str| Some(line.split_once("name=\"")?.1.split_once('"')?.0.to_owned());
        app.scrape()
            .lines()
            .filter(|line| line.contains("healthcheck=\"c1\""))
            .filter_map(name)
            .collect::<Vec<_>>()
    };
    for name in ["one", "two"] {
        Probe::default().register(&health, every_second(CHECK).name(name), Duration::ZERO);
        assert_eq!(names(&app), [name]);
    }
    health.unregister(CHECK).unwrap();
    assert!(names(&app).is_empty());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn what_happens_to_checks_is_told_as_it_happens() {
    let (app, health) = started().await;
    let mut events = health.events();
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    pass(Duration::from_millis(2_500)).await;
    probe.fail(true);
    pass(3 * SECOND).await;
    health.pause(CHECK).unwrap();
    health.resume(CHECK).unwrap();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    health.unregister(CHECK).unwrap();
    let mut told = Vec::new();
    while let Ok(HealthEvent { spec, kind }) = events.try_recv() {
        assert_eq!(spec.id, CHECK);
        told.push(match kind {
            HealthEventKind::Registered { replaced } => format!("registered, replaced: {replaced}"),
            HealthEventKind::Changed(change) => format!("{} to {}", change.from, change.to),
            other => format!("{other:?}").to_lowercase(),
        });
    }
    assert_eq!(
        told,
        [
            "registered, replaced: false",
            "unknown to passing",
            "passing to failing",
            "paused",
            "resumed",
            "registered, replaced: true",
            "unregistered",
        ]
    );
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_that_gets_no_turns_is_told_to_be_unknown() {
    let (app, health) = started().await;
    Probe::default().register(&health, every_second(CHECK), Duration::ZERO);
    pass(SECOND / 2).await;
    let hangs = every_second(OTHER).timeout(100 * SECOND);
    health.register_unbound(hangs, |_cancel| std::future::pending::<Result<(), Error>>()).unwrap();
    pass(10 * SECOND).await;
    let transitions = health.transitions(CHECK).unwrap();
    let last = transitions.last().unwrap();
    assert_eq!((last.to, transitions.len()), (crate::HealthStatus::Unknown, 2));
    assert!(last.result.is_none());
    let log = app.captured().with_event(crate::log_events::HEALTHCHECK_RESULT);
    let said = log.last().unwrap()["message"].as_str().unwrap();
    assert_eq!(said, "health check c1 is unknown, was passing: its last result is stale");
    pass(100 * SECOND).await;
    assert_eq!(health.transitions(CHECK).unwrap()[2].to, crate::HealthStatus::Passing);
    app.stop().await.expect_clean();
}

/// A health service with a wall clock that the test sets.
#[tokio::test(start_paused = true)]
async fn setting_the_time_of_day_moves_no_run() {
    let app = TestApp::with([app_metrics::METRICS_SERVICE_ID]).await;
    let service = app.new_service(ServiceId::new(0x52), "own");
    let offset = Arc::new(parking_lot::Mutex::new(0_i64));
    let set = Arc::clone(&offset);
    let wall_clock = move || {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000);
        let offset = Duration::from_secs(set.lock().unsigned_abs());
        if *set.lock() < 0 { noon - offset } else { noon + offset }
    };
    let meters = Meters::register(&app.get::<app_metrics::Metrics>()).unwrap();
    let health =
        HealthChecks::with_wall_clock(service.clone(), HealthConfig::default(), meters, Arc::new(wall_clock));
    service.spawn("schedule", crate::scheduler::run(health.clone())).unwrap();
    let probe = Probe::default();
    probe.register(&health, every_second(CHECK), Duration::ZERO);
    const YEAR: i64 = 366 * 86_400;
    for seconds in [0, YEAR, 0, -YEAR, 0] {
        *offset.lock() = seconds;
        pass(10 * SECOND).await;
    }
    pass(SECOND / 2).await;
    assert_eq!(probe.gaps(), [SECOND; 50], "no burst, no gap");
    assert_eq!(health.state(CHECK).unwrap().status, crate::HealthStatus::Passing);
    let history = health.history(CHECK).unwrap();
    let times: std::collections::BTreeSet<_> = history.iter().map(|result| result.started_at).collect();
    assert_eq!(times.len(), 3, "results carry the time of day");
    app.stop().await.expect_clean();
}
