//! Inline servers alone: commands that run on the caller's thread.

use std::sync::Arc;

use app_errors::errors;
use futures_util::FutureExt;
use tokio::{runtime::Handle, task};

use super::{Mode, fixture};
use crate::commands::CommandServer;

/// The task that a command ran in.
async fn runs_in<S: Send + 'static>(server: &CommandServer<S>) -> Option<task::Id> {
    server.call(|_| task::try_id()).await.unwrap()
}

#[tokio::test]
async fn an_idle_inline_server_runs_a_command_in_the_callers_task_and_a_queued_one_in_its_own() {
    let (app, service) = fixture().await;
    let (queued, inline) =
        (Mode::Queued.server(&service, "queued", 4, 0), Mode::Inline.server(&service, "inline", 4, 0));
    let caller = tokio::spawn(async move {
        for _ in 0..100 {
            assert_eq!(runs_in(&inline).await, Some(task::id()), "also the first command");
            assert!(runs_in(&queued).await.is_some_and(|ran_in| ran_in != task::id()));
        }
        // `try_submit` never waits, not even for its own command.
        let (sender, ran_in) = tokio::sync::oneshot::channel();
        inline.try_submit(move |_| sender.send(task::id()).unwrap()).unwrap();
        assert_eq!(inline.depth(), 1);
        assert_ne!(ran_in.await.unwrap(), task::id());
    });
    caller.await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn commands_of_a_queued_server_run_in_its_runtime_and_inline_ones_where_the_caller_is() {
    let (app, service) = fixture().await;
    let (queued, inline) =
        (Mode::Queued.server(&service, "queued", 4, ()), Mode::Inline.server(&service, "inline", 4, ()));
    let home = Handle::current().id();
    let ran = task::spawn_blocking(move || {
        // One thread without a runtime, and one in another runtime.
        std::thread::scope(|threads| {
            let none = threads.spawn(|| inline.call(|()| Handle::try_current().is_err()).now_or_never());
            assert!(none.join().unwrap().unwrap().unwrap());
            let other = threads.spawn(|| {
                let other = tokio::runtime::Builder::new_current_thread().build().unwrap();
                let ran_in = other.block_on(inline.call(|()| Handle::current().id())).unwrap();
                assert_eq!(ran_in, other.handle().id());
                other.block_on(queued.call(|()| Handle::current().id())).unwrap()
            });
            other.join().unwrap()
        })
    });
    assert_eq!(ran.await.unwrap(), home);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_panic_fails_the_service_and_not_the_caller_and_leaves_nothing_behind() {
    let (app, service) = fixture().await;
    let state = Arc::new(());
    let builder = Mode::Inline.builder("fragile", 4).destroy(|_| panic!("destroyed without a state"));
    let server = builder.start(&service, Arc::clone(&state)).await.unwrap();
    let caller = server.clone();
    let boom = tokio::spawn(async move {
        let boom = caller.call(|_| assert!(std::process::id() == 0, "boom")).now_or_never();
        boom.expect("ran inline")
    });
    assert!(boom.await.unwrap().unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(server.submit(|_| ()).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    let failure = service.wait().await.unwrap_err().to_string();
    assert_eq!(failure, "task \"fragile\" of service seven (7) panicked: boom");
    assert!(
        server.ended().await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE),
        "the server did not end normally"
    );
    let servers = &app.command_servers();
    assert!(servers.iter().all(|server| (server.run, server.panicked) == (1, 1)), "{servers:?}");
    assert_eq!(Arc::strong_count(&state), 1, "the state is dropped");
    assert!(app.alive());
    app.stop().await.expect_clean();
}
