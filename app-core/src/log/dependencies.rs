//! A bridge from the `log` and `tracing` crates, which dependencies use, to a [`Log`].
//!
//! Both crates have one receiver for the process. The receiver here passes records to the [`Log`] that was set last. Trace
//! records are left out. What becomes of spans is in [`crate::trace`], which is the receiver of `tracing` and passes its
//! events on.

use std::fmt::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Once};

use arc_swap::ArcSwapOption;
use slog::{Drain, KV, Key, Level, Record, RecordLocation, RecordStatic, Serializer};
use tracing_core::field::{Field, Visit};
use tracing_core::{Event, LevelFilter, Metadata};

use super::text::CappedText;
use super::{Log, LogLevel, LogRecordLimit, drain};
use crate::trace::{EventReceiver, receive_events};

static RECEIVER: ArcSwapOption<Receiver> = ArcSwapOption::const_empty();
static INSTALL: Once = Once::new();
/// Whether the `log` crate reports to this bridge. Only then may the bridge set its level.
static OWNS_LOG_CRATE: AtomicBool = AtomicBool::new(false);

struct Receiver {
    log: Log,
    logger: slog::Logger,
}

/// Makes `log` the receiver of the `log` and `tracing` crates for the whole process, at the level of the application.
///
/// A later call replaces the receiver. If the program has already set another receiver for one of the crates, that one
/// stays.
pub fn capture_dependencies(log: &Log) {
    RECEIVER.store(Some(Arc::new(Receiver { log: log.clone(), logger: log.logger() })));
    INSTALL.call_once(|| {
        OWNS_LOG_CRATE.store(log::set_logger(&Bridge).is_ok(), Ordering::Relaxed);
        receive_events(&Bridge);
    });
    level_changed(log);
}

/// Updates the level that both crates cache, if `log` is their receiver.
pub(super) fn level_changed(log: &Log) {
    let level = match &*RECEIVER.load() {
        Some(receiver) if receiver.log.is_same(log) => log.level(),
        _ => return,
    };
    if OWNS_LOG_CRATE.load(Ordering::Relaxed) {
        log::set_max_level(match level {
            LogLevel::Debug => log::LevelFilter::Debug,
            LogLevel::Info => log::LevelFilter::Info,
            LogLevel::Warn => log::LevelFilter::Warn,
            LogLevel::Error => log::LevelFilter::Error,
        });
    }
    tracing_core::callsite::rebuild_interest_cache();
}

/// The logger for a record of `level`. `None` if the record is not to be written.
fn receiver_for(level: Option<Level>) -> Option<slog::Logger> {
    let level = level?;
    if drain::refuses_records() {
        return None;
    }
    let receiver = RECEIVER.load();
    let logger = &receiver.as_ref()?.logger;
    logger.is_enabled(level).then(|| logger.clone())
}

struct Bridge;

fn level_of_log(level: log::Level) -> Option<Level> {
    match level {
        log::Level::Error => Some(Level::Error),
        log::Level::Warn => Some(Level::Warning),
        log::Level::Info => Some(Level::Info),
        log::Level::Debug => Some(Level::Debug),
        log::Level::Trace => None,
    }
}

impl log::Log for Bridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        receiver_for(level_of_log(metadata.level())).is_some()
    }

    fn log(&self, record: &log::Record<'_>) {
        let level = level_of_log(record.level());
        if let (Some(level), Some(logger)) = (level, receiver_for(level)) {
            let fixed = RecordStatic { location: &NOWHERE, tag: "", level };
            logger.log(&Record::new(&fixed, record.args(), slog::b!("target" => record.target())));
        }
    }

    fn flush(&self) {}
}

/// Records do not show their place in the source.
const NOWHERE: RecordLocation = RecordLocation { file: "", line: 0, column: 0, function: "", module: "" };

