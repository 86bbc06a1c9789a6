//! The log: slog loggers for the application and its services, and one thread that writes.
//!
//! A record is formatted on the thread that logs and copied into a bounded buffer; the thread `log` writes whole
//! batches. Nobody who logs ever waits for the sink: while it is full, closed or blocked, records are dropped and
//! counted ([`Log::dropped`]). Levels of the application and of each service change while the program runs.
//!
//! A record is one line of bounded length ([`LogRecordLimit`]); what is cut says so. A record of an [`AuditLog`] tells its author whether
//! it was written.
//!
//! In JSON, `event` and the event's name come before a record's own keys, an error under `err` is an object, and a key of a
//! record that has the name of one of ours gets an underscore (`message_`).

mod audit;
mod captured;
mod dependencies;
mod drain;
mod errors;
mod escape;
mod fields;
mod fit;
mod format;
mod journal;
mod json;
mod level;
mod levels;
mod limit;
mod line;
mod macros;
mod names;
mod queue;
mod serde_value;
mod shrink;
mod stderr;
mod sync;
mod term;
mod text;
mod timestamp;
mod writer;

#[cfg(test)]
mod tests;

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use app_ids::ServiceId;
use parking_lot::Mutex;
use slog::Logger;
use tokio_util::sync::CancellationToken;

pub use self::audit::{AuditLog, Receipt};
pub use self::captured::CapturedLog;
pub use self::dependencies::capture_dependencies;
pub use self::format::{LogFormat, ParseLogFormatError};
pub use self::level::{LogLevel, ParseLogLevelError};
pub use self::levels::{LevelChange, LevelSetting, LevelSettings};
pub use self::limit::{LogRecordLimit, ParseLogRecordLimitError};
pub use self::macros::is_enabled;
pub(crate) use self::stderr::print_problem;
/// A value of a log record that is written as JSON, such as a list: `"names" => Serde(names)`.
pub use slog::Serde;

use self::captured::Memory;
pub(crate) use self::drain::refuses_records;
use self::drain::{Form, Output, ServiceDrain, TextForm};
use self::levels::{Levels, Threshold};
use self::queue::{Producers, Queue};
use self::writer::Sink;
use crate::Identity;

/// The log of one application; a cheap handle.
///
/// When the last handle and logger are gone, the thread writes what it has and ends; [`Log::shut_down`] waits
/// for that.
///
/// # How much it takes
///
/// 100,000 records a second lose none, where each has ten fields and 390 bytes of JSON and the sink takes them:
/// `cargo run --release -p benches -- log` logs as many on one thread for three seconds, and counts. Lines wait for the thread that
/// writes in a queue of 4 MiB, which is a tenth of a second of such records.
///
/// Above that, or when the sink takes less, a record that finds the queue full is dropped, and nobody waits. Each one is counted:
/// in [`Log::dropped`], and in the metric `log_records_dropped` (`op_0_95215e527be002d0_total`) where `app-metrics` is linked. As
/// soon as the sink takes records again, a record of level warn, "log records dropped", has under `dropped` how many they were since the
/// last such record.
#[derive(Clone)]
pub struct Log(Arc<Inner>);

struct Inner {
    identity: Identity,
    style: Style,
    levels: Levels,
    output: Output,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Cancelled when the thread that writes panics.
    writer_died: CancellationToken,
}

/// How the lines of a log look.
#[derive(Debug, Clone, Copy)]
struct Style {
    limit: LogRecordLimit,
    for_journal: bool,
    text: TextStyle,
}

#[derive(Debug, Clone, Copy)]
enum TextStyle {
    Json,
    Term { colours: bool },
}

impl Log {
    /// A log on standard error. Colours only on a terminal, and not if `NO_COLOR` is set.
    ///
    /// Where standard error is systemd's journal, as `JOURNAL_STREAM` says, each line begins with its level as the journal
    /// reads it: `<3>` error, `<4>` warn, `<6>` info, `<7>` debug. So `journalctl -p` works.
    ///
    /// # Errors
    ///
    /// Standard error could not be duplicated, or no thread be started.
    pub fn to_stderr(
        identity: &Identity,
        format: LogFormat,
        level: LogLevel,
        limit: LogRecordLimit,
    ) -> io::Result<Log> {
        let is_terminal = io::stderr().is_terminal();
        let no_colours = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let text = TextStyle::new(format, is_terminal, is_terminal && !no_colours);
        let style = Style { limit, for_journal: journal::is_stderr(), text };
        Log::with_sink(identity, style, level, Sink::stderr()?)
    }

