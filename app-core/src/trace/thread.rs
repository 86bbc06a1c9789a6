//! Where a thread is: the spans that it has entered, and the contexts that it runs within.
//!
//! Invariants:
//! 1. No borrow of the frames is held while code of others runs.
//! 2. The guard of an attached frame removes it, and the frames above it: spans that code inside forgot to exit.
//! 3. A span may be exited in any order.

use std::cell::{Cell, RefCell};
use std::marker::PhantomData;

use super::context::{ContextFlags, TraceContext};
use super::ids::{SpanId, TraceId};
use super::table::{self, FreeSlot, SpanSlot};

/// The most frames of a thread. Spans that are entered beyond it do not become the current one.
const MOST_FRAMES: usize = 4096;

/// A span that the running code belongs to, with its context at this moment.
#[derive(Debug, Clone)]
pub(super) struct Current {
    /// The id of the span for the crate `tracing`. 0 without a span of this process.
    pub(super) id: u64,
    /// `None` for code that runs without a context.
    pub(super) context: Option<TraceContext>,
}

impl Current {
    /// A context without a span of this process.
    pub(super) fn of(context: Option<TraceContext>) -> Self {
        Self { id: 0, context }
    }
}

/// A span that was entered, or a context that was attached.
struct Frame {
    /// As in [`Current`].
    id: u64,
    within: Within,
}

