//! The bounded queue between the threads that log and the one thread that writes.
//!
//! Invariants:
//!
//! 1. A thread that logs holds the lock for the copy of one line, and never waits for the sink: a full queue drops.
//! 2. Each submitted record is counted once, in `written` or in `dropped`. Until then it is in the queue or in the writer's
//!    batch: `accepted - finished` records are.
//! 3. Counters are relaxed, because they order nothing. For exact sums, flush first: `flush` takes the lock after the
//!    writer released it, and so sees the writer's counts.
//! 4. Nothing is accepted after `closing`. The writer does nothing after `stopped`.

use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::LogLevel;
use super::sync::{AtomicU64, Condvar, Mutex, Ordering};

/// The most bytes of lines in the queue. One thread that only logs fills it in some milliseconds, and on a busy machine the
/// writer may have to wait as long for a processor. The memory is only allocated when it is needed.
pub(super) const CAPACITY_BYTES: usize = 4 * 1024 * 1024;
/// The writer stops waiting for more lines at this number of bytes.
const BATCH_BYTES: usize = 128 * 1024;
/// How long after a batch the writer waits for more lines, so that it does not wake up for each line. A line after a quiet
/// time is written at once.
const LINGER: Duration = Duration::from_millis(1);

/// Sends when a line was written in full. Dropped when the line never will be.
pub(super) type ReceiptSender = oneshot::Sender<()>;

/// Lines, with the end and the level of each.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) bytes: Vec<u8>,
    records: Vec<RecordEnd>,
    /// The end of each line with a receipt.
    receipts: Vec<(u32, ReceiptSender)>,
}

/// What is known of a line without reading it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineTag {
    pub(super) level: LogLevel,
    /// The id of the service whose record it is, or 0.
    pub(super) service: u64,
}

impl From<LogLevel> for LineTag {
    fn from(level: LogLevel) -> Self {
        Self { level, service: 0 }
    }
}

#[derive(Debug, Clone, Copy)]
struct RecordEnd {
    end: u32,
    tag: LineTag,
}

impl Batch {
    fn push(&mut self, line: &[u8], tag: LineTag, receipt: Option<ReceiptSender>) {
        self.bytes.extend_from_slice(line);
        // The capacity is far below 4 GiB.
        let end = self.bytes.len() as u32;
        self.records.push(RecordEnd { end, tag });
        self.receipts.extend(receipt.map(|receipt| (end, receipt)));
    }

    pub(super) fn len(&self) -> u64 {
        self.records.len() as u64
    }

    /// The last lines that together have at most this many bytes, oldest first, with their tags. At least one line.
    pub(super) fn last_lines(&self, most_bytes: usize) -> impl ExactSizeIterator<Item = (&[u8], LineTag)> {
        let begin = |at: usize| at.checked_sub(1).map_or(0, |before| self.records[before].end as usize);
        let first_byte = self.bytes.len().saturating_sub(most_bytes);
        let fitting = (0..self.records.len()).rev().take_while(|at| begin(*at) >= first_byte).count();
        let first = self.records.len() - fitting.max(1).min(self.records.len());
        let lines = self.records.iter().enumerate().skip(first);
        lines.map(move |(at, record)| (&self.bytes[begin(at)..record.end as usize], record.tag))
    }

    /// Empties the batch. Frees memory that an earlier burst allocated and this batch did not need.
    fn clear(&mut self) {
        let was_small = self.bytes.len() < self.bytes.capacity() / 4;
        self.bytes.clear();
        self.records.clear();
        self.receipts.clear();
        if was_small && self.bytes.capacity() > BATCH_BYTES {
            self.bytes.shrink_to(BATCH_BYTES);
            self.records.shrink_to(BATCH_BYTES / 128);
        }
    }
}

/// How many records were written, by level, and dropped.
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
enum WriterState {
    /// Waits for the first line.
    Idle,
    /// Has lines, and waits a moment for more.
    Lingering,
    /// Writes, or was woken.
    Busy,
}

#[derive(Debug)]
struct QueueState {
    batch: Batch,
    writer: WriterState,
    accepted: u64,
    finished: u64,
    /// A caller of `flush` waits until `finished` reaches this number.
    flush_to: u64,
    /// The end of the writer's wait for more lines.
    linger_until: Option<Instant>,
    closing: bool,
    abandoned: bool,
    stopped: bool,
}

