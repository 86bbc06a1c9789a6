//! Command servers and channels: which commands run, in which order, and the effect of a kill on callers.
//!
//! Tests that hold for queued and for inline servers take a [`Mode`] and run once for each.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use app_errors::{Error, errors};
use app_ids::ServiceId;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{
    Service,
    commands::{CommandServer, CommandServerBuilder},
    testing::TestApp,
};

/// Where a server runs its commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    Queued,
    Inline,
}

impl Mode {
    fn builder<S: Send + 'static>(self, name: &'static str, capacity: u16) -> CommandServerBuilder<S> {
        let builder = CommandServer::builder(name, capacity);
        if self == Self::Inline { builder.inline() } else { builder }
    }

    fn server<S: Send + 'static>(
        self,
        service: &Service,
        name: &'static str,
        capacity: u16,
        state: S,
    ) -> CommandServer<S> {
        self.builder(name, capacity).spawn(service, state).unwrap()
    }
}

/// Makes two tests of each function, one for each mode.
macro_rules! for_both_modes {
    ($($(#[$test:meta])+ $name:ident)*) => {
        mod queued {
            $($(#[$test])+ async fn $name() { super::$name(super::Mode::Queued).await })*
        }
        mod inline {
            $($(#[$test])+ async fn $name() { super::$name(super::Mode::Inline).await })*
        }
    };
}

mod ends;
mod inline_alone;
mod order;
mod servers;
mod waits;

const ID: ServiceId = ServiceId::new(7);

for_both_modes! {
    #[tokio::test]
    commands_run_one_after_another_in_the_order_of_their_submission
    #[tokio::test]
    commands_accepted_before_a_kill_run_before_destroy_and_later_ones_are_refused
    #[tokio::test]
    a_panicking_command_fails_the_service_and_all_waiting_calls
    #[tokio::test]
    a_failing_init_reaches_the_creator_and_kills_the_service
    #[tokio::test]
    a_failing_destroy_is_the_failure_of_the_service_and_reaches_the_creator
    #[tokio::test]
    a_server_without_callers_still_waits_for_its_kill_and_destroys
    #[tokio::test]
    capacity_zero_and_a_dead_service_are_refused
    #[tokio::test(start_paused = true)]
    a_dropped_call_leaves_the_server_at_work
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    no_accepted_command_is_lost_and_no_refused_one_runs
    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    a_call_that_races_the_abort_of_its_server_gets_an_answer
}

async fn fixture() -> (TestApp, Service) {
    let app = TestApp::empty().await;
    let service = app.new_service(ID, "seven");
    (app, service)
}

fn failure(message: &str) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(ID).message(message).build()
}

async fn commands_run_one_after_another_in_the_order_of_their_submission(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "list", 16, Vec::new());
    for i in 0..1000 {
        server.submit(move |list: &mut Vec<i32>| list.push(i)).await.unwrap();
    }
    assert_eq!(server.call(|list| list.clone()).await.unwrap(), (0..1000).collect::<Vec<_>>());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_full_queue_makes_submit_wait_and_try_submit_fail() {
    let (app, service) = fixture().await;
    let (channel, mut commands) =
        crate::commands::ServiceCommandChannel::<u32>::new(&service, "narrow", 2).unwrap();
    channel.try_submit(|n| *n += 1).unwrap();
    channel.try_submit(|n| *n += 1).unwrap();
    let refused = channel.try_submit(|n| *n += 100).unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_AVAILABLE));
    assert!(refused.to_string().contains("\"narrow\""), "{refused}");
    assert_eq!((channel.depth(), channel.capacity()), (2, 2));
    let waiting = tokio::spawn({
        let channel = channel.clone();
        async move { channel.submit(|n| *n += 10).await }
    });
    tokio::task::yield_now().await;
    assert!(!waiting.is_finished());
    let mut n = 0;
    for _ in 0..3 {
        commands.recv().await.unwrap().run(&mut n);
    }
    waiting.await.unwrap().unwrap();
    assert_eq!(n, 12);
    app.stop().await.expect_clean();
}

async fn commands_accepted_before_a_kill_run_before_destroy_and_later_ones_are_refused(mode: Mode) {
    let (app, service) = fixture().await;
    let log = Arc::new(Mutex::new(Vec::new()));
    let (at_init, at_destroy) = (Arc::clone(&log), Arc::clone(&log));
    let server = mode
        .builder("log", 256)
        .init(move |(): &mut ()| {
            at_init.lock().push("init".to_owned());
            Ok(())
        })
        .destroy(move |(): &mut ()| {
            at_destroy.lock().push("destroy".to_owned());
            Ok(())
        })
        .start(&service, ())
        .await
        .unwrap();
    for i in 0..200 {
        let log = Arc::clone(&log);
        server.try_submit(move |()| log.lock().push(i.to_string())).unwrap();
    }
    service.kill("enough");
    assert!(server.submit(|()| ()).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(server.call(|()| ()).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(server.try_submit(|()| ()).unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    service.wait().await.unwrap();
    server.ended().await.unwrap();
    let expected: Vec<_> = ["init".to_owned()]
        .into_iter()
        .chain((0..200).map(|i| i.to_string()))
        .chain(["destroy".to_owned()])
        .collect();
    assert_eq!(*log.lock(), expected);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_submit_that_waits_for_room_is_refused_when_the_service_is_killed() {
    let (app, service) = fixture().await;
    let (channel, _commands) =
        crate::commands::ServiceCommandChannel::<()>::new(&service, "stuck", 1).unwrap();
    channel.submit(|()| ()).await.unwrap();
    let waiting = tokio::spawn({
        let channel = channel.clone();
        async move { channel.submit(|()| ()).await }
    });
    tokio::task::yield_now().await;
    service.kill("enough");
    assert!(waiting.await.unwrap().unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

async fn a_panicking_command_fails_the_service_and_all_waiting_calls(mode: Mode) {
    let (app, service) = fixture().await;
    let ran = Arc::new(AtomicUsize::new(0));
    let server = mode.server(&service, "fragile", 16, ());
    let (first, second, count) = (server.clone(), server.clone(), Arc::clone(&ran));
    let boom = async move { first.call(|()| assert!(std::process::id() == 0, "boom")).await };
    let after = async move { second.call(move |()| count.fetch_add(1, Ordering::Relaxed)).await };
    let (boom, after) = tokio::join!(boom, after);
    assert!(boom.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(after.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(service.wait().await.unwrap_err().to_string().ends_with("panicked: boom"));
    assert_eq!(ran.load(Ordering::Relaxed), 0);
    assert!(server.ended().await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(app.alive());
    app.stop().await.expect_clean();
}

async fn a_failing_init_reaches_the_creator_and_kills_the_service(mode: Mode) {
    let (app, service) = fixture().await;
    let started =
        mode.builder("bad", 1).init(|(): &mut ()| Err(failure("no disk"))).start(&service, ()).await;
    let error = started.unwrap_err();
    assert!(error.is(&errors::SERVICE_INIT_FAILED), "{error}");
    assert!(error.to_string().ends_with("no disk"), "{error}");
    service.wait().await.unwrap_err();
    app.stopped().await;
}

async fn a_failing_destroy_is_the_failure_of_the_service_and_reaches_the_creator(mode: Mode) {
    let (app, service) = fixture().await;
    let builder = mode.builder("bad", 1).destroy(|(): &mut ()| Err(failure("not flushed")));
    let server = builder.start(&service, ()).await.unwrap();
    service.kill("enough");
    assert!(server.ended().await.unwrap_err().is(&errors::SERVICE_SHUTDOWN_FAILED));
    assert!(service.wait().await.unwrap_err().is(&errors::SERVICE_SHUTDOWN_FAILED));
    app.stop().await.expect_clean();
}

async fn a_server_without_callers_still_waits_for_its_kill_and_destroys(mode: Mode) {
    let (app, service) = fixture().await;
    let (destroyed, is_destroyed) = oneshot::channel();
    let builder = mode.builder("lonely", 1).destroy(move |(): &mut ()| {
        destroyed.send(()).unwrap();
        Ok(())
    });
    drop(builder.start(&service, ()).await.unwrap());
    tokio::task::yield_now().await;
    assert!(service.alive());
    service.kill("enough");
    service.wait().await.unwrap();
    is_destroyed.await.unwrap();
    app.stop().await.expect_clean();
}

async fn capacity_zero_and_a_dead_service_are_refused(mode: Mode) {
    let (app, service) = fixture().await;
    let zero = mode.builder("zero", 0).spawn(&service, ());
    assert!(zero.unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    service.kill("enough");
    let late = mode.builder("late", 1).spawn(&service, ());
    assert!(late.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(app.command_servers().is_empty());
    app.stop().await.expect_clean();
}

async fn a_dropped_call_leaves_the_server_at_work(mode: Mode) {
    let (app, service) = fixture().await;
    let server = mode.server(&service, "patient", 4, 0);
    let call = server.call(|n| *n += 1);
    let _ = tokio::time::timeout(Duration::ZERO, call).await;
    assert_eq!(server.call(|n| *n).await.unwrap(), 1);
    app.stop().await.expect_clean();
}

async fn no_accepted_command_is_lost_and_no_refused_one_runs(mode: Mode) {
    for _ in 0..50 {
        let (app, service) = fixture().await;
        let ran = Arc::new(AtomicUsize::new(0));
        let server = mode.server(&service, "count", 8, ());
        let producers: Vec<_> = (0..4)
            .map(|_| {
                let (server, ran) = (server.clone(), Arc::clone(&ran));
                tokio::spawn(async move {
                    let mut accepted = 0;
                    loop {
                        let ran = Arc::clone(&ran);
                        let command = move |(): &mut ()| {
                            ran.fetch_add(1, Ordering::Relaxed);
                        };
                        if server.submit(command).await.is_err() {
                            return accepted;
                        }
                        accepted += 1;
                    }
                })
            })
            .collect();
        while ran.load(Ordering::Relaxed) < 100 {
            tokio::task::yield_now().await;
        }
        service.kill("enough");
        service.wait().await.unwrap();
        let mut accepted = 0;
        for producer in producers {
            accepted += producer.await.unwrap();
        }
        assert_eq!(ran.load(Ordering::Relaxed), accepted);
        app.stop().await.expect_clean();
    }
}

async fn a_call_that_races_the_abort_of_its_server_gets_an_answer(mode: Mode) {
    let app = TestApp::builder().flags(|flags| flags.log_level = crate::LogLevel::Error).start().await;
    for round in 0..300 {
        let service = Service::new(&app, ID, "seven").unwrap();
        let server = mode.server(&service, "aborted", 8, ());
        let callers: Vec<_> = (0..3)
            .map(|_| {
                let server = server.clone();
                tokio::spawn(async move { while server.call(|()| ()).await.is_ok() {} })
            })
            .collect();
        for _ in 0..round % 7 {
            tokio::task::yield_now().await;
        }
        service.abort_tasks();
        for caller in callers {
            let ended = tokio::time::timeout(Duration::from_secs(10), caller).await;
            assert!(ended.is_ok_and(|ended| ended.is_ok()), "a call hangs in round {round}");
        }
    }
    app.stop().await.expect_clean();
}
