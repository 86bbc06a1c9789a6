//! Start, run and stop of an app, as its services and its operator see it. Time is paused: a timeout takes no time.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::missing_panics_doc,
    reason = "a test fails by panicking"
)]

use std::{future::pending, sync::Arc, time::Duration};

use app_core::{
    AppBuilder, ExitStatus, ServiceDescriptor, StopCause, StopReport, events,
    events::{AppEvent, ServiceEventKind},
    prelude::*,
    testing::{
        TestApp, TestAppBuilder, fails_after, fails_to_start, hangs_at_start, hangs_at_stop, panics_at_start,
        runs,
    },
};

const BASE: ServiceId = ServiceId::new(0xba5e);
const MIDDLE: ServiceId = ServiceId::new(0x3dd1e);
const TOP: ServiceId = ServiceId::new(0x709);

struct Base;
impl Exposed for Base {
    const SERVICE: ServiceId = BASE;
}

struct Middle(Arc<Base>);
impl Exposed for Middle {
    const SERVICE: ServiceId = MIDDLE;
}

fn base() -> ServiceDescriptor {
    ServiceDescriptor::of(BASE, "base", || async { Ok(Base) })
}

fn middle() -> ServiceDescriptor {
    ServiceDescriptor::of(MIDDLE, "middle", |base: Dep<Base>| async move { Ok(Middle(base.into_inner())) })
}

fn top() -> ServiceDescriptor {
    ServiceDescriptor::of(TOP, "top", |service: Service, middle: Dep<Middle>| async move {
        assert!(Arc::strong_count(&middle.0) > 0);
        let me = service.clone();
        service.spawn("works", async move { me.dying().await })
    })
}

fn three() -> TestAppBuilder {
    // Not in their order: the graph finds it.
    TestApp::builder().services([top(), base(), middle()])
}

async fn failed_start(builder: TestAppBuilder) -> (StopReport, TestApp) {
    let app = builder.build();
    let report = app.start().await.expect_err("it must not start");
    (report, app)
}

fn reasons(report: &StopReport) -> Vec<String> {
    match &report.cause {
        StopCause::StartFailed(errors) => errors.iter().map(ToString::to_string).collect(),
        other => panic!("{other:?}"),
    }
}