    /// A log on any writer; [`LogFormat::Auto`] means JSON. Records have the default limit.
    ///
    /// The writer may fail or block in every way: only the thread of the log is concerned. It is flushed after
    /// every batch. What it logs itself, through this or the `log` and `tracing` crates, is dropped.
    ///
    /// # Errors
    ///
    /// No thread could be started.
    pub fn to_writer(
        identity: &Identity,
        format: LogFormat,
        level: LogLevel,
        writer: Box<dyn Write + Send>,
    ) -> io::Result<Log> {
        Log::with_sink(identity, Style::of(TextStyle::new(format, false, false)), level, Sink::Writer(writer))
    }

    /// A log in memory, in JSON and without a thread: a record can be read when the call that logged it returned.
    ///
    /// ```
    /// # use app_core::Identity;
    /// # use app_core::{Log, LogLevel};
    /// # use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};
    /// # let (domain, app, release) = (DomainId::new(1), AppId::new(2), ReleaseId::new(3));
    /// let identity = Identity { domain, app, release, instance: InstanceId::random() };
    /// let (log, captured) = Log::captured(&identity, LogLevel::Info);
    /// let quota = log.service_logger(ServiceId::new(0xce1f), "quota");
    /// slog::info!(quota, "granted"; "permits" => 3);
    /// slog::debug!(quota, "below the level");
    ///
    /// let records = captured.records();
    /// assert_eq!(records.len(), 1);
    /// assert_eq!(records[0]["svc"], "ce1f");
    /// assert_eq!(records[0]["permits"], 3);
    /// ```
    #[must_use]
    pub fn captured(identity: &Identity, level: LogLevel) -> (Log, CapturedLog) {
        let memory = Arc::new(Memory::default());
        let log = Log(Arc::new(Inner {
            identity: *identity,
            style: Style::of(TextStyle::Json),
            levels: Levels::new(level),
            output: Output::Memory(Arc::clone(&memory)),
            writer: Mutex::new(None),
            writer_died: CancellationToken::new(),
        }));
        (log, CapturedLog(memory))
    }

    fn with_sink(identity: &Identity, style: Style, level: LogLevel, sink: Sink) -> io::Result<Log> {
        let queue = Arc::new(Queue::new());
        let form = style.form(identity, None);
        let report = Box::new(move |dropped| drop_report(&form, dropped));
        let writer_died = CancellationToken::new();
        let writer = writer::spawn(Arc::clone(&queue), sink, report, writer_died.clone())?;
        Ok(Log(Arc::new(Inner {
            identity: *identity,
            style,
            levels: Levels::new(level),
            output: Output::Queue(Arc::new(Producers::new(queue))),
            writer: Mutex::new(Some(writer)),
            writer_died,
        })))
    }

    /// The application's logger.
    pub fn logger(&self) -> Logger {
        self.new_logger(self.0.levels.app_threshold(), None)
    }

    /// A logger of a service: its records name the service, its level is the service's.
    pub fn service_logger(&self, id: ServiceId, name: &str) -> Logger {
        self.new_logger(self.0.levels.service_threshold(id), Some((id, name)))
    }

    /// Whether records of this level are written by anybody: what nobody writes need not be thought of.
    pub(crate) fn admits_somewhere(&self, level: slog::Level) -> bool {
        self.0.levels.admits_somewhere(level)
    }

    /// Records of a service that have to be on record: they are written whatever the levels are, and each tells whether it was
    /// written. Use it for few records: nobody can turn them off.
    #[must_use]
    pub fn audit(&self, id: ServiceId, name: &str) -> AuditLog {
        AuditLog::new(self.drain(Threshold::open(), Some((id, name))))
    }

    fn new_logger(&self, threshold: Threshold, service: Option<(ServiceId, &str)>) -> Logger {
        Logger::root(self.drain(threshold, service), slog::o!())
    }

    fn drain(&self, threshold: Threshold, service: Option<(ServiceId, &str)>) -> ServiceDrain {
        let form = self.0.style.form(&self.0.identity, service);
        ServiceDrain { threshold, form, output: AssertUnwindSafe(self.0.output.clone()) }
    }

