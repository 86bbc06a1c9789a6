//! The spans that have begun and not ended, in the whole process.
//!
//! A span has a slot. The slot's place and generation are the span's id for the crate `tracing`, so an id that is kept too
//! long finds nothing. Threads keep some free slots, so that most spans take no lock.
//!
//! Invariants:
//! 1. A slot is in use while its count of handles is above 0. Then its other fields do not change, but for the details.
//! 2. The last handle to go ends the span: it takes the details, raises the generation and frees the slot.
//! 3. `life` has the generation and the count in one number. So a handle is made only of a span that has not ended.

use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use crossbeam_utils::atomic::AtomicCell;
use parking_lot::Mutex;
use tracing_core::Metadata;

use super::context::{ContextFlags, TraceContext};
use super::ids::{SpanId, TraceId};
use super::span::SpanData;
use super::thread;

/// The slots of the first page. Each further page has twice as many.
const FIRST_PAGE: u32 = 1024;
/// All pages have 261,120 slots.
const PAGES: usize = 8;
/// All slots.
pub(super) const MOST_SPANS: u32 = FIRST_PAGE * ((1 << PAGES) - 1);
/// How many slots a thread takes and gives back at once.
const BATCH: usize = 64;

/// Bits of the lower half of an id that say the place within the page. The bits above say the page. Both together count from 1.
const PLACE_BITS: u32 = 20;

/// The id of spans that are not kept: the table is full, or the thread is left out.
pub(super) const NOTHING: u64 = u64::MAX;

static TABLE: [OnceLock<Box<[SpanSlot]>>; PAGES] = [const { OnceLock::new() }; PAGES];
static FREE: Mutex<FreeSlots> = Mutex::new(FreeSlots { free: Vec::new(), unused: 0 });

/// A slot that no span has.
pub(super) type FreeSlot = &'static SpanSlot;

struct FreeSlots {
    free: Vec<FreeSlot>,
    /// Slots from this number on were never used.
    unused: u32,
}

/// The slot of a span.
pub(super) struct SpanSlot {
    /// The lower half of the ids of its spans.
    place: u32,
    /// The generation in the upper half, and the number of handles in the lower half.
    life: AtomicU64,
    trace_high: AtomicU64,
    trace_low: AtomicU64,
    span: AtomicU64,
    flags: AtomicU8,
    metadata: AtomicCell<Option<&'static Metadata<'static>>>,
    details: Mutex<Details>,
}

/// What only some spans have.
#[derive(Default)]
pub(super) struct Details {
    /// The tracestate.
    state: Option<Arc<str>>,
    /// The data for the sink, of a sampled span.
    pub(super) data: Option<Box<SpanData>>,
}

/// Keeps a span that begins. Returns its id with one handle, or [`NOTHING`] if the table is full.
#[inline]
pub(super) fn begin(
    metadata: &'static Metadata<'static>,
    context: &TraceContext,
    data: Option<Box<SpanData>>,
) -> u64 {
    let Some(slot) = thread::take_slot() else { return NOTHING };
    // Relaxed: the release of `life` publishes these, and so does whatever passes the id to another thread.
    slot.trace_high.store(context.trace_id.high, Ordering::Relaxed);
    slot.trace_low.store(context.trace_id.low, Ordering::Relaxed);
    slot.span.store(context.span_id.0, Ordering::Relaxed);
    slot.flags.store(context.flags.0, Ordering::Relaxed);
    slot.metadata.store(Some(metadata));
    if data.is_some() || context.state.is_some() {
        *slot.details.lock() = Details { state: context.state.clone(), data };
    }
    let generation = slot.life.load(Ordering::Relaxed) & !u64::from(u32::MAX);
    // Pairs with the acquires of `find` and `upgrade`.
    slot.life.store(generation | 1, Ordering::Release);
    generation | u64::from(slot.place)
}

/// The context of a span that has not ended.
#[inline]
pub(super) fn context(id: u64) -> Option<TraceContext> {
    find(id).map(SpanSlot::context)
}

/// The metadata of a span that has not ended.
pub(super) fn metadata(id: u64) -> Option<&'static Metadata<'static>> {
    find(id)?.metadata.load()
}

/// Makes one more handle. Returns `false` if the span has ended (invariant 3).
pub(super) fn upgrade(id: u64) -> bool {
    let generation = id >> 32;
    let add = |life: u64| (life >> 32 == generation && life as u32 != 0).then_some(life + 1);
    at(id).is_some_and(|slot| slot.life.fetch_update(Ordering::Acquire, Ordering::Relaxed, add).is_ok())
}