/// The names of the services in the order in which this happened to them.
fn order(app: &TestApp, event: LogEventId) -> Vec<String> {
    let name = |record: &serde_json::Value| record["svc_name"].as_str().unwrap().to_owned();
    app.captured().with_event(event).iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn services_start_after_what_they_need_and_stop_before_it() {
    let app = three().start().await;
    assert_eq!(order(&app, events::SERVICE_STARTED), ["base", "middle", "top"]);
    assert!(app.readiness().ready());
    let (log, report) = (app.captured().clone(), app.app().clone());
    app.stop().await.expect_clean();
    let stopped: Vec<_> = log.with_event(events::SERVICE_STOPPED);
    let stopped: Vec<_> = stopped.iter().map(|record| record["svc_name"].as_str().unwrap()).collect();
    assert_eq!(stopped, ["top", "middle", "base"]);
    assert!(report.services().is_empty());
    assert!(matches!(report.get::<Base>(), Err(error) if error.is(&errors::SERVICE_NOT_AVAILABLE)));
}

#[tokio::test(start_paused = true)]
async fn the_log_tells_the_story_with_the_seeds_event_ids() {
    let app = TestApp::builder().service(runs(BASE, "base")).start().await;
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    let told: Vec<_> = log.records().iter().filter_map(|r| r["event"].as_str().map(str::to_owned)).collect();
    let expected = [
        events::SERVICE_REGISTERED,
        events::SERVICE_STARTING,
        events::SERVICE_STARTED,
        events::APP_STARTED,
        events::APP_STOPPING,
        events::SERVICE_KILLED,
        events::SERVICE_STOPPING,
        events::SERVICE_STOPPED,
        events::SERVICE_UNREGISTERED,
        events::APP_STOPPED,
    ];
    assert_eq!(told, expected.map(LogEventId::hex));
}

#[tokio::test(start_paused = true)]
async fn services_of_one_level_start_in_parallel() {
    let slow = |id: u64| {
        ServiceDescriptor::of(ServiceId::new(id), format!("slow{id}"), || async {
            tokio::time::sleep(Duration::from_secs(5)).await;
            Ok(())
        })
    };
    let begun = tokio::time::Instant::now();
    let app = TestApp::builder().services((1..=20).map(slow)).start().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(5));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_failed_start_stops_what_had_started_in_reverse() {
    let bad = fails_to_start(TOP, "top").after([MIDDLE]);
    let (report, app) = failed_start(TestApp::builder().services([bad, base(), middle()])).await;
    assert_eq!(report.exit_status(), ExitStatus::StartFailed);
    assert_eq!(reasons(&report).len(), 1);
    assert!(
        reasons(&report)[0].contains("top") && reasons(&report)[0].ends_with("failed to start, on purpose")
    );
    assert_eq!(order(&app, events::SERVICE_STOPPED), ["top", "middle", "base"]);
    assert!(app.captured().with_event(events::APP_STARTED).is_empty());
    assert!(!app.readiness().ready());
}

#[tokio::test(start_paused = true)]
async fn a_start_function_that_panics_is_a_failure_never_ready() {
    let (report, _app) = failed_start(TestApp::builder().service(panics_at_start(TOP, "top"))).await;
    assert_eq!(report.exit_status(), ExitStatus::StartFailed);
    assert!(reasons(&report)[0].contains("panicked at start, on purpose"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_start_function_has_a_deadline() {
    let slow = hangs_at_start(TOP, "top").start_timeout(Duration::from_secs(7));
    let begun = tokio::time::Instant::now();
    let (report, _app) = failed_start(TestApp::builder().service(slow)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(7));
    assert!(reasons(&report)[0].contains("did not return within 7s"), "{report:?}");
    assert!(report.abandoned.is_empty(), "an aborted start function leaves nothing behind");
}

#[tokio::test(start_paused = true)]
async fn every_service_of_a_level_that_fails_is_told() {
    let builder = TestApp::builder().services([
        fails_to_start(TOP, "top"),
        fails_to_start(BASE, "base"),
        middle_alone(),
    ]);
    let (report, _app) = failed_start(builder).await;
    assert_eq!(reasons(&report).len(), 2, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_service_that_fails_while_others_of_its_level_still_start_is_a_failed_start() {
    let soon = fails_after(BASE, "base", Duration::from_secs(1), disk_full());
    let slow = ServiceDescriptor::of(TOP, "top", || async {
        tokio::time::sleep(Duration::from_secs(5)).await;
        Ok(())
    });
    let (report, app) = failed_start(TestApp::builder().services([soon, slow])).await;
    assert!(reasons(&report)[0].ends_with("disk full"), "{report:?}");
    assert!(app.captured().with_event(events::APP_STARTED).is_empty());
}

fn middle_alone() -> ServiceDescriptor {
    runs(MIDDLE, "middle")
}

#[tokio::test(start_paused = true)]
async fn a_kill_during_the_start_is_a_clean_stop() {
    let app = TestApp::builder().services([base(), hangs_at_start(TOP, "top").after([BASE])]).build();
    let killer = app.app().clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3)).await;
        killer.kill(StopCause::Signal(15));
    });
    let report = app.start().await.expect_err("killed before it was ready");
    assert_eq!(report.exit_status(), ExitStatus::Clean, "{report:?}");
    assert_eq!(order(&app, events::SERVICE_STOPPED), ["top", "base"]);
}

#[tokio::test]
async fn a_kill_before_the_start_is_a_clean_stop_and_the_log_says_so() {
    let app = TestApp::builder().services([base()]).build();
    app.kill(StopCause::Signal(15));
    let report = app.start().await.expect_err("killed before it was started");
    assert_eq!(report.exit_status(), ExitStatus::Clean, "{report:?}");
    for event in [events::APP_STOPPING, events::APP_STOPPED] {
        assert_eq!(app.captured().with_event(event).len(), 1, "{}", app.captured().text());
    }
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_is_abandoned_and_named_and_the_rest_still_stops() {
    let builder = TestApp::builder().services([base(), hangs_at_stop(TOP, "top").after([BASE])]);
    let app = builder.start().await;
    let log = app.captured().clone();
    let begun = tokio::time::Instant::now();
    let report = app.stop().await;
    assert_eq!(begun.elapsed(), Duration::from_secs(10), "the default of a service");
    assert_eq!(report.exit_status(), ExitStatus::Abandoned);
    assert_eq!(
        (report.abandoned[0].name.as_str(), &report.abandoned[0].tasks[..]),
        ("top", &["hangs".to_owned()][..])
    );
    assert_eq!(log.with_event(events::SERVICE_STOPPING_TIMEOUT)[0]["tasks"], "hangs");
    assert_eq!(
        log.with_event(events::APP_STOPPED)[0]["abandoned"].as_str().unwrap().split(' ').next(),
        Some("top")
    );
}

#[tokio::test(start_paused = true)]
async fn the_whole_app_has_a_deadline_too() {
    // Thirteen levels that take ten seconds each: more than two minutes.
    let chain = (1..=13).map(|id| {
        let needs = (id > 1).then(|| ServiceId::new(id - 1));
        hangs_at_stop(ServiceId::new(id), format!("h{id}")).after(needs)
    });
    let app = TestApp::builder().services(chain).start().await;
    let log = app.captured().clone();
    let begun = tokio::time::Instant::now();
    let report = app.stop().await;
    assert!(begun.elapsed() < Duration::from_secs(121), "{:?}", begun.elapsed());
    assert_eq!(log.with_event(events::APP_STOPPING_TIMEOUT).len(), 1);
    assert_eq!(report.abandoned.len(), 13);
}

#[tokio::test(start_paused = true)]
async fn readiness_goes_down_before_the_drain_delay_and_services_after_it() {
    let app = three().flags(|flags| flags.drain_delay = Duration::from_secs(20)).start().await;
    let kernel = app.app().clone();
    let stopping = tokio::spawn(app.stop());
    tokio::time::sleep(Duration::from_secs(19)).await;
    assert_eq!(kernel.readiness().reasons, ["stopping: killed: the test is over"]);
    assert_eq!(kernel.services().len(), 3, "all still serve");
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert!(kernel.services().is_empty());
    stopping.await.unwrap().expect_clean();
}

fn disk_full() -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(BASE).message("disk full").build()
}

#[tokio::test(start_paused = true)]
async fn services_made_at_run_time_are_registered_once_and_stopped_first() {
    let app = TestApp::builder().service(base()).start().await;
    let late = app.new_service(TOP, "late");
    let twin = Service::new(&app, TOP, "twin").unwrap();
    assert!(app.register(&twin).unwrap_err().is(&errors::SERVICE_ALREADY_REGISTERED));
    assert!(app.unregister(&twin).unwrap_err().is(&errors::SERVICE_NOT_REGISTERED), "not this incarnation");
    late.kill("replaced");
    late.wait().await.unwrap();
    assert!(app.register(&late).unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.register(&twin).unwrap();
    let log = app.captured().clone();
    let kernel = app.app().clone();
    app.stop().await.expect_clean();
    let stopped: Vec<_> = log
        .with_event(events::SERVICE_STOPPED)
        .iter()
        .map(|r| r["svc_name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(stopped, ["late", "twin", "base"]);
    let dead = Service::new(&kernel, TOP, "too late").unwrap();
    assert!(kernel.register(&dead).unwrap_err().is(&errors::APP_NOT_ALIVE));
}

#[tokio::test(start_paused = true)]
async fn events_are_values_on_a_channel() {
    let app = TestApp::builder().service(base()).build();
    let mut channel = app.events();
    app.start().await.unwrap();
    let first = channel.recv().await.unwrap();
    assert!(matches!(first, AppEvent::Service { id: BASE, kind: ServiceEventKind::Registered }), "{first:?}");
    assert_eq!(first.log_event_id(), events::SERVICE_REGISTERED);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_handle_of_another_type_is_told_by_name() {
    let wrong = ServiceDescriptor::of(BASE, "base", || async { Ok(7_u32) });
    let (report, _app) = failed_start(TestApp::builder().services([wrong, middle()])).await;
    let expected = "takes lifecycle::Base from service ba5e, whose start function returns u32";
    assert!(reasons(&report)[0].contains(expected), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_graph_that_cannot_be_starts_nothing() {
    let circle = [runs(BASE, "base").after([TOP]), runs(TOP, "top").after([BASE])];
    let (report, app) = failed_start(TestApp::builder().services(circle)).await;
    assert_eq!(report.exit_status(), ExitStatus::StartFailed);
    assert_eq!(
        reasons(&report),
        ["services need each other in a circle: base (ba5e) -> top (709) -> base (ba5e)"]
    );
    assert!(app.captured().with_event(events::SERVICE_REGISTERED).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_log_level_with_a_time_to_live_goes_back() {
    let app = three().flags(|flags| flags.log_level = app_core::LogLevel::Warn).start().await;
    let debug = app_core::LogLevel::Debug;
    app.set_service_log_level(BASE, Some(debug), Some(Duration::from_secs(10)));
    app.set_log_level(app_core::LogLevel::Error, None);
    assert_eq!((app.service_log_level(BASE), app.service_log_level(TOP)), (debug, app_core::LogLevel::Error));
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert_eq!(app.service_log_level(BASE), app_core::LogLevel::Error);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_app_that_was_never_started_can_be_killed_and_waited_for() {
    let app = TestApp::builder().service(hangs_at_start(TOP, "top")).build();
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn what_hangs_in_start_and_ignores_its_abort_does_not_hold_the_stop_up() {
    let deaf = ServiceDescriptor::of(TOP, "deaf", |service: Service| async move {
        service.spawn("deaf", pending::<()>())?;
        pending::<Result<(), Error>>().await
    });
    let (report, _app) =
        failed_start(TestApp::builder().service(deaf.start_timeout(Duration::from_secs(1)))).await;
    assert_eq!(report.exit_status(), ExitStatus::StartFailed);
}

#[tokio::test(start_paused = true)]
async fn what_a_late_start_function_spawned_may_still_finish_its_work() {
    let (done, is_done) = tokio::sync::oneshot::channel();
    let done = std::sync::Mutex::new(Some(done));
    let late = ServiceDescriptor::of(TOP, "late", move |service: Service| {
        let done = done.lock().unwrap().take().unwrap();
        async move {
            let me = service.clone();
            service.spawn("flushes", async move {
                me.dying().await;
                tokio::time::sleep(Duration::from_secs(3)).await;
                done.send(()).unwrap();
            })?;
            pending::<Result<(), Error>>().await
        }
    });
    let (report, _app) = failed_start(TestApp::builder().service(late)).await;
    is_done.await.unwrap();
    assert!(report.abandoned.is_empty(), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_handle_whose_drop_panics_does_not_keep_its_service_from_dying() {
    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any("no");
        }
    }
    let app =
        TestApp::builder().service(ServiceDescriptor::of(TOP, "bomb", || async { Ok(Bomb) })).start().await;
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    assert!(log.text().contains("the drop of the service's handle panicked: no"));
}

/// A scheduler lets a task that was woken run elsewhere at once only now and then: this provokes it.
async fn ping_pong(times: usize) {
    let (ping, mut pings) = tokio::sync::mpsc::channel(1);
    let (pong, mut pongs) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while pings.recv().await.is_some() {
            let _ = pong.send(()).await;
        }
    });
    for _ in 0..times {
        ping.send(()).await.unwrap();
        pongs.recv().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_function_that_fails_is_never_taken_for_one_that_came_back() {
    for round in 0..200 {
        let bad = ServiceDescriptor::of(TOP, "bad", move || async move {
            ping_pong(round % 5).await;
            if round % 2 == 0 {
                std::panic::panic_any("on purpose");
            }
            Err::<(), _>(disk_full())
        });
        let (_report, app) = failed_start(TestApp::builder().service(bad)).await;
        assert!(app.captured().with_event(events::SERVICE_STARTED).is_empty(), "{}", app.captured().text());
    }
}

#[tokio::test(start_paused = true)]
async fn an_app_that_is_dropped_leaves_nothing_behind() {
    let witness = Arc::new(());
    let holds = || {
        let witness = Arc::clone(&witness);
        ServiceDescriptor::of(TOP, "top", move || std::future::ready(Ok(Arc::downgrade(&witness))))
    };
    let app = TestApp::builder().service(holds()).build();
    drop(AppBuilder::new().log(app.log().clone()).services([holds()]).build().unwrap());
    assert_eq!(Arc::strong_count(&witness), 2, "never started");

    app.start().await.unwrap();
    app.set_log_level(app_core::LogLevel::Warn, Some(Duration::from_secs(3600)));
    let kernel = app.app().clone();
    app.stop().await.expect_clean();
    let late = Service::new(&kernel, BASE, "outlives its app").unwrap();
    late.kill("enough");
    late.wait().await.unwrap();
    drop((late, kernel));
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(Arc::strong_count(&witness), 1, "stopped, and a service died later");
}

#[tokio::test(start_paused = true)]
async fn who_hangs_beside_one_that_failed_does_not_keep_its_reason_from_being_told() {
    let begun = tokio::time::Instant::now();
    let services = [fails_to_start(TOP, "top"), hangs_at_start(BASE, "base"), runs(MIDDLE, "middle")];
    let (report, app) = failed_start(TestApp::builder().services(services)).await;
    assert_eq!(begun.elapsed(), Duration::from_secs(1), "a moment for the others' own reasons");
    assert_eq!(reasons(&report), ["service top (709) did not start: failed to start, on purpose"]);
    assert!(report.abandoned.is_empty(), "{report:?}");
    assert_eq!(order(&app, events::SERVICE_STOPPED).len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nothing_is_drained_before_the_app_was_ready() {
    let builder = TestApp::builder().service(hangs_at_start(TOP, "top"));
    let app = builder.flags(|flags| flags.drain_delay = Duration::from_secs(60)).build();
    let (killer, begun) = (app.app().clone(), tokio::time::Instant::now());
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(2)).await;
        killer.kill(StopCause::Signal(15));
    });
    app.start().await.expect_err("killed before it was ready");
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
}