    /// From which level on the application's records are written, and those of services without a level of
    /// their own.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.0.levels.app_level()
    }

    /// Sets the application's level, at once and for every logger there is.
    pub fn set_level(&self, level: LogLevel) -> LevelChange {
        let change = self.0.levels.set_app(level);
        dependencies::level_changed(self);
        change
    }

    /// From which level on the records of this service are written.
    #[must_use]
    pub fn service_level(&self, id: ServiceId) -> LogLevel {
        self.0.levels.service_level(id)
    }

    /// Sets the level of a service, which need not exist yet; `None` makes it follow the application's.
    pub fn set_service_level(&self, id: ServiceId, level: Option<LogLevel>) -> LevelChange {
        self.0.levels.set_service(id, level)
    }

    /// The levels in force: the application's, and those of services that have one of their own.
    #[must_use]
    pub fn level_settings(&self) -> LevelSettings {
        self.0.levels.settings()
    }

    /// Says in [`level_settings`](Self::level_settings) when a change will be taken back.
    pub(crate) fn expire(&self, change: &LevelChange, at: tokio::time::Instant) {
        self.0.levels.expire(change, at);
    }

    /// Forgets every change of the application's level, or of a service's, and sets it; a service's `None` is the application's.
    pub(crate) fn reset_levels(&self, service: Option<ServiceId>, level: Option<LogLevel>) {
        match (service, level) {
            (Some(id), level) => self.0.levels.reset_service(id, level),
            (None, level) => self.0.levels.reset_app(level.unwrap_or(LogLevel::Info)),
        }
        dependencies::level_changed(self);
    }

    /// Takes a change back: the level is what it was before, unless it was changed again since. Then the later
    /// change stays in force, and what it gives way to, once it is taken back, is the level before both.
    ///
    /// Whether there was anything to take back.
    #[expect(clippy::needless_pass_by_value, reason = "a change is taken back once")]
    pub fn revert(&self, change: LevelChange) -> bool {
        let reverted = self.0.levels.revert(&change);
        dependencies::level_changed(self);
        reverted
    }

    /// How many records were submitted and will never be written, since the sink was full, closed or blocked.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.output.counters().dropped()
    }

    /// How many records of this level were written in full. Exact after a [`flush`](Self::flush); the record that
    /// tells of dropped ones is not counted.
    #[must_use]
    pub fn written(&self, level: LogLevel) -> u64 {
        self.0.output.counters().written(level)
    }

    /// Blocks until all that was logged before is written, or dropped and counted; `false` if `deadline` passed first.
    #[must_use]
    pub fn flush(&self, deadline: Duration) -> bool {
        self.0.output.flush(deadline)
    }

    /// Ends the log: writes what was logged before, drops and counts what is logged after. Blocks for at most
    /// `deadline`; `false` if the sink did not take everything by then, and its thread is left behind.
    #[must_use]
    pub fn shut_down(&self, deadline: Duration) -> bool {
        let Output::Queue(producers) = &self.0.output else { return true };
        let stopped = producers.queue.stop(drain::within(deadline));
        let writer = if stopped { self.0.writer.lock().take() } else { None };
        if let Some(writer) = writer {
            // It said that it is done: this takes no time. Its panics are caught in there.
            let _ = writer.join();
        }
        stopped
    }

    /// Waits until the thread that writes panics: nothing is written any more. Cancel safe.
    pub(crate) async fn writer_died(&self) {
        self.0.writer_died.cancelled().await;
    }

    #[cfg(test)]
    fn known_services(&self) -> usize {
        self.0.levels.known()
    }

    fn is_same(&self, other: &Log) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("style", &self.0.style)
            .field("level", &self.level())
            .field("dropped", &self.dropped())
            .finish_non_exhaustive()
    }
}

impl Style {
    /// With the default limit, and not for the journal.
    fn of(text: TextStyle) -> Self {
        Style { limit: LogRecordLimit::default(), for_journal: false, text }
    }

    fn form(self, identity: &Identity, service: Option<(ServiceId, &str)>) -> Form {
        let text = match self.text {
            TextStyle::Json => TextForm::Json { prefix: json::prefix(identity, service).into() },
            TextStyle::Term { colours } => {
                TextForm::Term { name: service.map(|(_, name)| term::shown_name(name).into()), colours }
            }
        };
        Form { limit: self.limit.bytes(), for_journal: self.for_journal, text }
    }
}

impl TextStyle {
    fn new(format: LogFormat, is_terminal: bool, colours: bool) -> Self {
        match format.resolve(is_terminal) {
            LogFormat::Term => TextStyle::Term { colours },
            LogFormat::Json | LogFormat::Auto => TextStyle::Json,
        }
    }
}

fn drop_report(form: &Form, dropped: u64) -> Vec<u8> {
    form.line_apart(
        &slog::record!(
            slog::Level::Warning,
            "",
            &format_args!("log records dropped"),
            slog::b!("dropped" => dropped)
        ),
        &slog::OwnedKVList::from(slog::o!()),
    )
}
