//! Commands run in the span of their caller, whichever thread runs them.

use std::sync::Arc;

use app_core::{
    commands::{CommandServer, ServiceCommandChannel},
    prelude::*,
    testing::TestApp,
    trace::TraceContext,
};
use tracing::{Instrument, info_span};

use crate::sink::{assert_nested, ended, ended_soon, here, named, on};

const SEVEN: ServiceId = ServiceId::new(7);

/// A server in each of the two modes.
async fn servers(app: &TestApp) -> [(&'static str, CommandServer<()>); 2] {
    let service = app.new_service(SEVEN, "seven");
    let queued = CommandServer::builder("queued", 16).spawn(&service, ()).unwrap();
    let inline = CommandServer::builder("inline", 16).inline().spawn(&service, ()).unwrap();
    [("queued", queued), ("inline", inline)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_runs_in_its_callers_span_and_has_none_of_its_own() {
    on();
    let app = TestApp::empty().await;
    for (mode, server) in servers(&app).await {
        let caller = info_span!(parent: None, "caller", seen = tracing::field::Empty);
        let context = caller.in_scope(here);
        let call = async {
            let inside = server.call(|()| {
                tracing::Span::current().record("seen", true);
                info_span!("inside").in_scope(|| {});
                here()
            });
            assert_eq!(inside.await.unwrap(), context, "{mode}");
            let (sender, seen) = tokio::sync::oneshot::channel();
            server.submit(move |()| drop(sender.send(here()))).await.unwrap();
            assert_eq!(seen.await.unwrap(), context, "{mode}");
            let (sender, seen) = tokio::sync::oneshot::channel();
            server.try_submit(move |()| drop(sender.send(here()))).unwrap();
            assert_eq!(seen.await.unwrap(), context, "{mode}");
        };
        call.instrument(caller).await;
        let spans = ended_soon(context.trace_id(), 2).await;
        assert_nested(&spans, &["caller", "inside"]);
        assert_eq!(spans.len(), 2, "{mode}: no span of the command: {spans:?}");
        assert!(named(&spans, "caller").attributes().get("seen").is_some(), "{mode}");
        assert_eq!(server.call(|()| TraceContext::current()).await.unwrap(), None, "{mode}");
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_command_does_not_keep_its_callers_span_open_and_still_is_in_its_trace() {
    on();
    let app = TestApp::empty().await;
    let [(_, server), _] = servers(&app).await;
    let (sender, mut seen) = tokio::sync::mpsc::channel(1);
    let context = info_span!(parent: None, "caller").in_scope(|| {
        let run = move |_: &mut ()| {
            info_span!("late").in_scope(|| {});
            sender.try_send((here(), tracing::Span::current().is_none())).unwrap();
        };
        server.try_submit(run).unwrap();
        here()
    });
    // On this runtime the server's task has not run yet.
    assert_eq!(ended(context.trace_id()).len(), 1, "the caller's span has ended");
    let (inside, no_span) = seen.recv().await.unwrap();
    assert_eq!((inside.trace_id(), inside.span_id()), (context.trace_id(), context.span_id()));
    assert!(no_span);
    assert_nested(&ended(context.trace_id()), &["caller", "late"]);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_server_that_is_made_in_a_request_does_not_keep_its_context() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let span = info_span!(parent: None, "request");
    let server = span.in_scope(|| CommandServer::builder("made inside", 16).spawn(&service, ())).unwrap();
    assert_eq!(server.call(|()| TraceContext::current()).await.unwrap(), None);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_command_of_a_loop_runs_in_its_callers_span_too() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let (channel, mut commands) = ServiceCommandChannel::<()>::new(&service, "loop", 16).unwrap();
    let looping = async move {
        while let Some(command) = commands.recv().await {
            command.run(&mut ());
        }
    };
    let me = service.clone();
    let request = info_span!(parent: None, "request that spawned the loop");
    let ends = async move {
        tokio::select! {
            () = me.dying() => {}
            () = looping => {}
        }
    };
    request.in_scope(|| service.spawn("loop", ends)).unwrap();
    assert_eq!(channel.call(|()| TraceContext::current()).await.unwrap(), None, "not that of the loop");
    let caller = info_span!(parent: None, "caller");
    let context = caller.in_scope(here);
    let inside = channel.call(|()| here()).instrument(caller).await.unwrap();
    assert_eq!(inside, context);
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_callers_at_once_each_find_their_own_span() {
    on();
    let app = TestApp::empty().await;
    for (mode, server) in servers(&app).await {
        let server = Arc::new(server);
        let mut callers = Vec::new();
        for number in 0..200_u64 {
            let server = Arc::clone(&server);
            let span = info_span!(parent: None, "caller", number);
            let context = span.in_scope(here);
            let (done, ends) = tokio::sync::oneshot::channel();
            let call = async move {
                for _ in 0..5 {
                    assert_eq!(server.call(|()| here()).await.unwrap(), context);
                    assert_eq!(here(), context);
                }
                let _ = done.send(());
            };
            let service = app.service(SEVEN).unwrap();
            service.spawn("caller", call.instrument(span)).unwrap();
            callers.push(ends);
        }
        for caller in callers {
            caller.await.unwrap_or_else(|_| panic!("{mode}: a caller failed"));
        }
    }
    app.stop().await.expect_clean();
}
