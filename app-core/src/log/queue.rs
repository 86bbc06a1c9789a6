//! The bounded buffer between those who log and the one thread that writes.
//!
//! 1. Whoever logs holds the lock for a copy of one line, and never waits for the sink: a full buffer drops.
//! 2. Every submitted record ends up in `written` or in `dropped`, once. While it is in neither, it is in the
//!    buffer or in the writer's hands; `accepted - finished` is their number.
//! 3. Counters are relaxed: they order nothing. Whoever needs an exact sum flushes first, and the lock that
//!    `flush` takes after the writer released it makes the writer's counts visible.
//! 4. After `closing` nothing is accepted; after `stopped` the writer touches nothing.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::LogLevel;
use super::sync::{AtomicU64, Condvar, Mutex, Ordering};

/// Lines waiting for the writer take no more than this: some milliseconds of one thread that does nothing but
/// log, which is what a busy machine may let the writer wait for a processor. Taken up only when needed.
pub(super) const CAPACITY_BYTES: usize = 4 * 1024 * 1024;
/// So much ends the writer's wait for more.
const BATCH_BYTES: usize = 128 * 1024;
/// How long after a batch the writer waits for more before it takes the next, so that it is not woken for every line.
/// What comes after a quiet time is written at once.
const LINGER: Duration = Duration::from_millis(1);

/// Is sent when a line is written in full, and dropped when it never will be.
pub(super) type Witness = oneshot::Sender<()>;

/// Lines, and for each its end and level.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    records: Vec<RecordEnd>,
    /// Lines with a witness, by their end.
    witnesses: Vec<(u32, Witness)>,
}

#[derive(Debug, Clone, Copy)]
struct RecordEnd {
    end: u32,
    level: LogLevel,
}

impl Batch {
    fn push(&mut self, line: &[u8], level: LogLevel, witness: Option<Witness>) {
        self.bytes.extend_from_slice(line);
        // The capacity is far below 4 GiB.
        let end = self.bytes.len() as u32;
        self.records.push(RecordEnd { end, level });
        self.witnesses.extend(witness.map(|witness| (end, witness)));
    }

    fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// Empties it, and gives memory back that a burst took and this batch had no use for.
    fn clear(&mut self) {
        let was_small = self.bytes.len() < self.bytes.capacity() / 4;
        self.bytes.clear();
        self.records.clear();
        self.witnesses.clear();
        if was_small && self.bytes.capacity() > BATCH_BYTES {
            self.bytes.shrink_to(BATCH_BYTES);
            self.records.shrink_to(BATCH_BYTES / 128);
        }
    }
}

/// What became of the records submitted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    written: [AtomicU64; 4],
    dropped: AtomicU64,
}

impl Counters {
    pub(super) fn written(&self, level: LogLevel) -> u64 {
        self.written[usize::from(level.as_u8())].load(Ordering::Relaxed)
    }

    pub(super) fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    pub(super) fn count_written(&self, level: LogLevel, records: u64) {
        self.written[usize::from(level.as_u8())].fetch_add(records, Ordering::Relaxed);
    }

