//! Waits that could last for ever. A command that would wait for itself is refused at once; a deadline ends other waits.

use std::{sync::mpsc, time::Duration};

use app_errors::{Error, errors};
use futures_util::FutureExt;
use tokio::{runtime::Handle, task::block_in_place, time::Instant};

use super::{ID, Mode, fixture};
use crate::{
    App, Service, ServiceDescriptor,
    commands::{CommandServer, DEFAULT_CALL_DEADLINE, ServiceCommandChannel},
    testing::TestApp,
};

/// Waits inside a command, on its thread.
fn wait<T>(future: impl Future<Output = T>) -> T {
    block_in_place(|| Handle::current().block_on(future))
}

#[track_caller]
fn is_illegal<T: std::fmt::Debug>(result: Result<T, Error>, names: &str) {
    let error = result.unwrap_err();
    assert!(error.is(&errors::ILLEGAL_ARGUMENT), "{error:#}");
    assert!(error.message().contains(names), "{error:#}");
}

for_both_modes! {
    #[tokio::test(flavor = "multi_thread")]
    a_command_that_calls_its_own_server_is_refused_and_the_server_goes_on
    #[tokio::test(flavor = "multi_thread")]
    a_hook_that_calls_its_own_server_is_refused
    #[tokio::test(flavor = "multi_thread")]
    a_future_that_a_command_hands_to_a_task_is_not_taken_for_the_command
    #[tokio::test]
    a_command_that_waits_for_the_end_of_its_own_service_is_refused_in_whatever_task_it_runs
}

async fn a_command_that_calls_its_own_server_is_refused_and_the_server_goes_on(mode: Mode) {
    let (app, service) = fixture().await;
    let own = mode.server(&service, "own", 4, 1);
    // The handle, a clone of it, and one with another deadline are the same server.
    let within = own.within(Duration::from_secs(3_600));
    let (one, other) = (own.clone(), own.clone());
    is_illegal(own.call(move |_| wait(one.call(|n| *n))).await.unwrap(), "command server");
    is_illegal(own.call(move |_| wait(within.call(|n| *n))).await.unwrap(), "of service seven");
    is_illegal(own.call(move |_| wait(other.ended())).await.unwrap(), "wait for itself");
    assert_eq!(own.call(|n| *n).await.unwrap(), 1);
    app.stop().await.expect_clean();
}

