//! Restarts on request.

use app_core::LogLevel;

use super::*;

fn three() -> [ServiceDescriptor; 3] {
    [runs(BASE, "base"), runs(MIDDLE, "middle").after([BASE]), runs(TOP, "top").after([MIDDLE])]
}

#[tokio::test(start_paused = true)]
async fn a_restart_on_request_stops_dependents_first_and_starts_them_last() {
    let app = TestApp::builder().services(three()).start().await;
    app.restart(MIDDLE, "new certificates").await.unwrap();
    sleep(secs(1)).await;
    assert_eq!(order(&app, events::SERVICE_KILLED), ["top", "middle"]);
    assert_eq!(order(&app, events::SERVICE_STOPPED), ["top", "middle"]);
    assert_eq!(order(&app, events::SERVICE_RESTARTED), ["middle", "top"]);
    let killed = app.captured().with_event(events::SERVICE_KILLED);
    let said = |record: &serde_json::Value| record["message"].as_str().unwrap().to_owned();
    assert_eq!(
        killed.iter().map(said).collect::<Vec<_>>(),
        [
            "service told to stop: service middle (3dd1e), which it depends on, restarts: new certificates",
            "service told to stop: restart asked for: new certificates",
        ]
    );
    let asked = app.captured().with_event(events::SERVICE_RESTART_REQUESTED);
    assert_eq!(said(&asked[0]), "restart of the service asked for: new certificates");
    assert!(app.readiness().ready());
    assert_eq!(status(&app, BASE).restarts, 0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_died_for_good_comes_back_on_request_and_with_it_who_went_with_it() {
    let app = TestApp::builder().services(three()).start().await;
    app.service(BASE).unwrap().kill("not wanted");
    sleep(secs(1)).await;
    let refused = app.restart(TOP, "please").await.unwrap_err();
    assert_eq!(
        refused.message(),
        "service top (709) cannot be restarted: service base (ba5e), which it depends on, is gone; restart that service"
    );
    app.restart(BASE, "wanted after all").await.unwrap();
    sleep(secs(1)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_restart_on_request_does_not_wait_and_what_was_counted_is_forgotten() {
    let policy = on_failure().max_restarts(2).window(secs(3_600)).backoff(secs(30), secs(300));
    let app = TestApp::builder().service(fails_times(3).restart(policy)).start().await;
    for incarnation in 1..=3 {
        sleep(secs(6)).await;
        assert!(status(&app, BASE).restarting.is_some(), "it waits");
        app.restart(BASE, "now").await.unwrap();
        sleep(Duration::from_millis(1)).await;
        assert_eq!(app.get::<Base>().0, incarnation + 1);
    }
    assert!(app.readiness().ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_restart_is_refused_by_an_app_that_starts_or_stops_and_for_services_that_are_not_its_own() {
    let slow = ServiceDescriptor::of(BASE, "base", || async {
        sleep(secs(5)).await;
        Ok(())
    });
    let app = TestApp::builder().service(slow).build();
    let kernel = app.app().clone();
    assert!(kernel.restart(BASE, "too early").await.unwrap_err().is(&errors::SERVICE_NOT_AVAILABLE));
    let starting = tokio::spawn({
        let kernel = kernel.clone();
        async move { kernel.start().await.is_ok() }
    });
    sleep(secs(1)).await;
    assert!(kernel.restart(BASE, "too early").await.unwrap_err().is(&errors::SERVICE_NOT_AVAILABLE));
    assert!(starting.await.unwrap());
    let _made = app.new_service(TOP, "made at run time");
    assert!(kernel.restart(TOP, "unknown").await.unwrap_err().is(&errors::SERVICE_NOT_REGISTERED));
    app.stop().await.expect_clean();
    assert!(kernel.restart(BASE, "too late").await.unwrap_err().is(&errors::APP_NOT_ALIVE));
}

#[tokio::test(start_paused = true)]
async fn a_task_of_a_service_may_ask_for_its_own_restart() {
    let incarnations = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&incarnations);
    let asks = ServiceDescriptor::of(BASE, "base", move |service: Service| {
        *counted.lock().unwrap() += 1;
        let first = *counted.lock().unwrap() == 1;
        async move {
            service.clone().spawn("asks", async move {
                sleep(secs(1)).await;
                if first { App::of(&service).restart(BASE, "tired").await } else { Ok(()) }
            })
        }
    });
    let app = TestApp::builder().services([asks, runs(TOP, "top").after([BASE])]).start().await;
    sleep(secs(3)).await;
    assert_eq!(*incarnations.lock().unwrap(), 2);
    assert!(app.readiness().ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn several_requests_at_once_are_one_restart_each_and_none_is_lost() {
    let app = TestApp::builder().services(three()).start().await;
    let (base, top, again) = (app.restart(BASE, "a"), app.restart(TOP, "b"), app.restart(BASE, "c"));
    let (base, top, again) = tokio::join!(base, top, again);
    base.and(top).and(again).unwrap();
    sleep(secs(1)).await;
    assert!(app.readiness().ready());
    assert_eq!((status(&app, BASE).restarts, status(&app, TOP).restarts), (1, 1));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_log_level_of_a_service_outlives_its_restart() {
    let app =
        TestApp::builder().services(three()).flags(|flags| flags.log_level = LogLevel::Error).start().await;
    app.set_service_log_level(TOP, Some(LogLevel::Debug), None);
    app.restart(BASE, "test").await.unwrap();
    sleep(secs(1)).await;
    debug!(app.service(TOP).unwrap().log(), "said by the second one");
    debug!(app.service(MIDDLE).unwrap().log(), "not said");
    let log = app.captured().text();
    assert!(log.contains("said by the second one") && !log.contains("not said"), "{log}");
    app.stop().await.expect_clean();
}
