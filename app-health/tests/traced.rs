//! Runs of health checks that fail are spans. One test, because the sink is that of the process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::{Arc, Mutex};

use app_core::{
    prelude::*,
    testing::TestApp,
    trace::{
        self, AttributeValue, Level, LevelFilter, Sampler, SpanData, SpanSink, SpanStatus, TraceBegin,
        TraceContext,
    },
};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};

const PASSES: HealthCheckId = HealthCheckId::new(1);
const FAILS: HealthCheckId = HealthCheckId::new(2);
const HANGS: HealthCheckId = HealthCheckId::new(3);

#[derive(Default)]
struct Kept(Mutex<Vec<SpanData>>);

impl SpanSink for Kept {
    fn admits(&self, target: &str, level: Level) -> bool {
        target == "app_health" && level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        self.0.lock().unwrap().push(*span);
    }
}

struct All;

impl Sampler for All {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        true
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_fails_is_a_span_and_one_that_passes_is_none() {
    let kept = Arc::new(Kept::default());
    let _installed = trace::install(kept.clone(), Arc::new(All)).unwrap();
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    let health = app.get::<HealthChecks>();
    let (of_passing, of_failing) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let check = |seen: &Arc<Mutex<Vec<TraceContext>>>, result: Result<(), &'static str>| {
        let seen = Arc::clone(seen);
        move |_cancel| {
            seen.lock().unwrap().push(TraceContext::current().unwrap());
            async move { result }
        }
    };
    let seldom = |id| HealthCheckSpec::new(id).interval(Duration::from_secs(3600));
    health.register_unbound(seldom(PASSES).name("passes"), check(&of_passing, Ok(()))).unwrap();
    health
        .register_unbound(seldom(FAILS).name("fails").critical(), check(&of_failing, Err("disk full")))
        .unwrap();
    assert!(health.run(PASSES).await.unwrap().error.is_none());
    // Several callers may wait for one run, so it is in the trace of none.
    let caller =
        TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", None).unwrap();
    assert!(caller.clone().scope(health.run(FAILS)).await.unwrap().error.is_some());
    let (of_passing, of_failing) = (of_passing.lock().unwrap().clone(), of_failing.lock().unwrap().clone());
    let is_of_its_own =
        |context: &TraceContext| !context.sampled() && context.trace_id() != caller.trace_id();
    assert!(!of_passing.is_empty() && of_passing.iter().all(is_of_its_own));
    assert!(of_failing.iter().all(is_of_its_own));

    let spans = std::mem::take(&mut *kept.0.lock().unwrap());
    assert!(!spans.is_empty());
    for span in &spans {
        assert_eq!((span.name(), span.parent()), ("health check", None));
        assert_eq!(span.attributes().get("app.healthcheck.name"), Some(AttributeValue::Text("fails")));
        assert_eq!(span.attributes().get("app.healthcheck.id"), Some(AttributeValue::Text("2")));
        assert_eq!(span.attributes().get("app.healthcheck.critical"), Some(AttributeValue::Bool(true)));
        assert_eq!(span.attributes().get("app.healthcheck.outcome"), Some(AttributeValue::Text("failed")));
        assert!(matches!(span.status(), SpanStatus::Error(why) if why.contains("disk full")), "{span:?}");
        let id = span.context().span_id();
        assert!(of_failing.iter().any(|context| context.span_id() == id), "the check ran inside of it");
        assert!(of_passing.iter().all(|context| context.span_id() != id));
    }

    let hangs = seldom(HANGS).name("hangs").timeout(Duration::from_secs(1));
    health.register_unbound(hangs, |_cancel| std::future::pending::<Result<(), Error>>()).unwrap();
    assert!(health.run(HANGS).await.unwrap().error.is_some());
    let timed_out = || {
        let spans = kept.0.lock().unwrap().clone();
        spans.iter().any(|span| {
            span.attributes().get("app.healthcheck.outcome") == Some(AttributeValue::Text("timed_out"))
        })
    };
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_secs(1));
        while !timed_out() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(600), waiting).await.unwrap();
    app.stop().await;
}
