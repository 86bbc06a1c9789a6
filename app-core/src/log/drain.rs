//! Between slog and the output: decides, formats on the caller's thread, hands the line on.

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
use super::queue::{Counters, Producers, Witness};
use super::term::{self, Look};

/// A value that logs while it is printed may hold one that does the same; deeper is a mistake.
const MAX_DEPTH: u8 = 4;
/// `Logger::flush` has no deadline of its own.
const FLUSH_DEADLINE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug, Clone)]
pub(super) enum Output {
    Queue(Arc<Producers>),
    Memory(Arc<Memory>),
}

impl Output {
    #[inline]
    fn submit(&self, line: &[u8], level: LogLevel, witness: Option<Witness>) {
        match self {
            Output::Queue(producers) => producers.queue.submit(line, level, witness),
            Output::Memory(memory) => memory.submit(line, level, witness),
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
            Output::Queue(producers) => producers.queue.flush(within(deadline)),
            Output::Memory(_) => true,
        }
    }
}

/// The end of a time that may be "for ever".
pub(super) fn within(time: Duration) -> Instant {
    const FOR_EVER: Duration = Duration::from_secs(365 * 86_400);
    Instant::now() + time.min(FOR_EVER)
}

/// How the lines of one logger look.
#[derive(Debug, Clone)]
pub(super) struct Form {
    /// How long a line may be, in bytes.
    pub(super) limit: usize,
    /// Whether a line begins with its level as the journal of systemd reads it.
    pub(super) for_journal: bool,
    pub(super) text: TextForm,
}

#[derive(Debug, Clone)]
pub(super) enum TextForm {
    /// The keys that are the same in all its records, as JSON text.
    Json { prefix: Arc<[u8]> },
    /// The service's name.
    Term { name: Option<Arc<str>>, colours: bool },
}

/// The drain of one logger and its children.
#[derive(Debug)]
pub(super) struct ServiceDrain {
    pub(super) threshold: Threshold,
    pub(super) form: Form,
    /// The locks inside do not poison, and no panic passes a lock.
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
    /// Whatever the level is. The witness learns what becomes of the record.
    pub(super) fn submit(&self, record: &Record<'_>, values: &OwnedKVList, witness: Option<Witness>) {
        let level = LogLevel::from_slog(record.level());
        let submitted = with_scratch(|scratch| {
            self.output.submit(self.form.line(scratch, record, values), level, witness);
        });
        if !submitted {
            self.output.counters().count_dropped(1);
        }
    }
}

impl Form {
    fn line<'a>(&self, scratch: &'a mut Scratch, record: &Record<'_>, values: &OwnedKVList) -> &'a [u8] {
        let mark: &[u8] =
            if self.for_journal { journal::mark(LogLevel::from_slog(record.level())) } else { b"" };
        let limit = self.limit - mark.len();
        match &self.text {
            TextForm::Json { prefix } => {
                let line = scratch.json.line(prefix, limit, record, values);
                line.push(mark);
                line.bytes()
            }
            TextForm::Term { name, colours } => {
                scratch.term.clear();
                scratch.term.extend_from_slice(mark);
                let look = Look { name: name.as_deref(), colours: *colours };
                term::write(&mut scratch.term, look, limit, record, values);
                &scratch.term
            }
        }
    }

    /// The line of a record that is not submitted.
    pub(super) fn line_apart(&self, record: &Record<'_>, values: &OwnedKVList) -> Vec<u8> {
        self.line(&mut Scratch::new(), record, values).to_vec()
    }
}

/// What a thread formats with.
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

struct Local {
    /// Records being formatted on this thread: one inside the other, when printing a value logs.
    depth: Cell<u8>,
    /// Empty while in use: a record inside a record gets a scratch of its own.
    scratch: Cell<Option<Box<Scratch>>>,
}

thread_local! {
    static LOCAL: Local = const { Local { depth: Cell::new(0), scratch: Cell::new(None) } };
}

/// Records of this thread are dropped from now on: it is the one that writes them.
pub(super) fn refuse_records_of_this_thread() {
    let _ = LOCAL.try_with(|local| local.depth.set(MAX_DEPTH));
}

/// Whether a record of this thread would be dropped, being logged by our own work.
pub(crate) fn refuses_records() -> bool {
    LOCAL.try_with(|local| local.depth.get() >= MAX_DEPTH).unwrap_or(false)
}

/// `false` if records are nested too deeply, and `format` was not called.
fn with_scratch(format: impl FnOnce(&mut Scratch)) -> bool {
    let mut format = Some(format);
    let done = LOCAL.try_with(|local| {
        let depth = local.depth.get();
        if depth >= MAX_DEPTH {
            return false;
        }
        let _depth = Restore { depth: &local.depth, before: depth };
        local.depth.set(depth + 1);
        let mut scratch = local.scratch.take().unwrap_or_else(Scratch::new);
        if let Some(format) = format.take() {
            format(&mut scratch);
        }
        local.scratch.set(Some(scratch));
        true
    });
    // A thread that logs while its locals are being destroyed.
    done.unwrap_or_else(|_| {
        if let Some(format) = format {
            format(&mut Scratch::new());
        }
        true
    })
}

struct Restore<'a> {
    depth: &'a Cell<u8>,
    before: u8,
}

impl Drop for Restore<'_> {
    fn drop(&mut self) {
        self.depth.set(self.before);
    }
}
