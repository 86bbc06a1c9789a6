//! A sink that keeps the spans of all tests, by trace.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, OnceLock},
    time::Duration,
};

use app_core::trace::{
    self, InstalledSink, Level, LevelFilter, Sampler, SpanData, SpanSink, TraceBegin, TraceContext, TraceId,
};

/// Spans with this target belong to no sampled trace.
pub(crate) const UNSAMPLED: &str = "unsampled";

#[derive(Default)]
pub(crate) struct Kept(Mutex<HashMap<TraceId, Vec<SpanData>>>);

impl SpanSink for Kept {
    fn admits(&self, target: &str, level: Level) -> bool {
        level <= Level::INFO || (target == "detailed" && level <= Level::DEBUG)
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::DEBUG
    }

    fn ended(&self, span: Box<SpanData>) {
        assert!(span.context().sampled());
        self.0.lock().unwrap().entry(span.context().trace_id()).or_default().push(*span);
    }
}

struct ByTarget;

impl Sampler for ByTarget {
    fn sample(&self, begin: &TraceBegin<'_>) -> bool {
        match begin.parent {
            Some(parent) if begin.trusted => parent.sampled(),
            _ => begin.target != UNSAMPLED,
        }
    }
}

/// Turns spans on, for this process.
pub(crate) fn on() {
    static INSTALLED: OnceLock<InstalledSink> = OnceLock::new();
    INSTALLED.get_or_init(|| trace::install(kept(), Arc::new(ByTarget)).unwrap());
}

fn kept() -> Arc<Kept> {
    static KEPT: OnceLock<Arc<Kept>> = OnceLock::new();
    Arc::clone(KEPT.get_or_init(Arc::default))
}

/// The context of the running code.
#[track_caller]
pub(crate) fn here() -> TraceContext {
    TraceContext::current().unwrap()
}

/// The spans of a trace that have ended, in this order.
pub(crate) fn ended(id: TraceId) -> Vec<SpanData> {
    kept().0.lock().unwrap().get(&id).cloned().unwrap_or_default()
}

/// The same, once there are so many. A command that has answered may hold its caller's span for a moment longer.
pub(crate) async fn ended_soon(id: TraceId, count: usize) -> Vec<SpanData> {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while ended(id).len() < count {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), waiting).await.unwrap();
    ended(id)
}

/// Runs a function in a span of its own trace. Returns the spans of the trace, the span itself last.
pub(crate) fn spans_of(function: impl FnOnce()) -> Vec<SpanData> {
    on();
    let span = tracing::info_span!(parent: None, "root");
    let id = span.in_scope(|| {
        let id = here().trace_id();
        function();
        id
    });
    drop(span);
    ended(id)
}

/// The span of this name.
#[track_caller]
pub(crate) fn named<'a>(spans: &'a [SpanData], name: &str) -> &'a SpanData {
    let found: Vec<_> = spans.iter().filter(|span| span.name() == name).collect();
    assert_eq!(found.len(), 1, "{name:?} among {spans:?}");
    found[0]
}

/// Checks that the spans are each the child of the one before.
#[track_caller]
pub(crate) fn assert_nested(spans: &[SpanData], names: &[&str]) {
    for pair in names.windows(2) {
        let (parent, child) = (named(spans, pair[0]), named(spans, pair[1]));
        assert_eq!(child.parent().map(|parent| parent.id), Some(parent.context().span_id()), "{pair:?}");
        assert_eq!(child.context().trace_id(), parent.context().trace_id(), "{pair:?}");
    }
}
