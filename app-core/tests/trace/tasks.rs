//! Tasks and threads: where a context goes by itself, and where not.

use std::{future::poll_fn, task::Poll};

use app_core::{
    ServiceDescriptor,
    prelude::*,
    testing::TestApp,
    trace::{self, TraceContext},
};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span, info_span};

use crate::sink::{assert_nested, ended, ended_soon, here, on, spans_of};

const SEVEN: ServiceId = ServiceId::new(7);

#[test]
fn a_span_goes_to_another_thread_with_its_handle() {
    let spans = spans_of(|| {
        let span = Span::current();
        let work = move || span.in_scope(|| info_span!("on a thread").in_scope(|| {}));
        std::thread::scope(|scope| scope.spawn(work).join().unwrap());
    });
    assert_nested(&spans, &["root", "on a thread"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_instrumented_future_is_in_its_span_at_each_poll_and_nowhere_else() {
    on();
    let span = info_span!(parent: None, "future");
    let context = span.in_scope(here);
    let future = async move {
        for _ in 0..100 {
            assert_eq!(here(), context);
            tokio::task::yield_now().await;
        }
        info_span!("inner").in_scope(|| {});
        context.trace_id()
    };
    let both =
        async { tokio::join!(future.instrument(span), async { assert_eq!(TraceContext::current(), None) }) };
    let (trace, ()) = both.await;
    assert_eq!(TraceContext::current(), None);
    assert_nested(&ended(trace), &["future", "inner"]);
}

#[tokio::test]
async fn a_task_has_the_context_of_the_code_that_spawned_it_and_does_not_keep_the_span_open() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let (go, goes) = oneshot::channel::<()>();
    let (tell, told) = oneshot::channel();
    let me = service.clone();
    let context = info_span!(parent: None, "request").in_scope(|| {
        let task = async move {
            goes.await.unwrap();
            info_span!("in the task").in_scope(|| {});
            info!(me.log(), "in the task");
            // A task of a task is still in the trace.
            let (inner, inner_told) = oneshot::channel();
            me.spawn("inner", async move { drop(inner.send(here())) }).unwrap();
            drop(tell.send((here(), inner_told.await.unwrap())));
        };
        service.spawn("task", task).unwrap();
        here()
    });
    assert_eq!(ended(context.trace_id()).len(), 1, "the request has ended");
    go.send(()).unwrap();
    let (outer, inner) = told.await.unwrap();
    assert_eq!((outer.trace_id(), outer.span_id()), (context.trace_id(), context.span_id()));
    assert_eq!(inner, outer);
    assert_nested(&ended(context.trace_id()), &["request", "in the task"]);
    let records = app.captured().records();
    let record = records.iter().find(|record| record["message"] == "in the task").unwrap();
    assert_eq!(record["trace_id"], context.trace_id().to_string());
    assert_eq!(record["span_id"], context.span_id().to_string());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn work_that_outlives_a_request_is_spawned_without_its_context() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let (tell, told) = oneshot::channel();
    info_span!(parent: None, "request").in_scope(|| {
        let task = async move { drop(tell.send(TraceContext::current())) };
        trace::without(|| service.spawn("connection", task)).unwrap();
        assert!(TraceContext::current().is_some());
    });
    assert_eq!(told.await.unwrap(), None);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn what_a_start_function_spawns_has_no_context() {
    on();
    let (tell, mut told) = mpsc::channel(1);
    let start = move |service: Service| {
        let tell = tell.clone();
        async move {
            let task = async move { tell.try_send(TraceContext::current()).unwrap() };
            info_span!("inside of the start").in_scope(|| service.spawn("task", task))
        }
    };
    let service = ServiceDescriptor::of(SEVEN, "seven", start);
    let app = TestApp::builder().service(service).start().await;
    assert_eq!(told.recv().await.unwrap(), None);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_span_that_is_never_exited_does_not_leave_its_task() {
    on();
    let app = TestApp::empty().await;
    let service = app.new_service(SEVEN, "seven");
    let remote =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).unwrap();
    let (tell, told) = oneshot::channel();
    let task = async move {
        std::mem::forget(info_span!("forgotten").entered());
        let mut polls = 0;
        let again = poll_fn(move |context| {
            polls += 1;
            context.waker().wake_by_ref();
            if polls > 1 { Poll::Ready(here()) } else { Poll::Pending }
        });
        drop(tell.send(again.await));
    };
    remote.clone().run(|| service.spawn("task", task)).unwrap();
    assert_eq!(told.await.unwrap(), remote, "the frame of the poll before is gone");
    assert_eq!(TraceContext::current(), None);
    app.stop().await.expect_clean();
}

#[test]
fn a_runtime_of_one_thread_is_enough() {
    on();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(async {
        let app = TestApp::empty().await;
        let service = app.new_service(SEVEN, "seven");
        let server = CommandServer::builder("server", 16).spawn(&service, 0_u64).unwrap();
        let span = info_span!(parent: None, "caller");
        let context = span.in_scope(here);
        let call = async {
            for _ in 0..100 {
                let inside = server.call(|count| {
                    *count += 1;
                    here()
                });
                assert_eq!(inside.await.unwrap(), context);
            }
        };
        call.instrument(span).await;
        assert_eq!(ended_soon(context.trace_id(), 1).await.len(), 1);
        app.stop().await.expect_clean();
    });
}

#[tokio::test]
async fn a_context_wraps_a_future_on_each_of_its_polls() {
    on();
    let remote =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).unwrap();
    let inside = remote.clone().scope(async {
        tokio::task::yield_now().await;
        let outer = here();
        let none = poll_fn(|_| Poll::Ready(trace::without(TraceContext::current))).await;
        (outer, none)
    });
    assert_eq!(inside.await, (remote, None));
    assert_eq!(TraceContext::current(), None);
}
