//! The start and the stop of an app as traces. One test, because the sink is that of the process: a service of the app
//! installs it, as in a program.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    pin::Pin,
    sync::{Arc, Mutex},
};

use app_core::{
    Exposed, ServiceDescriptor,
    prelude::*,
    testing::{TestApp, fails_after},
    trace::{
        self, AttributeValue, InstalledSink, Level, LevelFilter, Sampler, SpanData, SpanSink, SpanStatus,
        TraceBegin, TraceContext,
    },
};

const EARLY: ServiceId = ServiceId::new(1);
const SINK: ServiceId = ServiceId::new(2);
const LATE: ServiceId = ServiceId::new(3);
const FAILS: ServiceId = ServiceId::new(4);

#[derive(Default)]
struct Kept(Mutex<Vec<SpanData>>);

impl SpanSink for Kept {
    fn admits(&self, _: &str, level: Level) -> bool {
        level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        self.0.lock().unwrap().push(*span);
    }
}

impl Kept {
    fn take(&self) -> Vec<SpanData> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

struct All;

impl Sampler for All {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        true
    }
}

/// The handle of the service that has the sink.
struct Installs(#[expect(dead_code, reason = "its drop matters")] InstalledSink);

impl Exposed for Installs {
    const SERVICE: ServiceId = SINK;
}

fn names(spans: &[SpanData]) -> Vec<&str> {
    let mut names: Vec<_> = spans.iter().map(SpanData::name).collect();
    names.sort_unstable();
    names
}

fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    spans.iter().find(|span| span.name() == name).unwrap_or_else(|| panic!("{name:?} in {spans:?}"))
}

/// Checks that all spans are of one trace, and inside of the root.
fn assert_timeline(spans: &[SpanData], root: &str) {
    let root = named(spans, root);
    assert_eq!(root.parent(), None);
    for span in spans.iter().filter(|span| span.name() != root.name()) {
        assert_eq!(span.parent().unwrap().id, root.context().span_id(), "{span:?}");
        assert_eq!(span.context().trace_id(), root.context().trace_id());
        assert!(span.context().sampled() && span.start() >= root.start(), "{span:?}");
    }
}

type Started = Pin<Box<dyn Future<Output = Result<(), Error>> + Send>>;
type Seen = Arc<Mutex<Vec<Option<TraceContext>>>>;

/// The services of the apps, which share a sink, and what their start functions saw.
#[derive(Default)]
struct Stand {
    kept: Arc<Kept>,
    seen: Seen,
}

/// A start function that notes its context, and that of a task that it spawns.
fn notes(seen: &Seen) -> impl Fn(Service) -> Started + Send + Sync + use<> {
    let seen = Arc::clone(seen);
    move |service| {
        let seen = Arc::clone(&seen);
        Box::pin(async move {
            info!(service.log(), "in the start function");
            seen.lock().unwrap().push(TraceContext::current());
            let of_task = Arc::clone(&seen);
            service.spawn("task", async move { of_task.lock().unwrap().push(TraceContext::current()) })
        })
    }
}

impl Stand {
    /// One service before the sink is there, the sink, and one after it.
    fn services(&self) -> [ServiceDescriptor; 3] {
        let kept = Arc::clone(&self.kept);
        let installs = move || {
            let kept = Arc::clone(&kept);
            async move { Ok(Installs(trace::install(kept, Arc::new(All))?)) }
        };
        let (early, late) = (notes(&self.seen), notes(&self.seen));
        [
            ServiceDescriptor::of(EARLY, "early", move |service: Service| early(service))
                .infrastructure(true),
            ServiceDescriptor::of(SINK, "sink", installs).infrastructure(true).after([EARLY]),
            ServiceDescriptor::of(LATE, "late", move |service: Service| late(service)),
        ]
    }

    async fn starts_and_stops(&self) {
        let app = TestApp::builder().services(self.services()).start().await;
        let spans = self.kept.take();
        assert_eq!(names(&spans), ["app start", "start early", "start late", "start sink"]);
        assert_timeline(&spans, "app start");
        let root = named(&spans, "app start");
        assert_eq!(root.attributes().get("app.services"), Some(AttributeValue::Int(3)));
        let late = named(&spans, "start late");
        assert_eq!(late.attributes().get("app.service.id"), Some(AttributeValue::Text("3")));
        assert_eq!(late.attributes().get("app.service.name"), Some(AttributeValue::Text("late")));
        assert!(late.start() >= named(&spans, "start early").end());

        // Log records of a start function are in the trace, once there is a sink. What it spawns is not.
        let record = |svc: &str| {
            let records = app.captured().records();
            let is_it = |record: &&serde_json::Value| {
                record["message"] == "in the start function" && record["svc_name"] == svc
            };
            records.iter().find(is_it).unwrap().clone()
        };
        assert!(record("early").get("trace_id").is_none());
        assert_eq!(record("late")["trace_id"], late.context().trace_id().to_string());
        assert_eq!(record("late")["span_id"], late.context().span_id().to_string());
        self.stops(app).await;
    }

    async fn stops(&self, app: TestApp) {
        app.stop().await.expect_clean();
        let of_functions = self.seen.lock().unwrap().iter().flatten().count();
        assert_eq!(of_functions, 1, "the late start function alone: {:?}", self.seen.lock().unwrap());
        let spans = self.kept.take();
        // The sink gets what ends before itself.
        assert_eq!(names(&spans), ["app stop", "drain", "stop late"]);
        assert_timeline(&spans, "app stop");
        let cause = named(&spans, "app stop").attributes().get("app.stop.cause");
        assert!(cause.is_some_and(|cause| cause.to_string().contains("killed")), "{cause:?}");
    }

    /// A service that is started again has a trace of its own.
    async fn restarts(&self) {
        let error = errors::SERVICE_NOT_AVAILABLE.error(FAILS).message("disk full").build();
        let fails =
            fails_after(FAILS, "fails", Duration::ZERO, error).restart(app_core::Restart::on_failure());
        let app = TestApp::builder().services(self.services()).service(fails).start().await;
        let again = || self.kept.0.lock().unwrap().iter().any(|span| span.name() == "service restart");
        let waiting = async {
            let mut ticks = tokio::time::interval(Duration::from_millis(2));
            while !again() {
                ticks.tick().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
        app.stop().await;
        self.kept.take();
    }

    /// A start that fails says why.
    async fn fails_to_start(&self) {
        let fails =
            || async { Err::<(), _>(errors::CONFIG_FAILURE.error(FAILS).message("no rules").build()) };
        let broken = ServiceDescriptor::of(FAILS, "fails", fails);
        let app = TestApp::builder().services(self.services()).service(broken).build();
        app.app().start().await.unwrap_err();
        let spans = self.kept.take();
        for name in ["app start", "start fails"] {
            let status = named(&spans, name).status();
            let says_why = matches!(status, SpanStatus::Error(why) if why.contains("no rules"));
            assert!(says_why, "{name}: {status:?}");
        }
        assert_eq!(named(&spans, "start late").status(), &SpanStatus::Unset);
    }
}

#[tokio::test]
async fn the_start_and_the_stop_are_traces_with_a_span_for_each_service() {
    let stand = Stand::default();
    stand.starts_and_stops().await;
    stand.restarts().await;
    stand.fails_to_start().await;
}
