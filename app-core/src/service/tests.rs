//! A service from its first task to its death.

use std::{future::pending, time::Duration};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use super::{KillReason, Service, ServiceState};
use crate::testing::TestApp;

const ID: ServiceId = ServiceId::new(7);

fn failure(message: &str) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(ID).message(message).build()
}

async fn until_killed(service: Service) {
    service.dying().await;
}

#[tokio::test]
async fn a_service_without_tasks_lives_until_it_is_killed() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    assert_eq!((service.alive(), service.state()), (true, ServiceState::Running));
    service.kill("enough");
    service.wait().await.unwrap();
    assert_eq!((service.alive(), service.state()), (false, ServiceState::Stopped));
    assert!(matches!(service.reason(), Some(KillReason::Requested(reason)) if reason == "enough"));
    assert!(app.service(ID).is_none(), "a dead service is not registered");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_task_that_ends_well_does_not_end_its_service() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    service.spawn("short", async { Ok::<(), Error>(()) }).unwrap();
    while !service.tasks().is_empty() {
        tokio::task::yield_now().await;
    }
    assert!(service.alive());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_failing_task_kills_its_service_with_its_error() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    service.spawn("other", until_killed(service.clone())).unwrap();
    service.spawn("fails", async { Err::<(), _>(failure("disk full")) }).unwrap();
    assert_eq!(service.wait().await.unwrap_err().to_string(), "disk full");
    assert_eq!(service.state(), ServiceState::Failed);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_panicking_task_kills_its_service_and_nothing_else() {
    let app = TestApp::empty().await;
    let (service, other) = (app.new_service(ID, "seven"), app.new_service(ServiceId::new(8), "eight"));
    service.spawn("panics", async { assert!(std::process::id() == 0, "one is not {}", 2) }).unwrap();
    let error = service.wait().await.unwrap_err();
    assert_eq!(error.to_string(), "task \"panics\" of service seven (7) panicked: one is not 2");
    assert!(error.is(&errors::BUG));
    assert!(other.alive() && app.alive());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_first_reason_stays_and_a_later_failure_is_kept_beside_it() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let me = service.clone();
    let shuts_down_badly = async move {
        me.dying().await;
        Err::<(), _>(failure("could not flush"))
    };
    service.spawn("flush", shuts_down_badly).unwrap();
    service.kill("on request");
    service.kill(failure("too late to be the reason"));
    assert_eq!(service.wait().await.unwrap_err().to_string(), "too late to be the reason");
    assert!(matches!(service.reason(), Some(KillReason::Requested(reason)) if reason == "on request"));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn dying_tasks_may_spawn_and_after_death_nobody_may() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let me = service.clone();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let last_words = async move {
        me.dying().await;
        me.spawn("clean up", async move { done.send(()).unwrap() })
    };
    service.spawn("worker", last_words).unwrap();
    service.kill("enough");
    service.wait().await.unwrap();
    is_done.await.unwrap();
    assert!(service.spawn("late", async {}).unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn waiting_for_oneself_is_refused_rather_than_a_deadlock() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let (me, child) = (service.clone(), service.child("part").unwrap());
    let (answer, answered) = tokio::sync::oneshot::channel();
    let waits = async move {
        // A child's task that waits for the parent waits for itself too.
        answer.send(me.wait().await).unwrap();
        me.dead().await;
    };
    child.spawn("waits", waits).unwrap();
    assert!(answered.await.unwrap().unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    service.kill("enough");
    service.wait().await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_child_dies_with_its_parent_and_before_it() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let child = service.child("part").unwrap();
    assert_eq!((child.name(), child.id()), ("seven/part", ID));
    child.spawn("worker", until_killed(child.clone())).unwrap();
    service.kill("enough");
    service.wait().await.unwrap();
    assert!(child.is_dead());
    assert_eq!(child.reason().unwrap().to_string(), "its parent seven (7) was killed");
    assert!(service.child("late").unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_failing_child_fails_alone_unless_it_is_linked() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let child = service.child("part").unwrap();
    child.spawn("fails", async { Err::<(), _>(failure("bad peer")) }).unwrap();
    child.wait().await.unwrap_err();
    assert!(service.alive());
    let told = app.captured().wait_for(|record| record["part"] == "seven/part").await;
    assert_eq!(told["err"]["message"], "bad peer", "{told}");

    let linked = service.child("linked").unwrap();
    let watched = linked.clone();
    service.spawn("link", async move { watched.wait().await }).unwrap();
    linked.kill(failure("broken"));
    assert_eq!(service.wait().await.unwrap_err().to_string(), "broken");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_forgotten_child_does_not_hold_its_parent_up() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    drop(service.child("forgotten").unwrap());
    service.kill("enough");
    service.wait().await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_task_that_is_aborted_fails_a_living_service() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    service.spawn("hangs", pending::<()>()).unwrap();
    service.abort_tasks();
    let error = service.wait().await.unwrap_err();
    assert_eq!(error.to_string(), "task \"hangs\" of service seven (7) was dropped before its end");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_period_starts_after_one_period_and_skips_what_was_missed() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let (tick, mut ticks) = tokio::sync::mpsc::channel(100);
    service.every(Duration::from_secs(10), move |_| tick.try_send(()).unwrap());
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(ticks.try_recv().is_err());
    tokio::time::advance(Duration::from_secs(100)).await;
    tokio::time::sleep(Duration::from_millis(1)).await;
    assert_eq!(ticks.len(), 1, "no burst after a pause");
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(ticks.len(), 4);
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_spawn_never_races_death() {
    let app = TestApp::empty().await;
    for round in 0..200 {
        let service = Service::new(&app, ID, "seven").unwrap();
        let spawners: Vec<_> = (0..4)
            .map(|_| {
                let service = service.clone();
                tokio::spawn(async move {
                    let mut accepted = 0;
                    while service.spawn("short", async {}).is_ok() {
                        accepted += 1;
                        tokio::task::yield_now().await;
                    }
                    accepted
                })
            })
            .collect();
        if round % 2 == 0 {
            tokio::task::yield_now().await;
        }
        service.kill("enough");
        service.wait().await.unwrap();
        assert!(service.tasks().is_empty(), "dead with a live task");
        for spawner in spawners {
            spawner.await.unwrap();
        }
        assert!(service.tasks().is_empty(), "a task was accepted after death");
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn one_that_was_killed_and_hangs_is_given_up_and_what_came_and_went_meanwhile_is_forgotten() {
    let app = TestApp::empty().await;
    let hangs = app.new_service(ID, "seven");
    hangs.spawn("hangs", pending::<()>()).unwrap();
    hangs.kill("enough");
    for _ in 0..1_000 {
        let passes = Service::new(&app, ServiceId::new(8), "eight").unwrap();
        app.register(&passes).unwrap();
        passes.spawn("worker", until_killed(passes.clone())).unwrap();
        passes.kill("enough");
        passes.wait().await.unwrap();
    }
    tokio::time::sleep(Duration::from_secs(9)).await;
    assert!(!hangs.is_dead(), "it has ten seconds");
    tokio::time::timeout(Duration::from_secs(2), hangs.wait()).await.expect("it is given up").unwrap();
    let told = app.captured().with_event(crate::events::SERVICE_STOPPING_TIMEOUT);
    assert_eq!((told.len(), &told[0]["tasks"]), (1, &"hangs".into()));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_service_needs_an_id() {
    let app = TestApp::empty().await;
    assert!(Service::new(&app, ServiceId::new(0), "zero").unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_token_is_cancelled_by_the_kill_whenever_it_was_asked_for() {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    let (early, clone) = (service.token(), service.token());
    clone.cancel();
    assert!(service.alive() && !early.is_cancelled(), "a token is not the service's");
    service.kill("enough");
    assert!(early.is_cancelled() && service.token().is_cancelled());
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_is_asked_for_while_the_service_is_killed_is_cancelled() {
    let app = TestApp::builder().flags(|flags| flags.log_level = crate::LogLevel::Error).start().await;
    for _ in 0..500 {
        let service = Service::new(&app, ID, "seven").unwrap();
        let start = std::sync::Arc::new(std::sync::Barrier::new(2));
        let (asks, at_once) = (service.clone(), std::sync::Arc::clone(&start));
        let token = tokio::task::spawn_blocking(move || {
            at_once.wait();
            asks.token()
        });
        let killed = tokio::task::spawn_blocking(move || {
            start.wait();
            service.kill("enough");
        });
        killed.await.unwrap();
        assert!(token.await.unwrap().is_cancelled());
    }
    app.stop().await.expect_clean();
}