#[derive(Debug)]
pub(super) struct Queue {
    capacity_bytes: usize,
    state: Mutex<QueueState>,
    /// Wakes the writer: for lines, for a flush, or for the end.
    work: Condvar,
    /// Wakes callers of `flush` and `stop` after a batch, and at the writer's end.
    done: Condvar,
    pub(super) counters: Counters,
}

impl Queue {
    pub(super) fn new() -> Self {
        Queue::bounded(CAPACITY_BYTES)
    }

    pub(super) fn bounded(capacity_bytes: usize) -> Self {
        let state = QueueState {
            batch: Batch::default(),
            writer: WriterState::Idle,
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

    /// Puts a line into the queue. If there is no room, drops and counts the line. Never waits for the sink.
    #[inline]
    pub(super) fn submit(&self, line: &[u8], tag: impl Into<LineTag>, receipt: Option<ReceiptSender>) {
        self.submit_tagged(line, tag.into(), receipt);
    }

    fn submit_tagged(&self, line: &[u8], tag: LineTag, receipt: Option<ReceiptSender>) {
        let mut state = self.state.lock();
        if state.closing || state.batch.bytes.len() + line.len() > self.capacity_bytes {
            drop(state);
            self.counters.count_dropped(1);
            return;
        }
        state.batch.push(line, tag, receipt);
        state.accepted += 1;
        let wake = match state.writer {
            WriterState::Idle => true,
            WriterState::Lingering => state.batch.bytes.len() >= BATCH_BYTES,
            WriterState::Busy => false,
        };
        if wake {
            state.writer = WriterState::Busy;
            drop(state);
            self.work.notify_one();
        }
    }

    /// Waits until all lines accepted before are written or dropped. Returns `false` if the deadline passed first.
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

    /// Accepts no more lines.
    pub(super) fn close(&self) {
        self.state.lock().closing = true;
        self.work.notify_one();
    }

    /// Closes the queue and waits for the writer's end. Returns `false` at the deadline: then the lines in the queue are
    /// dropped, and the writer gives up as soon as its sink returns.
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

    fn abandon(&self, state: &mut QueueState) {
        state.abandoned = true;
        let left = state.batch.len();
        state.batch.clear();
        state.finished += left;
        self.counters.count_dropped(left);
    }

    pub(super) fn is_abandoned(&self) -> bool {
        self.state.lock().abandoned
    }

    /// For the writer: waits for the next batch. Keeps the memory of `recycled` for the one after. `None` at the end.
    pub(super) fn next(&self, mut recycled: Batch) -> Option<Batch> {
        recycled.clear();
        let mut state = self.state.lock();
        while state.batch.records.is_empty() {
            if state.closing {
                return None;
            }
            state.writer = WriterState::Idle;
            self.work.wait(&mut state);
        }
        while let Some(until) = state.linger_until
            && !state.closing
            && state.flush_to <= state.finished
            && state.batch.bytes.len() < BATCH_BYTES
        {
            state.writer = WriterState::Lingering;
            if self.work.wait_until(&mut state, until).timed_out() {
                break;
            }
        }
        state.writer = WriterState::Busy;
        state.linger_until = Some(Instant::now() + LINGER);
        Some(std::mem::replace(&mut state.batch, recycled))
    }

    /// For the writer: counts the records of `batch`, from how many of its bytes reached the sink.
    pub(super) fn count(&self, batch: &mut Batch, written_bytes: usize) {
        for (end, receipt) in batch.receipts.drain(..) {
            if end as usize <= written_bytes {
                // Fails when the receipt was dropped.
                let _ = receipt.send(());
            }
        }
        let written = batch.records.partition_point(|record| record.end as usize <= written_bytes);
        let mut by_level = [0_u64; 4];
        for record in &batch.records[..written] {
            by_level[usize::from(record.tag.level.as_u8())] += 1;
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

    /// For the writer: tells callers of `flush` that `batch` is done.
    pub(super) fn finish(&self, batch: &Batch) {
        self.state.lock().finished += batch.len();
        self.done.notify_all();
    }

    /// For the writer: ends the queue. The writer must not use the queue after this.
    pub(super) fn writer_stopped(&self) {
        let mut state = self.state.lock();
        state.closing = true;
        self.abandon(&mut state);
        state.stopped = true;
        drop(state);
        self.done.notify_all();
    }

    /// For the writer: waits for at most `slice`. A new line, a flush or the end may shorten the wait.
    pub(super) fn pause(&self, slice: Duration) {
        let mut state = self.state.lock();
        if !state.abandoned {
            self.work.wait_for(&mut state, slice);
        }
    }
}

/// The queue as all loggers of a log share it. The drop of the last logger closes the queue.
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