fn level_of_tracing(metadata: &Metadata<'_>) -> Option<Level> {
    match *metadata.level() {
        _ if !metadata.is_event() => None,
        tracing_core::Level::ERROR => Some(Level::Error),
        tracing_core::Level::WARN => Some(Level::Warning),
        tracing_core::Level::INFO => Some(Level::Info),
        tracing_core::Level::DEBUG => Some(Level::Debug),
        _ => None,
    }
}

impl EventReceiver for Bridge {
    fn admits(&self, metadata: &Metadata<'_>) -> bool {
        // `level_changed` has this called again.
        match (level_of_tracing(metadata), &*RECEIVER.load()) {
            (Some(level), Some(receiver)) => receiver.logger.is_enabled(level),
            _ => false,
        }
    }

    fn max_level(&self) -> LevelFilter {
        match RECEIVER.load().as_ref().map(|receiver| receiver.log.level()) {
            Some(LogLevel::Debug) => LevelFilter::DEBUG,
            Some(LogLevel::Info) => LevelFilter::INFO,
            Some(LogLevel::Warn) => LevelFilter::WARN,
            Some(LogLevel::Error) => LevelFilter::ERROR,
            None => LevelFilter::OFF,
        }
    }

    fn event(&self, event: &Event<'_>) {
        let level = level_of_tracing(event.metadata());
        if let (Some(level), Some(logger)) = (level, receiver_for(level)) {
            let mut message = Message::default();
            event.record(&mut message);
            let fixed = RecordStatic { location: &NOWHERE, tag: "", level };
            let fields = EventFields { event, count: message.others };
            logger.log(&Record::new(
                &fixed,
                &format_args!("{}", message.text.finish()),
                slog::BorrowedKV(&fields),
            ));
        }
    }
}

const MESSAGE: &str = "message";

/// The message of an event, and the number of its other fields.
pub(super) struct Message {
    text: CappedText,
    others: usize,
}

impl Default for Message {
    fn default() -> Self {
        Message { text: CappedText::new(LogRecordLimit::MAX.bytes()), others: 0 }
    }
}

impl Visit for Message {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == MESSAGE {
            // A value that fails to print itself leaves what it has printed so far.
            let _ = write!(self.text, "{value:?}");
        } else {
            self.others += 1;
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// The fields and the target of an event, last one first as in slog.
struct EventFields<'a> {
    event: &'a Event<'a>,
    count: usize,
}

impl KV for EventFields<'_> {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        for wanted in (0..self.count).rev() {
            let mut one = OneField { wanted, visited: 0, serializer, outcome: Ok(()) };
            self.event.record(&mut one);
            one.outcome?;
        }
        serializer.emit_str("target", self.event.metadata().target())
    }
}

/// Emits one field. A visitor gets all fields, in the opposite order of slog, so each field takes a visit.
struct OneField<'a> {
    wanted: usize,
    visited: usize,
    serializer: &'a mut dyn Serializer,
    outcome: slog::Result,
}

impl OneField<'_> {
    fn emit(&mut self, field: &Field, emit: impl FnOnce(&mut dyn Serializer, Key) -> slog::Result) {
        if field.name() != MESSAGE {
            if self.visited == self.wanted {
                self.outcome = emit(self.serializer, field.name());
            }
            self.visited += 1;
        }
    }
}

macro_rules! record {
    ($($record:ident $emit:ident $type:ty),+) => {
        $(fn $record(&mut self, field: &Field, value: $type) {
            self.emit(field, |serializer, key| serializer.$emit(key, value));
        })+
    };
}

impl Visit for OneField<'_> {
    record! {
        record_f64 emit_f64 f64, record_i64 emit_i64 i64, record_u64 emit_u64 u64, record_i128 emit_i128 i128,
        record_u128 emit_u128 u128, record_bool emit_bool bool, record_str emit_str &str,
        record_error emit_error &(dyn std::error::Error + 'static)
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.emit(field, |serializer, key| serializer.emit_arguments(key, &format_args!("{value:?}")));
    }
}
