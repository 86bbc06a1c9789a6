//! Restarts: which services come back, in which order, after how long, and when it is too much. Time is paused.
#![allow(clippy::unwrap_used, clippy::missing_panics_doc, reason = "a test fails by panicking")]

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use app_core::{
    App, ExitStatus, Restart, ServiceDescriptor, ServiceState, StopCause, events,
    events::{AppEvent, ServiceEventKind},
    plugins::SERVICE_RESTARTS_EXHAUSTED,
    prelude::*,
    status::ServiceStatus,
    testing::{TestApp, hangs_at_stop, runs},
};
use tokio::time::{Instant, sleep};

#[path = "restarts/asked.rs"]
mod asked;
#[path = "restarts/crossed.rs"]
mod crossed;
#[path = "restarts/page.rs"]
mod page;
#[path = "restarts/random.rs"]
mod random;
#[path = "restarts/threads.rs"]
mod threads;

const BASE: ServiceId = ServiceId::new(0xba5e);
const MIDDLE: ServiceId = ServiceId::new(0x3dd1e);
const TOP: ServiceId = ServiceId::new(0x709);

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn disk_full() -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(BASE).message("disk full").build()
}

/// Restarts after 1, 2, 4 .. seconds, and chance's share on top.
fn on_failure() -> Restart {
    Restart::on_failure().backoff(secs(1), secs(64))
}

/// What a service exposes: the how-manieth incarnation it is, and itself, to see it die.
struct Base(usize, Service);
impl Exposed for Base {
    const SERVICE: ServiceId = BASE;
}

/// Fails 5 seconds after each of its first `failures` starts; says which incarnation it is.
fn fails_times(failures: usize) -> ServiceDescriptor {
    let incarnations = Mutex::new(0);
    ServiceDescriptor::of(BASE, "base", move |service: Service| {
        *incarnations.lock().unwrap() += 1;
        let incarnation = *incarnations.lock().unwrap();
        async move {
            if incarnation <= failures {
                service.spawn("fails", async {
                    sleep(secs(5)).await;
                    Err::<(), _>(disk_full())
                })?;
            }
            Ok(Base(incarnation, service))
        }
    })
}

/// Needs base, and keeps for the test which incarnations of it there were.
fn follows(id: ServiceId, name: &'static str, seen: &Arc<Mutex<Vec<usize>>>) -> ServiceDescriptor {
    let seen = Arc::clone(seen);
    ServiceDescriptor::of(id, name, move |service: Service, base: Dep<Base>| {
        let seen = Arc::clone(&seen);
        async move {
            seen.lock().unwrap().push(base.0);
            assert!(base.1.alive(), "started on a dead dependency");
            let me = service.clone();
            service.spawn("works", async move { me.dying().await })
        }
    })
}

fn status(app: &App, id: ServiceId) -> ServiceStatus {
    app.service_statuses().into_iter().find(|status| status.id == id).unwrap()
}

fn state(app: &App, id: ServiceId) -> ServiceState {
    status(app, id).state
}

/// The names of the services in the order in which this happened to them.
fn order(app: &TestApp, event: LogEventId) -> Vec<String> {
    let name = |record: &serde_json::Value| record["svc_name"].as_str().unwrap().to_owned();
    app.captured().with_event(event).iter().map(name).collect()
}

