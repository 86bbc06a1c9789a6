//! What crosses a restart: a stop, a kill, another death. Each at the worst moment.

use super::*;

/// Takes 5 seconds to start, and 3 to stop.
fn slow(id: ServiceId, name: &'static str) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, |service: Service| async move {
        let me = service.clone();
        service.spawn("flushes", async move {
            me.dying().await;
            sleep(secs(3)).await;
        })?;
        sleep(secs(5)).await;
        Ok(())
    })
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_restart_waits_is_clean_and_waits_for_nothing() {
    let policy = on_failure().backoff(secs(600), secs(600));
    let app = TestApp::builder().service(fails_times(1).restart(policy)).start().await;
    sleep(secs(10)).await;
    let begun = Instant::now();
    app.kill(StopCause::Signal(15));
    app.stopped().await.expect_clean();
    assert_eq!(begun.elapsed(), Duration::ZERO);
    assert_eq!(order(&app, events::SERVICE_STARTED), ["base"]);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_a_service_starts_again_drops_its_start_and_is_clean() {
    let app = TestApp::builder().services([slow(BASE, "base"), runs(TOP, "top").after([BASE])]).start().await;
    app.restart(BASE, "test").await.unwrap();
    sleep(secs(5)).await;
    assert_eq!(state(&app, BASE), ServiceState::Starting);
    let begun = Instant::now();
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    assert_eq!(begun.elapsed(), secs(3), "what its start had spawned may finish its work");
    assert_eq!(log.with_event(events::SERVICE_STARTED).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_stop_while_the_old_incarnation_ends_starts_no_new_one() {
    let app = TestApp::builder().services([slow(BASE, "base"), runs(TOP, "top").after([BASE])]).start().await;
    app.restart(BASE, "test").await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(state(&app, BASE), ServiceState::Stopping);
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    assert_eq!(log.with_event(events::SERVICE_STARTING).len(), 2, "those of the start");
}

#[tokio::test(start_paused = true)]
async fn a_dependency_that_dies_while_its_dependent_starts_again_takes_that_start_along() {
    let services = [
        runs(BASE, "base").restart(on_failure()),
        slow(MIDDLE, "middle").after([BASE]),
        runs(TOP, "top").after([MIDDLE]),
    ];
    let app = TestApp::builder().services(services).start().await;
    app.restart(MIDDLE, "test").await.unwrap();
    sleep(secs(5)).await;
    assert_eq!(state(&app, MIDDLE), ServiceState::Starting);
    app.service(BASE).unwrap().kill(disk_full());
    sleep(secs(1)).await;
    // Its start was dropped, and what that had spawned has its three seconds; base waits for it.
    assert_eq!((state(&app, MIDDLE), state(&app, BASE)), (ServiceState::Stopping, ServiceState::Failed));
    sleep(secs(8)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    assert_eq!(order(&app, events::SERVICE_STARTED)[3..], ["base", "middle", "top"]);
    let (middle, top) = (status(&app, MIDDLE), status(&app, TOP));
    assert_eq!((middle.restarts, top.restarts), (2, 1));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_kill_of_a_service_that_starts_again_is_a_death_of_its_own() {
    for (policy, comes_back) in [(on_failure(), false), (Restart::always(), true)] {
        let app = TestApp::builder().service(slow(BASE, "base").restart(policy)).start().await;
        app.restart(BASE, "test").await.unwrap();
        sleep(secs(4)).await;
        assert_eq!(state(&app, BASE), ServiceState::Starting);
        app.service(BASE).unwrap().kill("not wanted");
        sleep(secs(20)).await;
        assert_eq!(app.readiness().ready(), comes_back, "{:?}", app.readiness());
        app.stop().await.expect_clean();
    }
}

#[tokio::test(start_paused = true)]
async fn a_dependent_whose_own_start_fails_for_good_leaves_the_rest_running() {
    let starts = Mutex::new(0);
    let once = ServiceDescriptor::of(MIDDLE, "middle", move || {
        *starts.lock().unwrap() += 1;
        let first = *starts.lock().unwrap() == 1;
        async move { if first { Ok(()) } else { Err(disk_full()) } }
    });
    let services =
        [fails_times(1).restart(on_failure()), once.after([BASE]), runs(TOP, "top").after([MIDDLE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(secs(20)).await;
    let expected = [
        "service top (709) is stopped: service middle (3dd1e), which it depends on, is gone: service middle (3dd1e) did not start: disk full",
        "service middle (3dd1e) is failed: service middle (3dd1e) did not start: disk full",
    ];
    assert_eq!(app.readiness().reasons, expected);
    assert_eq!(state(&app, BASE), ServiceState::Running);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn two_that_fail_at_once_come_back_in_their_order() {
    let seen = Arc::default();
    let fails = ServiceDescriptor::of(TOP, "top", |service: Service| async move {
        service.spawn("fails", async {
            sleep(secs(5)).await;
            Err::<(), _>(disk_full())
        })
    });
    let policy = on_failure().max_restarts(100);
    let services = [
        fails_times(2).restart(policy),
        follows(MIDDLE, "middle", &seen).restart(policy),
        fails.after([MIDDLE]).restart(policy),
    ];
    let app = TestApp::builder().services(services).start().await;
    sleep(secs(30)).await;
    assert_eq!(state(&app, BASE), ServiceState::Running);
    assert_eq!(*seen.lock().unwrap(), [1, 2, 3]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_fatal_error_stops_the_app_also_when_an_ordinary_one_came_first() {
    let fatal = || errors::CONFIG_FAILURE.error(BASE).message("rules vanished").build();
    let service = ServiceDescriptor::of(BASE, "base", move |service: Service| {
        let error = fatal();
        async move {
            service.spawn("hangs", async {
                sleep(secs(9)).await;
                sleep(secs(99)).await;
            })?;
            let me = service.clone();
            service.spawn("fails worse", async move {
                me.dying().await;
                sleep(secs(2)).await;
                Err::<(), _>(error)
            })?;
            service.spawn("fails", async {
                sleep(secs(1)).await;
                Err::<(), _>(disk_full())
            })
        }
    });
    let begun = Instant::now();
    let app = TestApp::builder().service(service.restart(on_failure())).start().await;
    app.dying().await;
    assert_eq!(begun.elapsed(), secs(3));
    let report = app.stopped().await;
    assert!(
        matches!(&report.cause, StopCause::Fatal(error) if error.message() == "rules vanished"),
        "{report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_made_at_run_time_under_the_id_of_one_that_is_down_holds_it_up() {
    let policy = on_failure().backoff(secs(10), secs(10)).max_restarts(9);
    let app = TestApp::builder().service(fails_times(1).restart(policy)).start().await;
    sleep(secs(6)).await;
    let twin = app.new_service(BASE, "twin");
    sleep(secs(60)).await;
    assert!(status(&app, BASE).restarts == 0 && status(&app, BASE).deaths > 2, "{:?}", status(&app, BASE));
    twin.kill("makes room");
    sleep(secs(30)).await;
    assert_eq!((state(&app, BASE), app.get::<Base>().0), (ServiceState::Running, 2));
    app.stop().await.expect_clean();
}
