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
use super::table;

/// The most frames of a thread. Spans that are entered beyond it do not become the current one.
const MOST_FRAMES: usize = 4096;

/// A span that was entered, or a context that was attached.
#[derive(Debug, Clone)]
pub(super) struct Frame {
    /// The id of the span for the crate `tracing`. 0 for an attached context.
    pub(super) id: u64,
    /// `None` for code that runs without a context.
    pub(super) context: Option<TraceContext>,
    /// Marks an attached frame on its thread. 0 for a span that was entered.
    mark: u64,
}

impl Frame {
    /// A frame without a span of this process.
    pub(super) fn of(context: Option<TraceContext>) -> Self {
        Self::new(0, context)
    }

    pub(super) fn new(id: u64, context: Option<TraceContext>) -> Self {
        Self { id, context, mark: 0 }
    }
}

struct Here {
    frames: RefCell<Vec<Frame>>,
    /// Slots of the span table for new spans of this thread.
    free: RefCell<Vec<u32>>,
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

/// The top frame, or `None`.
pub(super) fn top() -> Option<Frame> {
    HERE.try_with(|here| here.frames.borrow().last().cloned()).ok().flatten()
}

pub(super) fn current() -> Option<TraceContext> {
    HERE.try_with(|here| here.frames.borrow().last().and_then(|top| top.context.clone())).ok().flatten()
}

pub(super) fn current_sampled() -> Option<(TraceId, SpanId)> {
    let ids = |top: &Frame| {
        let context = top.context.as_ref()?;
        context.sampled().then_some((context.trace_id, context.span_id))
    };
    HERE.try_with(|here| here.frames.borrow().last().and_then(ids)).ok().flatten()
}

/// The ids of the running code.
pub(super) fn current_ids() -> Option<(TraceId, SpanId)> {
    let ids = |top: &Frame| top.context.as_ref().map(|context| (context.trace_id, context.span_id));
    HERE.try_with(|here| here.frames.borrow().last().and_then(ids)).ok().flatten()
}

/// The context for a task that is spawned here.
pub(super) fn for_task() -> Option<TraceContext> {
    current().filter(|context| !context.flags.has(ContextFlags::NOT_FOR_TASKS))
}

/// Enters a span.
pub(super) fn push(frame: Frame) {
    let _ = HERE.try_with(|here| {
        let mut frames = here.frames.borrow_mut();
        if frames.len() < MOST_FRAMES {
            frames.push(frame);
        }
    });
}

/// Exits a span (invariant 3).
pub(super) fn pop(id: u64) {
    let _ = HERE.try_with(|here| {
        let popped = {
            let mut frames = here.frames.borrow_mut();
            if frames.last().is_some_and(|top| top.id == id) {
                frames.pop()
            } else {
                let at = frames.iter().rposition(|frame| frame.id == id);
                at.map(|at| frames.remove(at))
            }
        };
        drop(popped);
    });
}

/// Runs the rest of the caller's scope within a frame.
pub(super) fn attach(frame: Frame) -> Attached {
    super::note_use();
    let mark = HERE.try_with(|here| {
        let mark = here.last_mark.get() + 1;
        here.last_mark.set(mark);
        here.frames.borrow_mut().push(Frame { mark, ..frame });
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
            if let Some(at) = frames.iter().rposition(|frame| frame.mark == self.mark) {
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

pub(super) fn is_left_out() -> bool {
    HERE.try_with(|here| here.left_out.get()).unwrap_or(true)
}

/// A free slot of the span table. `None` if there is none.
pub(super) fn take_slot() -> Option<u32> {
    HERE.try_with(|here| {
        let mut free = here.free.borrow_mut();
        if free.is_empty() {
            table::refill(&mut free);
        }
        free.pop()
    })
    .ok()
    .flatten()
}

/// Takes back a slot.
pub(super) fn free_slot(slot: u32) {
    let kept = HERE.try_with(|here| {
        let mut free = here.free.borrow_mut();
        free.push(slot);
        table::spill(&mut free);
    });
    if kept.is_err() {
        table::give_back(&mut vec![slot], 0);
    }
}