    pub(super) fn count_dropped(&self, records: u64) {
        self.dropped.fetch_add(records, Ordering::Relaxed);
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Writer {
    /// Waits for the first line.
    Idle,
    /// Has lines, waits a moment for more.
    Lingering,
    /// Writes, or has been woken.
    Busy,
}

#[derive(Debug)]
struct State {
    batch: Batch,
    writer: Writer,
    accepted: u64,
    finished: u64,
    /// Someone waits for all up to here.
    flush_to: u64,
    /// Until when the writer waits for more.
    linger_until: Option<Instant>,
    closing: bool,
    abandoned: bool,
    stopped: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    capacity_bytes: usize,
    state: Mutex<State>,
    /// Tells the writer of lines, of a flush, of the end.
    work: Condvar,
    /// Tells those who flush that the writer got further.
    done: Condvar,
    pub(super) counters: Counters,
}

impl Queue {
    pub(super) fn new() -> Self {
        Queue::bounded(CAPACITY_BYTES)
    }

    pub(super) fn bounded(capacity_bytes: usize) -> Self {
        let state = State {
            batch: Batch::default(),
            writer: Writer::Idle,
            accepted: 0,
            finished: 0,
            flush_to: 0,
            linger_until: None,
            closing: false,
            abandoned: false,
            stopped: false,
        };
        Queue {
            capacity_bytes,
            state: Mutex::new(state),
            work: Condvar::new(),
            done: Condvar::new(),
            counters: Counters::default(),
        }
    }

    /// Hands a line to the writer, or drops and counts it; never waits for the sink. The witness learns what becomes of the line.
    pub(super) fn submit(&self, line: &[u8], level: LogLevel, witness: Option<Witness>) {
        let mut state = self.state.lock();
        if state.closing || state.batch.bytes.len() + line.len() > self.capacity_bytes {
            drop(state);
            self.counters.count_dropped(1);
            return;
        }
        state.batch.push(line, level, witness);
        state.accepted += 1;
        let wake = match state.writer {
            Writer::Idle => true,
            Writer::Lingering => state.batch.bytes.len() >= BATCH_BYTES,
            Writer::Busy => false,
        };
        if wake {
            state.writer = Writer::Busy;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Waits until all that was accepted before is written or dropped; `false` if it was not by the deadline.
    pub(super) fn flush(&self, deadline: Instant) -> bool {
        let mut state = self.state.lock();
        let target = state.accepted;
        state.flush_to = target;
        self.work.notify_one();
        while state.finished < target {
            if self.done.wait_until(&mut state, deadline).timed_out() {
                return state.finished >= target;
            }
        }
        true
    }

    /// Accepts no more.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_one();
    }

    /// Closes and waits for the writer's end. At the deadline what it did not take yet is dropped, and the
    /// writer is told to give up as soon as its sink lets it.
    pub(super) fn stop(&self, deadline: Instant) -> bool {
        self.close();
        let mut state = self.state.lock();
        while !state.stopped {
            if self.done.wait_until(&mut state, deadline).timed_out() && !state.stopped {
                self.abandon(&mut state);
                return false;
            }
        }
        true
    }

    fn abandon(&self, state: &mut State) {
        state.abandoned = true;
        let left = state.batch.len();
        state.batch.clear();
        state.finished += left;
        self.counters.count_dropped(left);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// For the writer: what to write next, into the emptied `recycled`; `None` at the end.
    pub(super) fn next(&self, mut recycled: Batch) -> Option<Batch> {
        recycled.clear();
        let mut state = self.state.lock();
        while state.batch.records.is_empty() {
            if state.closing {
                return None;
            }
            state.writer = Writer::Idle;
            self.work.wait(&mut state);
        }
        while let Some(until) = state.linger_until
            && !state.closing
            && state.flush_to <= state.finished
            && state.batch.bytes.len() < BATCH_BYTES
        {
            state.writer = Writer::Lingering;
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.writer = Writer::Busy;
        state.linger_until = Some(Instant::now() + LINGER);
        Some(std::mem::replace(&mut state.batch, recycled))
    }

    /// For the writer: how much of `batch` reached the sink.
    pub(super) fn count(&self, batch: &mut Batch, written_bytes: usize) {
        for (end, witness) in batch.witnesses.drain(..) {
            if end as usize <= written_bytes {
                // Nobody may wait for it any more.
                let _ = witness.send(());
            }
        }
        let written = batch.records.partition_point(|record| record.end as usize <= written_bytes);
        let mut by_level = [0_u64; 4];
        for record in &batch.records[..written] {
            by_level[usize::from(record.level.as_u8())] += 1;
        }
        for (level, records) in LogLevel::ALL.into_iter().zip(by_level) {
            if records > 0 {
                self.counters.count_written(level, records);
            }
        }
        let dropped = batch.records.len() - written;
        if dropped > 0 {
            self.counters.count_dropped(dropped as u64);
        }
    }

    /// For the writer: it is done with `batch`.
    pub(super) fn finish(&self, batch: &Batch) {
        self.state.lock().finished += batch.len();
        self.done.notify_all();
    }

    /// For the writer: its last act.
    pub(super) fn writer_stopped(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.abandon(&mut state);
        state.stopped = true;
        drop(state);
        self.done.notify_all();
    }

    /// For the writer: waits `slice`, or less if there is news.
    pub(super) fn pause(&self, slice: Duration) {
        let mut state = self.state.lock();
        if !state.abandoned {
            self.work.wait_for(&mut state, slice);
        }
    }
}

/// What all loggers of a log share: when the last is gone, the writer has nothing to wait for.
#[derive(Debug)]
pub(super) struct Producers {
    pub(super) queue: Arc<Queue>,
}

impl Producers {
    pub(super) fn new(queue: Arc<Queue>) -> Self {
        Producers { queue }
    }
}

impl Drop for Producers {
    fn drop(&mut self) {
        self.queue.close();
    }
}