async fn a_hook_that_calls_its_own_server_is_refused(mode: Mode) {
    let (app, service) = fixture().await;
    let (give, own) = mpsc::channel::<CommandServer<u32>>();
    let hooked = mode.builder("hooked", 4).init(move |_| {
        let own = own.recv().unwrap();
        is_illegal(wait(own.call(|n| *n)), "hooked");
        Ok(())
    });
    let hooked = hooked.spawn(&service, 1).unwrap();
    give.send(hooked.clone()).unwrap();
    assert_eq!(hooked.call(|n| *n).await.unwrap(), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_calls_its_own_bare_channel_is_refused() {
    let (app, service) = fixture().await;
    let (channel, mut commands) = ServiceCommandChannel::<u32>::new(&service, "bare", 4).unwrap();
    let me = service.clone();
    let looping = async move {
        let mut count = 7;
        loop {
            tokio::select! {
                () = me.dying() => return,
                Some(command) = commands.recv() => command.run(&mut count),
            }
        }
    };
    service.spawn("loop", looping).unwrap();
    let own = channel.clone();
    is_illegal(channel.call(move |_| wait(own.call(|n| *n))).await.unwrap(), "command channel \"bare\"");
    assert_eq!(channel.call(|n| *n).await.unwrap(), 7);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn an_inline_server_that_is_called_back_by_a_command_of_its_own_command_refuses() {
    let (app, service) = fixture().await;
    let child = service.child("part").unwrap();
    let (first, second) =
        (Mode::Inline.server(&service, "first", 4, 1), Mode::Inline.server(&child, "second", 4, 2));
    let (one, two) = (first.clone(), second.clone());
    let back = first.call(move |_| {
        let back = two.call(move |_| one.call(|n| *n).now_or_never().unwrap()).now_or_never();
        back.unwrap().unwrap()
    });
    is_illegal(back.await.unwrap(), "a command of command server \"second\" of service seven/part");
    // The thread no longer counts as inside a command, even after a panic.
    let (one, two) = (first.clone(), second.clone());
    let inside = first.call(move |_| drop(two.call(|_| panic!("on purpose")).now_or_never()));
    inside.await.unwrap();
    one.call(|n| *n).await.unwrap();
    child.dead().await;
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_servers_that_call_each_other_end_at_the_deadline_which_names_both() {
    let (app, service) = fixture().await;
    let other = app.new_service(app_ids::ServiceId::new(8), "eight");
    let (first, second) =
        (Mode::Queued.server(&service, "first", 4, 1), Mode::Queued.server(&other, "second", 4, 2));
    let deadline = Duration::from_millis(300);
    let (one, two) = (first.within(deadline), second.within(deadline));
    let answer = first.call(move |_| wait(two.call(move |_| wait(one.call(|n| *n))))).await.unwrap();
    // Either of the two may reach its deadline first.
    let error = answer.and_then(|inner| inner).unwrap_err();
    assert!(error.is(&errors::SERVICE_NOT_AVAILABLE), "{error:#}");
    let text = app.captured().text();
    assert!(text.contains("no answer within 300ms"), "{text}");
    let named = |target: &str, caller: &str| {
        app.captured().records().iter().any(|record| {
            let message = record["message"].as_str().unwrap_or_default();
            record["level"] == "warn" && message.starts_with(target) && message.contains(caller)
        })
    };
    let (first_name, second_name) =
        ("command server \"first\" of service seven", "command server \"second\" of service eight");
    assert!(named(first_name, second_name) || named(second_name, first_name), "{text}");
    assert_eq!((first.call(|n| *n).await.unwrap(), second.call(|n| *n).await.unwrap()), (1, 2));
    app.stop().await.expect_clean();
}

async fn a_future_that_a_command_hands_to_a_task_is_not_taken_for_the_command(mode: Mode) {
    let (app, service) = fixture().await;
    let own = mode.server(&service, "own", 4, 1);
    let (mine, me) = (own.clone(), service.clone());
    let (answer, answered) = tokio::sync::oneshot::channel();
    let spawned = own.call(move |_| {
        me.spawn("later", async move {
            // Fails if the receiver was dropped.
            let _ = answer.send(mine.call(|n| *n).await);
        })
    });
    spawned.await.unwrap().unwrap();
    assert_eq!(answered.await.unwrap().unwrap(), 1);
    app.stop().await.expect_clean();
}

/// A channel whose commands are not received. The caller has to keep the receiver.
async fn unreceived(
    capacity: u16,
) -> (TestApp, ServiceCommandChannel<u32>, crate::commands::CommandReceiver<u32>) {
    let (app, service) = fixture().await;
    let (channel, receiver) = ServiceCommandChannel::new(&service, "deaf", capacity).unwrap();
    (app, channel, receiver)
}

#[tokio::test(start_paused = true)]
async fn a_call_without_an_answer_ends_at_the_deadline_by_default_or_as_it_is_set() {
    let (app, channel, _receiver) = unreceived(4).await;
    for (channel, deadline) in [
        (channel.clone(), DEFAULT_CALL_DEADLINE),
        (channel.within(Duration::from_secs(2)), Duration::from_secs(2)),
    ] {
        let begun = Instant::now();
        let error = channel.call(|n| *n).await.unwrap_err();
        assert!(error.is(&errors::SERVICE_NOT_AVAILABLE), "{error:#}");
        assert!(error.message().contains("a caller outside of any service"), "{error:#}");
        assert_eq!(begun.elapsed().as_secs(), deadline.as_secs());
    }
    assert!(channel.within(Duration::MAX).call(|n| *n).now_or_never().is_none());
    // Within a second of real time, only one missed deadline is logged.
    let warned = app.captured().records().into_iter().filter(|record| record["level"] == "warn");
    assert!((1..=2).contains(&warned.count()), "{}", app.captured().text());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_submit_that_finds_no_room_ends_at_the_deadline_and_its_command_never_runs() {
    let (app, channel, mut receiver) = unreceived(1).await;
    channel.submit(|n| *n += 1).await.unwrap();
    let begun = Instant::now();
    let error = channel.submit(|n| *n += 100).await.unwrap_err();
    assert!(error.is(&errors::SERVICE_NOT_AVAILABLE), "{error:#}");
    assert!(error.message().contains("no room in its queue within 30s"), "{error:#}");
    assert_eq!(begun.elapsed().as_secs(), 30);
    let mut count = 0;
    receiver.recv().await.unwrap().run(&mut count);
    assert_eq!((count, channel.depth()), (1, 0));
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_of_a_servers_builder_ends_a_call_whose_command_takes_longer() {
    let (app, service) = fixture().await;
    let slow = CommandServer::builder("slow", 4).deadline(Duration::from_millis(50));
    let slow = slow.start(&service, 7).await.unwrap();
    let (release, released) = mpsc::channel::<()>();
    let error = slow.call(move |_| released.recv()).await.unwrap_err();
    assert!(error.message().contains("no answer within 50ms"), "{error:#}");
    drop(release);
    assert_eq!(slow.within(DEFAULT_CALL_DEADLINE).call(|n| *n).await.unwrap(), 7);
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_finds_its_own_queue_full_is_told_at_once() {
    let (app, service) = fixture().await;
    let own = Mode::Queued.server(&service, "own", 4, 0);
    let mine = own.clone();
    let refused = own.call(move |_| {
        let submits = (0..5).map(|_| wait(mine.submit(|n| *n += 1)));
        submits.map(|submitted| submitted.err().map(|error| error.message().to_owned())).collect::<Vec<_>>()
    });
    let refused = refused.await.unwrap();
    assert_eq!(refused[..4], [const { None }; 4]);
    assert!(refused[4].as_ref().unwrap().contains("is full (4 commands)"), "{refused:?}");
    assert_eq!(own.call(|n| *n).await.unwrap(), 4);
    app.stop().await.expect_clean();
}

async fn a_command_that_waits_for_the_end_of_its_own_service_is_refused_in_whatever_task_it_runs(mode: Mode) {
    let (app, service) = fixture().await;
    let part = service.child("part").unwrap();
    let own = mode.server(&part, "own", 4, 0);
    // In an inline server, the command runs outside of the tasks of the service.
    let (me, mine) = (service.clone(), part.clone());
    let refused = own.call(move |_| (me.wait().now_or_never(), mine.wait().now_or_never()));
    let (parent, own_service) = refused.await.unwrap();
    is_illegal(parent.unwrap(), "seven");
    is_illegal(own_service.unwrap(), "seven/part");
    // The caller's task does not belong to the service, so it may wait.
    service.kill("test");
    service.wait().await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_task_that_waits_for_the_end_of_its_app_is_let_go_when_the_app_stops() {
    async fn start(service: Service) -> Result<(), Error> {
        let app = App::of(&service);
        let part = service.child("part")?;
        let (one, two) = (app.clone(), app);
        service.spawn("waits for the app", async move {
            let report = one.stopped().await;
            assert_eq!(report.cause.to_string(), "killed: the test is over");
        })?;
        part.spawn("waits for the app too", async move { two.dead().await })
    }
    let app = TestApp::builder().service(ServiceDescriptor::of(ID, "seven", start)).start().await;
    let log = app.captured().clone();
    app.stop().await.expect_clean();
    assert!(!log.text().contains("abandoned"), "{}", log.text());
}

#[tokio::test(start_paused = true)]
async fn a_task_outside_of_the_app_waits_for_the_end() {
    let app = TestApp::builder().service(crate::testing::hangs_at_stop(ID, "hangs")).start().await;
    let other: App = app.app().clone();
    let waits = tokio::spawn(async move { other.stopped().await.abandoned.len() });
    app.stop().await;
    assert_eq!(waits.await.unwrap(), 1, "one service was abandoned");
}

#[test]
fn a_deadline_holds_when_the_only_worker_of_the_services_is_blocked() {
    let runtime = |mut builder: tokio::runtime::Builder| builder.enable_time().build().unwrap();
    let mut one_worker = tokio::runtime::Builder::new_multi_thread();
    one_worker.worker_threads(1);
    let workers = runtime(one_worker);
    let app = TestApp::builder().build();
    app.app().host().run_services_on(workers.handle());
    // The kernel has a runtime of its own, as in a process.
    runtime(tokio::runtime::Builder::new_current_thread()).block_on(async {
        app.start().await.unwrap();
        let service = app.new_service(ID, "seven");
        let (first, second) = {
            let _inside = workers.enter();
            let server = |name, n| CommandServer::builder(name, 4).spawn(&service, n).unwrap();
            (server("first", 1), server("second", 2).within(Duration::from_millis(200)))
        };
        let handle = workers.handle().clone();
        let answer = first.call(move |_| {
            // Waits on another thread, which is not inside the command, and blocks the worker.
            std::thread::scope(|scope| scope.spawn(|| handle.block_on(second.call(|n| *n))).join().unwrap())
        });
        let error = answer.await.unwrap().unwrap_err();
        assert!(error.message().contains("no answer within 200ms"), "{error:#}");
        app.stop().await.expect_clean();
    });
}
