//! A sampler that says its decisions as numbers is not asked for them. One test, because the sink is that of the process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use app_core::trace::{
    self, Level, LevelFilter, Sampler, SamplingHint, SpanData, SpanSink, TraceBegin, TraceContext,
};
use tracing::info_span;

struct Forgets;

impl SpanSink for Forgets {
    fn admits(&self, _: &str, level: Level) -> bool {
        level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, _: Box<SpanData>) {}
}

/// Samples everything that it is asked for, and counts the questions.
#[derive(Default)]
struct Hints {
    asked: AtomicU64,
    bound: AtomicU64,
    peers_decide: AtomicBool,
    panics: AtomicBool,
}

impl Hints {
    /// How many times it was asked since the last call.
    fn asked(&self) -> u64 {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Sampler for Hints {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        true
    }

    fn hint(&self) -> SamplingHint {
        assert!(!self.panics.load(Ordering::Relaxed), "on purpose");
        let decide = self.peers_decide.load(Ordering::Relaxed);
        SamplingHint::default()
            .new_traces_below(self.bound.load(Ordering::Relaxed))
            .verified_peers_decide(decide)
    }
}

/// Asks for nothing, and says nothing.
struct Asked;

impl Sampler for Asked {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        false
    }
}

fn new_trace() -> TraceContext {
    info_span!(parent: None, "new").in_scope(|| TraceContext::current().unwrap())
}

fn is_sampled_within(parent: &TraceContext) -> bool {
    parent.clone().run(|| info_span!("child").in_scope(|| TraceContext::current().unwrap().sampled()))
}

/// How many of a thousand new traces are sampled. Each has to be sampled by its id.
fn sampled_below(bound: u64) -> usize {
    let traces = (0..1_000).map(|_| new_trace());
    let by_id = |trace: &TraceContext| {
        let bytes = trace.trace_id().to_bytes();
        let low = u64::from_be_bytes(bytes[8..].try_into().unwrap());
        assert_eq!(trace.sampled(), low >> 1 < bound, "{trace:?}");
        trace.sampled()
    };
    traces.filter(by_id).count()
}

#[test]
fn a_hint_decides_without_a_question_until_it_changes() {
    let hints = Arc::new(Hints::default());
    let installed = trace::install(Arc::new(Forgets), hints.clone()).unwrap();
    let set = |bound, decide| {
        hints.bound.store(bound, Ordering::Relaxed);
        hints.peers_decide.store(decide, Ordering::Relaxed);
        installed.sampling_changed();
    };
    assert_eq!((sampled_below(0), hints.asked()), (0, 0), "the hint of the start");
    for (bound, expected) in [(1 << 63, 1_000..=1_000), (1 << 62, 400..=600), (u64::MAX, 1_000..=1_000)] {
        set(bound, false);
        assert!(expected.contains(&sampled_below(bound)), "{bound:x}");
        assert_eq!(hints.asked(), 0);
    }

    let peer = TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00", None).unwrap();
    for (decide, verified, sampled, asked) in
        [(false, true, true, 1), (true, true, false, 0), (true, false, true, 1), (false, false, true, 1)]
    {
        set(0, decide);
        let peer = if verified { peer.clone().verified() } else { peer.clone() };
        assert_eq!((is_sampled_within(&peer), hints.asked()), (sampled, asked), "{decide} {verified}");
    }

    // A hint that panics says nothing.
    hints.panics.store(true, Ordering::Relaxed);
    installed.sampling_changed();
    assert!(new_trace().sampled());
    assert_eq!(hints.asked(), 1);
    hints.panics.store(false, Ordering::Relaxed);
    set(1 << 63, true);

    // The hint is that of the sampler that was installed last, also after the one before is gone.
    let later = trace::install(Arc::new(Forgets), Arc::new(Asked)).unwrap();
    assert!(!new_trace().sampled());
    installed.sampling_changed();
    drop(installed);
    assert!(!new_trace().sampled());
    drop(later);
    assert!(info_span!("off").is_disabled());
    let again = trace::install(Arc::new(Forgets), hints.clone()).unwrap();
    assert_eq!((new_trace().sampled(), hints.asked()), (true, 0));
    drop(again);
}
