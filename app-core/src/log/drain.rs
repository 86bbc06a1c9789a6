//! The slog drain of a logger: checks the level, formats the record on the caller's thread, and submits the line.

use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::{Duration, Instant};

use slog::{Drain, Never, OwnedKVList, Record};

use super::LogLevel;
use super::captured::Memory;
use super::journal;
use super::json::JsonFormatter;
use super::levels::Threshold;
use super::queue::{Counters, LineTag, Producers, ReceiptSender};
use super::term::{self, LineStyle};

/// A value may log while it is printed, and a value of that record may do so, too. Deeper nesting is a mistake.
const MAX_DEPTH: u8 = 4;
/// The deadline of slog's `Logger::flush`, which takes none.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Queue(Arc<Producers>),
    Memory(Arc<Memory>),
}

impl Output {
    #[inline]
    fn submit(&self, line: &[u8], tag: LineTag, receipt: Option<ReceiptSender>) {
        match self {
            Output::Queue(producers) => producers.queue.submit(line, tag, receipt),
            Output::Memory(memory) => memory.submit(line, tag, receipt),
        }
    }

    pub(super) fn counters(&self) -> &Counters {
        match self {
            Output::Queue(producers) => &producers.queue.counters,
            Output::Memory(memory) => &memory.counters,
        }
    }

    pub(super) fn flush(&self, deadline: Duration) -> bool {
        match self {
            Output::Queue(producers) => producers.queue.flush(deadline_in(deadline)),
            Output::Memory(_) => true,
        }
    }
}

/// The instant after `time`, which may be `Duration::MAX`.
pub(super) fn deadline_in(time: Duration) -> Instant {
    // An `Instant` overflows at some point.
    const YEAR: Duration = Duration::from_secs(365 * 86_400);
    Instant::now() + time.min(YEAR)
}

/// The format of the lines of one logger.
#[derive(Debug, Clone)]
pub(super) struct LineFormat {
    /// The most bytes of a line.
    pub(super) limit: usize,
    /// Whether each line begins with its priority for systemd's journal.
    pub(super) for_journal: bool,
    pub(super) text: TextFormat,
}

#[derive(Debug, Clone)]
pub(super) enum TextFormat {
    /// `prefix` has the keys that are the same in all records of the logger, as JSON text.
    Json { prefix: Arc<[u8]> },
    /// `name` is the name of the service.
    Term { name: Option<Arc<str>>, colours: bool },
}

/// The drain of one logger and its children.
#[derive(Debug)]
pub(super) struct ServiceDrain {
    pub(super) threshold: Threshold,
    pub(super) format: LineFormat,
    /// The id of the service, or 0.
    pub(super) service: u64,
    /// Unwind safe: the locks inside do not poison, and no panic crosses a held lock.
    pub(super) output: AssertUnwindSafe<Output>,
}

impl Drain for ServiceDrain {
    type Ok = ();
    type Err = Never;

    #[inline]
    fn log(&self, record: &Record<'_>, values: &OwnedKVList) -> Result<(), Never> {
        if self.threshold.admits(record.level()) {
            self.submit(record, values, None);
        }
        Ok(())
    }

    #[inline]
    fn is_enabled(&self, level: slog::Level) -> bool {
        self.threshold.admits(level)
    }

    fn flush(&self) -> Result<(), slog::FlushError> {
        if self.output.flush(FLUSH_DEADLINE) {
            Ok(())
        } else {
            Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into())
        }
    }
}

impl ServiceDrain {
    /// Submits a record of any level.
    pub(super) fn submit(&self, record: &Record<'_>, values: &OwnedKVList, receipt: Option<ReceiptSender>) {
        let tag = LineTag { level: LogLevel::from_slog(record.level()), service: self.service };
        let submitted = with_scratch(|scratch| {
            self.output.submit(self.format.line(scratch, record, values), tag, receipt);
        });
        if !submitted {
            self.output.counters().count_dropped(1);
        }
    }
}

impl LineFormat {
    fn line<'a>(&self, scratch: &'a mut Scratch, record: &Record<'_>, values: &OwnedKVList) -> &'a [u8] {
        let priority: &[u8] =
            if self.for_journal { journal::priority(LogLevel::from_slog(record.level())) } else { b"" };
        let limit = self.limit - priority.len();
        match &self.text {
            TextFormat::Json { prefix } => {
                let line = scratch.json.line(prefix, limit, record, values);
                line.push(priority);
                line.bytes()
            }
            TextFormat::Term { name, colours } => {
                scratch.term.clear();
                scratch.term.extend_from_slice(priority);
                let style = LineStyle { name: name.as_deref(), colours: *colours };
                term::write(&mut scratch.term, style, limit, record, values);
                &scratch.term
            }
        }
    }

    /// The line of a record, in a buffer of its own.
    pub(super) fn to_line(&self, record: &Record<'_>, values: &OwnedKVList) -> Vec<u8> {
        self.line(&mut Scratch::new(), record, values).to_vec()
    }
}

/// The buffers in which a thread formats records, kept from one record to the next.
#[derive(Debug)]
struct Scratch {
    json: JsonFormatter,
    term: Vec<u8>,
}

impl Scratch {
    fn new() -> Box<Self> {
        Box::new(Scratch { json: JsonFormatter::new(), term: Vec::new() })
    }
}

struct ThreadState {
    /// How many records are being formatted on this thread. More than one if printing a value logs.
    depth: Cell<u8>,
    /// Empty while in use: a record inside a record gets a scratch of its own.
    scratch: Cell<Option<Box<Scratch>>>,
}

thread_local! {
    static THREAD: ThreadState = const { ThreadState { depth: Cell::new(0), scratch: Cell::new(None) } };
}

/// Drops all records of this thread from now on. The writer thread calls it, because its records would never end.
pub(super) fn refuse_records_of_this_thread() {
    let _ = THREAD.try_with(|thread| thread.depth.set(MAX_DEPTH));
}

/// Whether a record of this thread would be dropped: this is the writer thread, or records are nested too deeply.
pub(crate) fn refuses_records() -> bool {
    THREAD.try_with(|thread| thread.depth.get() >= MAX_DEPTH).unwrap_or(false)
}

/// Calls `format`. Returns `false`, without a call, if records are nested too deeply.
fn with_scratch(format: impl FnOnce(&mut Scratch)) -> bool {
    let mut format = Some(format);
    let done = THREAD.try_with(|thread| {
        let depth = thread.depth.get();
        if depth >= MAX_DEPTH {
            return false;
        }
        let _depth = RestoreDepth { depth: &thread.depth, before: depth };
        thread.depth.set(depth + 1);
        let mut scratch = thread.scratch.take().unwrap_or_else(Scratch::new);
        if let Some(format) = format.take() {
            format(&mut scratch);
        }
        thread.scratch.set(Some(scratch));
        true
    });
    // Fails when the thread logs while its thread-local storage is being destroyed.
    done.unwrap_or_else(|_| {
        if let Some(format) = format {
            format(&mut Scratch::new());
        }
        true
    })
}

struct RestoreDepth<'a> {
    depth: &'a Cell<u8>,
    before: u8,
}

impl Drop for RestoreDepth<'_> {
    fn drop(&mut self) {
        self.depth.set(self.before);
    }
}