#[tokio::test(start_paused = true)]
async fn a_failed_service_comes_back_after_its_dependents_stopped_and_they_get_the_new_handle() {
    let seen = Arc::default();
    let services = [
        fails_times(1).restart(on_failure()),
        follows(MIDDLE, "middle", &seen),
        runs(TOP, "top").after([MIDDLE]),
        runs(ServiceId::new(1), "other"),
    ];
    let app = TestApp::builder().services(services).start().await;
    let first = app.get::<Base>().1.clone();
    sleep(secs(8)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    assert_eq!(order(&app, events::SERVICE_STOPPED), ["base", "top", "middle"]);
    assert_eq!(order(&app, events::SERVICE_STARTED)[4..], ["base", "middle", "top"]);
    assert_eq!(order(&app, events::SERVICE_RESTARTED), ["base", "middle", "top"]);
    assert_eq!(*seen.lock().unwrap(), [1, 2]);
    assert_eq!(app.get::<Base>().0, 2);
    assert!(
        first.ensure_alive().unwrap_err().is(&errors::SERVICE_NOT_ALIVE),
        "the old handle's service is dead"
    );
    let told = status(&app, BASE);
    assert_eq!((told.state, told.deaths, told.restarts), (ServiceState::Running, 1, 1));
    assert_eq!(told.last_failure.unwrap().reason, "disk full");
    assert!(told.reason.is_none() && told.restarting.is_none());
    let other = status(&app, ServiceId::new(1));
    assert_eq!((other.deaths, other.restarts), (0, 0), "nothing to do with it");
    assert!(other.uptime.unwrap() > told.uptime.unwrap());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn readiness_tells_of_a_restart_that_waits_and_whom_it_keeps_down() {
    let services = [fails_times(9).restart(on_failure()), runs(TOP, "top").after([BASE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(Duration::from_millis(5_900)).await;
    let expected = [
        "service top (709) is stopped: service base (ba5e), which it depends on, restarts: disk full",
        "service base (ba5e) is restarting (1 of 10 in 5m): disk full",
    ];
    assert_eq!(app.readiness().reasons, expected);
    let told = app.captured().with_event(events::SERVICE_RESTART_SCHEDULED);
    assert!(told[0]["message"].as_str().unwrap().ends_with("(1 of 10 in 5m): disk full"), "{}", told[0]);
    assert_eq!(told[0]["level"], "warn");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn each_restart_of_a_window_waits_twice_as_long_and_the_one_too_many_stops_the_app() {
    let policy = on_failure().max_restarts(3).window(secs(3600));
    let app = TestApp::builder().service(fails_times(99).restart(policy)).build();
    let mut channel = app.events();
    app.start().await.unwrap();
    let report = app.stopped().await;
    let mut delays = Vec::new();
    while let Ok(event) = channel.try_recv() {
        if let AppEvent::Service { kind: ServiceEventKind::RestartScheduled { delay, .. }, .. } = event {
            delays.push(delay);
        }
    }
    assert_eq!(delays.len(), 3);
    for (delay, least) in delays.iter().zip([1, 2, 4]) {
        assert!(*delay >= secs(least) && *delay <= 2 * secs(least), "{delays:?}");
    }
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    let StopCause::Fatal(error) = &report.cause else { panic!("{report:?}") };
    assert!(error.is(&SERVICE_RESTARTS_EXHAUSTED));
    assert_eq!(error.message(), "service base (ba5e) died once more after 3 restarts in 1h: disk full");
    assert_eq!(app.captured().with_event(events::SERVICE_RESTARTS_EXHAUSTED).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn restarts_that_are_older_than_the_window_do_not_count() {
    // Two in a minute may be, and there is one every six to seven seconds, or one every two minutes.
    let every = |pause: u64| {
        let fails = ServiceDescriptor::of(BASE, "base", move |service: Service| async move {
            service.spawn("fails", async move {
                sleep(secs(pause)).await;
                Err::<(), _>(disk_full())
            })
        });
        fails.restart(on_failure().max_restarts(2).window(secs(60)))
    };
    let app = TestApp::builder().service(every(120)).start().await;
    sleep(secs(3_600)).await;
    assert!(app.alive());
    assert!(status(&app, BASE).restarts > 25);
    app.stop().await;
    let app = TestApp::builder().service(every(5)).start().await;
    assert_eq!(app.stopped().await.exit_status(), ExitStatus::Fatal);
}

#[tokio::test(start_paused = true)]
async fn no_restart_at_all_means_that_the_first_failure_stops_the_app() {
    let app = TestApp::builder().service(fails_times(1).restart(on_failure().max_restarts(0))).start().await;
    let report = app.stopped().await;
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    assert!(report.cause.to_string().contains("died once more after 0 restarts"), "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_was_killed_on_request_stays_dead_unless_it_is_always_restarted() {
    let services = [
        runs(BASE, "base").restart(on_failure()),
        runs(MIDDLE, "middle").after([BASE]),
        runs(TOP, "top").restart(Restart::always()),
    ];
    let app = TestApp::builder().services(services).start().await;
    app.service(BASE).unwrap().kill("not wanted");
    app.service(TOP).unwrap().kill("not wanted");
    sleep(secs(5)).await;
    assert_eq!((state(&app, BASE), state(&app, TOP)), (ServiceState::Stopped, ServiceState::Running));
    let expected = [
        "service middle (3dd1e) is stopped: service base (ba5e), which it depends on, is gone: not wanted",
        "service base (ba5e) is stopped: not wanted",
    ];
    let reasons = app.readiness().reasons;
    assert!(expected.iter().all(|reason| reasons.iter().any(|told| told == reason)), "{reasons:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_a_failure_like_any_other() {
    let first = Mutex::new(true);
    let panics_once = ServiceDescriptor::of(BASE, "base", move |service: Service| {
        let panics = std::mem::take(&mut *first.lock().unwrap());
        async move {
            service.spawn("panics", async move {
                sleep(secs(1)).await;
                assert!(!panics, "on purpose");
                pending::<()>().await;
            })
        }
    });
    let app = TestApp::builder().service(panics_once.restart(on_failure())).start().await;
    sleep(secs(5)).await;
    assert!(app.readiness().ready());
    let told = status(&app, BASE);
    assert!(told.last_failure.unwrap().reason.ends_with("panicked: on purpose"));
    assert_eq!((told.restarts, told.tasks), (1, 1));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_is_an_attempt_even_if_its_error_is_fatal_otherwise() {
    let starts = Arc::new(Mutex::new(Vec::new()));
    let counted = Arc::clone(&starts);
    let stubborn = ServiceDescriptor::of(BASE, "base", move |service: Service| {
        counted.lock().unwrap().push(Instant::now());
        let start = counted.lock().unwrap().len();
        async move {
            match start {
                1 => service.spawn("fails", async {
                    sleep(secs(5)).await;
                    Err::<(), _>(disk_full())
                }),
                2 => Err(errors::CONFIG_FAILURE.error(BASE).message("not yet").build()),
                3 => pending().await,
                4 => std::panic::panic_any("not now"),
                _ => Ok(()),
            }
        }
    });
    let stubborn = stubborn.restart(on_failure()).start_timeout(secs(7));
    let app = TestApp::builder().services([stubborn, runs(TOP, "top").after([BASE])]).start().await;
    sleep(secs(50)).await;
    assert!(app.readiness().ready(), "{:?} {}", app.readiness(), app.captured().text());
    assert_eq!(starts.lock().unwrap().len(), 5);
    assert_eq!((status(&app, BASE).restarts, status(&app, TOP).restarts), (4, 1));
    assert_eq!(order(&app, events::SERVICE_RESTART_SCHEDULED).len(), 4);
    app.stop().await.expect_clean();
}

/// A runtime that no thread drives. A task on it is never polled and so never dropped, like a task that blocks its thread.
fn nowhere() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

/// Fails after a second, with a task left that no abort reaches.
fn sticks(runtime: &tokio::runtime::Runtime) -> ServiceDescriptor {
    let runtime = runtime.handle().clone();
    ServiceDescriptor::of(BASE, "base", move |service: Service| {
        let stuck = {
            let _elsewhere = runtime.enter();
            service.spawn("stuck", pending::<()>())
        };
        async move {
            stuck?;
            service.spawn("fails", async {
                sleep(secs(1)).await;
                Err::<(), _>(disk_full())
            })
        }
    })
}

#[tokio::test(start_paused = true)]
async fn a_service_that_does_not_stop_is_not_started_beside_itself() {
    let runtime = nowhere();
    let app = TestApp::builder().service(sticks(&runtime).restart(on_failure())).start().await;
    let report = app.stopped().await;
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    let why = "service base (ba5e) cannot be restarted, because it did not stop (tasks: stuck)";
    assert!(matches!(&report.cause, StopCause::Fatal(error) if error.message() == why), "{report:?}");
    runtime.shutdown_background();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_never_restarted_and_does_not_stop_is_gone_until_it_has() {
    let runtime = nowhere();
    let app = TestApp::builder().service(sticks(&runtime)).start().await;
    sleep(secs(20)).await;
    let refused = app.restart(BASE, "try").await.unwrap_err();
    assert_eq!(
        refused.message(),
        "service base (ba5e) cannot be restarted: it has not stopped, tasks: stuck"
    );
    assert_eq!(order(&app, events::SERVICE_STOPPING_TIMEOUT), ["base"]);
    runtime.shutdown_background();
    sleep(secs(1)).await;
    app.restart(BASE, "try again").await.unwrap_or_else(|error| panic!("{error}"));
    sleep(Duration::from_millis(1)).await;
    assert_eq!(status(&app, BASE).restarts, 1);
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_service_that_hangs_in_its_stop_is_aborted_and_then_comes_back() {
    let services = [fails_times(1).restart(on_failure()), hangs_at_stop(TOP, "top").after([BASE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(secs(14)).await;
    let reasons = app.readiness().reasons;
    assert!(reasons.iter().any(|reason| reason.contains("top (709) is stopping")), "{reasons:?}");
    assert_eq!(order(&app, events::SERVICE_STARTED), ["base", "top"], "base waits for its dependent's end");
    sleep(secs(3)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    assert_eq!(order(&app, events::SERVICE_STARTED), ["base", "top", "base", "top"]);
    app.stop().await;
}

/// Makes a command server whose init hook fails in the first `failures` incarnations, after the start function returned.
fn fails_to_init_later(failures: usize) -> ServiceDescriptor {
    let incarnations = Mutex::new(0);
    ServiceDescriptor::of(BASE, "base", move |service: Service| {
        *incarnations.lock().unwrap() += 1;
        let incarnation = *incarnations.lock().unwrap();
        async move {
            let me = service.clone();
            service.spawn("connects later", async move {
                sleep(secs(5)).await;
                let init = move |_: &mut ()| if incarnation <= failures { Err(disk_full()) } else { Ok(()) };
                CommandServer::builder("server", 4).init(init).spawn(&me, ())?;
                Ok::<(), Error>(())
            })?;
            Ok(Base(incarnation, service))
        }
    })
}

#[tokio::test(start_paused = true)]
async fn an_init_hook_that_fails_is_a_failure_that_the_restart_policy_decides_about() {
    let services = [fails_to_init_later(2).restart(on_failure()), runs(TOP, "top").after([BASE])];
    let app = TestApp::builder().services(services).start().await;
    sleep(secs(60)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    assert_eq!((app.get::<Base>().0, status(&app, BASE).deaths, status(&app, BASE).restarts), (3, 2, 2));
    let why = status(&app, BASE).last_failure.unwrap().reason;
    assert!(why.contains("disk full"), "{why}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_init_hook_that_fails_too_often_stops_the_app_with_4_and_without_a_policy_only_its_service() {
    let often = fails_to_init_later(usize::MAX).restart(on_failure().max_restarts(2));
    let app = TestApp::builder().service(often).start().await;
    let report = app.stopped().await;
    assert_eq!(report.exit_status(), ExitStatus::Fatal);
    let StopCause::Fatal(error) = &report.cause else { panic!("{report:?}") };
    assert!(error.is(&SERVICE_RESTARTS_EXHAUSTED), "{error}");

    let app = TestApp::builder().service(fails_to_init_later(usize::MAX)).start().await;
    sleep(secs(60)).await;
    assert!(app.alive(), "the app lives on");
    assert_eq!(state(&app, BASE), ServiceState::Failed);
    app.stop().await.expect_clean();
}