/// Gives back a handle. If it was the last one, the span ends. Returns whether it ended, and its data.
#[inline]
pub(super) fn close(id: u64) -> (bool, Option<Box<SpanData>>) {
    let Some(slot) = find(id) else { return (false, None) };
    // The only handle is the caller's: no other thread can make or give back one.
    let is_last =
        slot.life.load(Ordering::Acquire) as u32 == 1 || slot.life.fetch_sub(1, Ordering::AcqRel) as u32 == 1;
    if !is_last {
        return (false, None);
    }
    let data =
        if slot.has(ContextFlags::RECORDED | ContextFlags::HAS_STATE) { slot.take_data() } else { None };
    // Release: pairs with the load of `begin` in the thread that takes the slot next, through the list of free slots.
    slot.life.store((id >> 32).wrapping_add(1) << 32, Ordering::Release);
    thread::free_slot(slot);
    (true, data)
}

/// Changes the data of a span that is recorded.
pub(super) fn change(id: u64, change: impl FnOnce(&mut SpanData)) {
    if let Some(slot) = find(id)
        && slot.has(ContextFlags::RECORDED)
        && let Some(data) = &mut slot.details.lock().data
    {
        change(data);
    }
}

/// Whether a span has data to change.
pub(super) fn is_recorded(id: u64) -> bool {
    find(id).is_some_and(|slot| slot.has(ContextFlags::RECORDED))
}

impl SpanSlot {
    fn new(place: u32) -> Self {
        Self {
            place,
            life: AtomicU64::new(0),
            trace_high: AtomicU64::new(0),
            trace_low: AtomicU64::new(0),
            span: AtomicU64::new(0),
            flags: AtomicU8::new(0),
            metadata: AtomicCell::new(None),
            details: Mutex::default(),
        }
    }

    /// Whether its span is this one, and has not ended.
    #[inline]
    pub(super) fn is_of(&self, id: u64) -> bool {
        let life = self.life.load(Ordering::Acquire);
        life >> 32 == id >> 32 && life as u32 != 0
    }

    /// Whether its span has any of these flags.
    #[inline]
    pub(super) fn has(&self, flags: u8) -> bool {
        self.flags.load(Ordering::Relaxed) & flags != 0
    }

    #[inline]
    pub(super) fn ids(&self) -> (TraceId, SpanId) {
        let high = self.trace_high.load(Ordering::Relaxed);
        let low = self.trace_low.load(Ordering::Relaxed);
        (TraceId { high, low }, SpanId(self.span.load(Ordering::Relaxed)))
    }

    #[inline]
    pub(super) fn context(&self) -> TraceContext {
        let flags = ContextFlags(self.flags.load(Ordering::Relaxed));
        let state = if flags.has(ContextFlags::HAS_STATE) { self.state() } else { None };
        let (trace_id, span_id) = self.ids();
        TraceContext { trace_id, span_id, flags, state }
    }

    #[inline(never)]
    fn state(&self) -> Option<Arc<str>> {
        self.details.lock().state.clone()
    }

    #[inline(never)]
    fn take_data(&self) -> Option<Box<SpanData>> {
        std::mem::take(&mut *self.details.lock()).data
    }
}

/// The slot of a span that has not ended.
#[inline]
pub(super) fn find(id: u64) -> Option<&'static SpanSlot> {
    at(id).filter(|slot| slot.is_of(id))
}

/// The slot at the place that an id says.
#[inline]
fn at(id: u64) -> Option<&'static SpanSlot> {
    let place = (id as u32).wrapping_sub(1);
    let page = TABLE.get((place >> PLACE_BITS) as usize)?.get()?;
    page.get((place & ((1 << PLACE_BITS) - 1)) as usize)
}

/// The slot of this number.
fn slot(number: u32) -> Option<&'static SpanSlot> {
    let page = (number / FIRST_PAGE + 1).ilog2();
    let first = FIRST_PAGE * ((1 << page) - 1);
    let of_page = 0..FIRST_PAGE << page;
    let make = || of_page.map(|place| SpanSlot::new((page << PLACE_BITS | place) + 1)).collect();
    TABLE.get(page as usize)?.get_or_init(make).get((number - first) as usize)
}

/// Takes a batch of free slots. Takes none if all are in use.
#[inline(never)]
pub(super) fn refill(into: &mut Vec<FreeSlot>) {
    let mut slots = FREE.lock();
    let keep = slots.free.len().saturating_sub(BATCH);
    into.extend(slots.free.drain(keep..));
    if into.is_empty() {
        let first = slots.unused;
        slots.unused = (first + BATCH as u32).min(MOST_SPANS);
        // The lowest number first.
        into.extend((first..slots.unused).rev().filter_map(slot));
    }
}

/// Gives back a batch if a thread has many free slots, because it ends spans that other threads begin.
#[inline]
pub(super) fn spill(free: &mut Vec<FreeSlot>) {
    if free.len() > 2 * BATCH {
        give_back(free, BATCH);
    }
}

/// Gives back all but some free slots.
#[inline(never)]
pub(super) fn give_back(free: &mut Vec<FreeSlot>, keep: usize) {
    if free.len() > keep {
        FREE.lock().free.extend(free.drain(keep..));
    }
}