enum Within {
    /// The slot of a span that was entered. Code that enters a span has a handle of it, so it has not ended.
    Span(&'static SpanSlot),
    /// A context that was attached, and the mark of its guard.
    Context(Option<TraceContext>, u64),
}

impl Frame {
    /// The span that was entered, if it has not ended.
    #[inline]
    fn span(&self, slot: &'static SpanSlot) -> Option<&'static SpanSlot> {
        Some(slot).filter(|slot| slot.is_of(self.id))
    }

    #[inline]
    fn context(&self) -> Option<TraceContext> {
        match &self.within {
            Within::Span(slot) => self.span(slot).map(SpanSlot::context),
            Within::Context(context, _) => context.clone(),
        }
    }

    /// The ids of its context, if the context has this flag.
    #[inline]
    fn ids(&self, flag: Option<u8>) -> Option<(TraceId, SpanId)> {
        match &self.within {
            Within::Span(slot) => {
                let slot = self.span(slot)?;
                flag.is_none_or(|flag| slot.has(flag)).then(|| slot.ids())
            }
            Within::Context(context, _) => {
                let context = context.as_ref()?;
                flag.is_none_or(|flag| context.flags.has(flag)).then_some((context.trace_id, context.span_id))
            }
        }
    }

    /// The mark of its guard. 0 for a span that was entered.
    fn mark(&self) -> u64 {
        match self.within {
            Within::Span(_) => 0,
            Within::Context(_, mark) => mark,
        }
    }
}

struct Here {
    frames: RefCell<Vec<Frame>>,
    /// Slots of the span table for new spans of this thread.
    free: RefCell<Vec<FreeSlot>>,
    left_out: Cell<bool>,
    /// The mark of the frame that was attached last.
    last_mark: Cell<u64>,
}

thread_local! {
    static HERE: Here = const {
        Here {
            frames: RefCell::new(Vec::new()),
            free: RefCell::new(Vec::new()),
            left_out: Cell::new(false),
            last_mark: Cell::new(0),
        }
    };
}

impl Drop for Here {
    fn drop(&mut self) {
        table::give_back(self.free.get_mut(), 0);
    }
}

/// Reads the top frame. `None` without one.
#[inline]
fn with_top<T>(read: impl FnOnce(&Frame) -> Option<T>) -> Option<T> {
    HERE.try_with(|here| here.frames.borrow().last().and_then(read)).ok().flatten()
}

/// The span and the context of the running code. `None` outside of any frame.
pub(super) fn top() -> Option<Current> {
    with_top(|top| Some(Current { id: top.id, context: top.context() }))
}

/// The id of the span of the running code.
pub(super) fn top_span() -> Option<u64> {
    with_top(|top| Some(top.id).filter(|id| *id != 0))
}

/// The same, if the span keeps data for the sink.
pub(super) fn top_recorded() -> Option<u64> {
    with_top(|top| top.ids(Some(ContextFlags::RECORDED)).map(|_| top.id).filter(|id| *id != 0))
}

#[inline]
pub(super) fn current() -> Option<TraceContext> {
    with_top(Frame::context)
}

#[inline]
pub(super) fn current_sampled() -> Option<(TraceId, SpanId)> {
    with_top(|top| match &top.within {
        // What a peer that is not verified says of its trace is no decision of ours.
        Within::Context(Some(context), _) if !context.is_trusted() => None,
        _ => top.ids(Some(ContextFlags::SAMPLED)),
    })
}

/// The ids of the running code.
#[inline]
pub(super) fn current_ids() -> Option<(TraceId, SpanId)> {
    with_top(|top| top.ids(None))
}

/// The context for a task that is spawned here.
pub(super) fn for_task() -> Option<TraceContext> {
    current().filter(|context| !context.flags.has(ContextFlags::NOT_FOR_TASKS))
}

/// Enters a span.
#[inline]
pub(super) fn push(id: u64, slot: &'static SpanSlot) {
    let _ = HERE.try_with(|here| {
        let mut frames = here.frames.borrow_mut();
        if frames.len() < MOST_FRAMES {
            frames.push(Frame { id, within: Within::Span(slot) });
        }
    });
}

/// Exits a span (invariant 3).
#[inline]
pub(super) fn pop(id: u64) {
    let _ = HERE.try_with(|here| {
        let mut frames = here.frames.borrow_mut();
        if frames.last().is_some_and(|top| top.id == id) {
            frames.pop();
        } else {
            remove(&mut frames, id);
        }
    });
}

/// Removes the frame of a span that is not the top one.
#[inline(never)]
fn remove(frames: &mut Vec<Frame>, id: u64) {
    if let Some(at) = frames.iter().rposition(|frame| frame.id == id) {
        frames.remove(at);
    }
}

/// Runs the rest of the caller's scope within a span or a context.
pub(super) fn attach(current: Current) -> Attached {
    super::note_use();
    let Current { id, context } = current;
    let mark = HERE.try_with(|here| {
        let mark = here.last_mark.get() + 1;
        here.last_mark.set(mark);
        here.frames.borrow_mut().push(Frame { id, within: Within::Context(context, mark) });
        mark
    });
    Attached { mark: mark.unwrap_or_default(), _stays_on_its_thread: PhantomData }
}

/// Removes an attached frame in its drop (invariant 2).
pub(super) struct Attached {
    mark: u64,
    _stays_on_its_thread: PhantomData<*const ()>,
}

impl Drop for Attached {
    fn drop(&mut self) {
        let _ = HERE.try_with(|here| {
            let mut frames = here.frames.borrow_mut();
            if let Some(at) = frames.iter().rposition(|frame| frame.mark() == self.mark) {
                frames.truncate(at);
            }
        });
    }
}

/// Makes no spans on this thread from now on.
pub(super) fn leave_out() {
    let _ = HERE.try_with(|here| here.left_out.set(true));
}

/// Calls a function whose spans do not begin: a sink that has spans of its own would never come to an end.
pub(super) fn without_spans<T>(function: impl FnOnce() -> T) -> T {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            let _ = HERE.try_with(|here| here.left_out.set(self.0));
        }
    }
    let _restore = Restore(HERE.try_with(|here| here.left_out.replace(true)).unwrap_or(true));
    function()
}

#[inline]
pub(super) fn is_left_out() -> bool {
    HERE.try_with(|here| here.left_out.get()).unwrap_or(true)
}

/// A free slot of the span table. `None` if there is none.
#[inline]
pub(super) fn take_slot() -> Option<FreeSlot> {
    let slot = HERE.try_with(|here| {
        let mut free = here.free.borrow_mut();
        if free.is_empty() {
            table::refill(&mut free);
        }
        free.pop()
    });
    slot.ok().flatten()
}

/// Takes back a slot.
#[inline]
pub(super) fn free_slot(slot: FreeSlot) {
    let kept = HERE.try_with(|here| {
        let mut free = here.free.borrow_mut();
        free.push(slot);
        table::spill(&mut free);
    });
    if kept.is_err() {
        table::give_back(&mut vec![slot], 0);
    }
}
