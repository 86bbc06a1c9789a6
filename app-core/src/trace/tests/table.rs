//! The table of spans: handles, generations and slots.

use std::sync::Barrier;
use std::sync::atomic::{AtomicUsize, Ordering};

use tracing_core::{Callsite, Interest, Kind, Level, Metadata};

use crate::trace::context::{ContextFlags, TraceContext};
use crate::trace::ids::{SpanId, TraceId};
use crate::trace::table;

fn begin() -> (u64, TraceContext) {
    let (trace_id, span_id) = (TraceId::random(), SpanId::random());
    let context = TraceContext { trace_id, span_id, flags: ContextFlags::default(), state: None };
    (table::begin(metadata(), &context, None), context)
}

fn metadata() -> &'static tracing_core::Metadata<'static> {
    struct OfTheTest;
    impl Callsite for OfTheTest {
        fn set_interest(&self, _: Interest) {}
        fn metadata(&self) -> &Metadata<'_> {
            &METADATA
        }
    }
    static METADATA: Metadata<'static> = tracing_core::metadata! {
        name: "of the test",
        target: "app_core::trace::tests",
        level: Level::INFO,
        fields: &[],
        callsite: &OfTheTest,
        kind: Kind::SPAN,
    };
    &METADATA
}

#[test]
fn a_span_is_found_until_its_last_handle_is_gone() {
    let (id, context) = begin();
    assert_eq!(table::context(id), Some(context));
    assert_eq!(table::metadata(id).map(|metadata| metadata.name()), Some("of the test"));
    assert!(table::upgrade(id));
    assert!(!table::close(id).0);
    assert!(table::context(id).is_some());
    assert!(table::close(id).0);
    assert_eq!(table::context(id), None);
    assert!(!table::upgrade(id) && !table::close(id).0);
}

#[test]
fn an_id_that_is_kept_too_long_does_not_find_the_next_span_of_its_slot() {
    let (old, _) = begin();
    table::close(old);
    let (new, context) = begin();
    assert_eq!(old as u32, new as u32, "the slot is used again at once");
    assert_ne!(old, new);
    assert_eq!(table::context(old), None);
    assert!(!table::close(old).0);
    assert_eq!(table::context(new), Some(context));
    table::close(new);
    assert_eq!(table::context(table::NOTHING), None);
    assert_eq!(table::context(7 << 32), None);
}

#[test]
fn a_tracestate_goes_with_its_span() {
    let (trace_id, span_id) = (TraceId::random(), SpanId::random());
    let flags = ContextFlags(ContextFlags::HAS_STATE);
    for state in ["a=1", "b=2"] {
        let context = TraceContext { trace_id, span_id, flags, state: Some(state.into()) };
        let id = table::begin(metadata(), &context, None);
        assert_eq!(table::context(id), Some(context));
        table::close(id);
    }
    let (id, _) = begin();
    assert_eq!(table::context(id).and_then(|context| context.state), None);
    table::close(id);
}

#[test]
fn of_many_threads_that_give_back_their_handles_one_ends_the_span() {
    const THREADS: usize = 4;
    for _ in 0..500 {
        let (id, _) = begin();
        (1..THREADS).for_each(|_| assert!(table::upgrade(id)));
        let (ended, together) = (AtomicUsize::new(0), Barrier::new(THREADS));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    together.wait();
                    if table::close(id).0 {
                        ended.fetch_add(1, Ordering::Relaxed);
                    }
                });
            }
        });
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert_eq!(table::context(id), None);
    }
}
