//! Without a sink: spans are off, and a context that comes from outside is passed on all the same. One test, because it is about
//! the process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use app_core::{
    prelude::*,
    testing::TestApp,
    trace::{self, Level, LevelFilter, Sampler, SpanData, SpanSink, TraceBegin, TraceContext},
};
use tracing::info_span;

#[derive(Default)]
struct Count(Mutex<u32>);

impl SpanSink for Count {
    fn admits(&self, _: &str, level: Level) -> bool {
        level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, _: Box<SpanData>) {
        *self.0.lock().unwrap() += 1;
        tracing::info_span!("of the sink");
        panic!("a sink that fails");
    }
}

struct All;

impl Sampler for All {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        true
    }
}

fn work() {
    let span = info_span!("work");
    let _inside = span.enter();
    if span.is_disabled() {
        assert_eq!(TraceContext::current(), None);
    }
}

#[tokio::test]
async fn spans_are_off_without_a_sink_and_a_context_of_others_is_passed_on() {
    let app = TestApp::empty().await;
    let service = app.new_service(ServiceId::new(7), "seven");
    app_core::log::capture_dependencies(app.log());
    work();
    assert!(info_span!("off").is_disabled());
    info!(service.log(), "outside");

    let server = CommandServer::builder("server", 16).spawn(&service, ()).unwrap();
    let remote =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", Some("a=1")).unwrap();
    let passed_on = remote.clone().scope(async {
        assert!(info_span!("still off").is_disabled());
        info!(service.log(), "inside");
        server.call(|()| TraceContext::current()).await.unwrap()
    });
    assert_eq!(passed_on.await, Some(remote.clone()));
    let records = app.captured().records();
    let of = |message: &str| records.iter().find(|record| record["message"] == message).unwrap().clone();
    assert!(of("outside").get("trace_id").is_none());
    assert_eq!(of("inside")["trace_id"], remote.trace_id().to_string());

    // A sink turns the same call sites on, and its end turns them off.
    let count = Arc::new(Count::default());
    let installed = trace::install(count.clone(), Arc::new(All)).unwrap();
    work();
    assert!(!info_span!("on").is_disabled());
    let calls = *count.0.lock().unwrap();
    assert!(calls >= 2, "{calls}");
    assert!(trace::lost_spans() >= 2, "the sink panicked, and nothing else did");

    let later = Arc::new(Count::default());
    let replaced = trace::install(later.clone(), Arc::new(All)).unwrap();
    drop(installed);
    let before = *count.0.lock().unwrap();
    work();
    assert_eq!(*count.0.lock().unwrap(), before, "the later sink has taken its place");
    assert!(*later.0.lock().unwrap() > 0);

    std::thread::spawn(|| {
        trace::leave_out_this_thread();
        let span = info_span!("left out");
        let _inside = span.enter();
        assert_eq!(TraceContext::current(), None);
        assert!(tracing::Span::current().is_none());
    })
    .join()
    .unwrap();

    let open = info_span!("open at the end");
    drop(replaced);
    drop(open);
    work();
    assert!(info_span!("off again").is_disabled());
    app.stop().await.expect_clean();
}
