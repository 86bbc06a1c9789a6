//! Command servers, and the command channel for services with their own loop.

use std::sync::mpsc;

use app_core::{
    Service, StopCause,
    commands::{CommandServer, ServiceCommandChannel},
    testing::TestApp,
};
use app_errors::{errors, illegal_argument_error};
use app_ids::ServiceId;

const SEVEN: ServiceId = ServiceId::new(7);

#[tokio::test(start_paused = true)]
async fn a_command_server_runs_its_hooks_and_commands_one_after_another() {
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let (said, heard) = mpsc::channel();
    let server = CommandServer::builder("counter", 16)
        .init(|count: &mut u32| {
            *count = 40;
            Ok(())
        })
        .destroy(move |count| {
            said.send(*count).unwrap();
            Ok(())
        })
        .start(&service, 0)
        .await
        .unwrap();
    assert_eq!((server.name(), server.capacity()), ("counter", 16));
    server.submit(|count| *count += 1).await.unwrap();
    server.try_submit(|count| *count += 1).unwrap();
    assert_eq!(server.call(|count| *count).await.unwrap(), 42);
    let channel: &ServiceCommandChannel<u32> = &server;
    assert!(channel.service().same(&service));

    service.kill("it is time");
    server.ended().await.unwrap();
    assert_eq!(heard.recv().unwrap(), 42);
    let refused = server.submit(|_| ()).await.unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_ALIVE), "{refused:#}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_failed_init_hook_reaches_whoever_starts_the_server() {
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let builder =
        CommandServer::builder("counter", 16).init(|_: &mut ()| Err(illegal_argument_error("no key")));
    let failed = builder.start(&service, ()).await.unwrap_err();
    assert!(
        failed.is(&errors::SERVICE_INIT_FAILED) && failed.chain_has(&errors::ILLEGAL_ARGUMENT),
        "{failed:#}"
    );
    let report = app.stop().await;
    assert!(matches!(report.cause, StopCause::Fatal(_)), "as severe as its spec says: {report:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_channel_serves_a_loop_of_the_service_itself() {
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let (channel, mut commands) = ServiceCommandChannel::<u32>::new(&service, "counter", 2).unwrap();
    assert!(channel.service().same(&service));
    let me = service.clone();
    let run = async move {
        let mut count = 0;
        loop {
            tokio::select! {
                biased;
                () = me.dying() => return,
                Some(command) = commands.recv() => command.run(&mut count),
            }
        }
    };
    service.spawn("loop", run).unwrap();
    for _ in 0..10 {
        channel.submit(|count| *count += 1).await.unwrap();
    }
    assert_eq!(channel.call(|count| *count).await.unwrap(), 10);
    service.kill("it is time");
    assert!(channel.submit(|_| ()).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_channel_needs_a_service_that_is_alive_and_room() {
    let app = TestApp::empty().await;
    let service = Service::new(&app, SEVEN, "seven").unwrap();
    let refused = ServiceCommandChannel::<()>::new(&service, "counter", 0).unwrap_err();
    assert!(refused.is(&errors::ILLEGAL_ARGUMENT), "{refused:#}");
    service.kill("it is time");
    let refused = ServiceCommandChannel::<()>::new(&service, "counter", 1).unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_ALIVE), "{refused:#}");
    app.stop().await.expect_clean();
}
