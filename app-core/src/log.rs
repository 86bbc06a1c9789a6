//! The log: slog loggers for the application and its services, and one thread that writes their records.
//!
//! The thread that logs formats the record and copies it into a bounded queue. The thread `log` writes whole batches. Code
//! that logs never waits for the sink: while the sink is full, closed or blocked, records are dropped and counted
//! ([`Log::dropped`]). You can change the level of the application and of each service while the program runs.
//!
//! A record is one line of bounded length ([`LogRecordLimit`]), and shows where it was cut. For a record of an
//! [`AuditLog`], a [`Receipt`] says whether it was written.
//!
//! In JSON, `event` and `event_name` come before the record's own keys, and an error under `err` is an object. A record's
//! own key with the name of a platform key gets an underscore (`message_`).

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
mod part;
mod queue;
mod recent;
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
pub use self::recent::{RecentPage, RecentRecord};
pub(crate) use self::stderr::print_problem;
/// A value of a log record that is written as JSON, such as a list: `"names" => Serde(names)`.
pub use slog::Serde;

use self::captured::Memory;
pub(crate) use self::drain::refuses_records;
use self::drain::{LineFormat, Output, ServiceDrain, TextFormat};
use self::levels::{Levels, Threshold};
use self::queue::{Producers, Queue};
use self::recent::RecentLines;
use self::writer::Sink;
use crate::Identity;

/// The log of one application. A cheap handle.
///
/// The writer thread ends when the last handle and the last logger are dropped, after it has written the queue.
/// [`Log::shut_down`] waits for that.
///
/// # Capacity
///
/// At 100,000 records a second, no record is lost, if each has ten fields and 390 bytes of JSON and the sink takes them.
/// `cargo run --release -p benches -- log` logs at this rate on one thread for three seconds, and counts. The queue holds
/// 4 MiB, which is a tenth of a second of such records.
///
/// If the rate is higher or the sink is slower, the queue fills up. Then new records are dropped, and the caller does not
/// wait. [`Log::dropped`] counts them, and so does the metric `log_records_dropped` (`op_0_95215e527be002d0_total`) where
/// `app-metrics` is linked. Once the sink takes records again, a record of level warn, "log records dropped", reports
/// under `dropped` how many were lost since the last such record.
#[derive(Clone)]
pub struct Log(Arc<LogInner>);

struct LogInner {
    identity: Identity,
    style: LogStyle,
    levels: Levels,
    output: Output,
    /// The last records, for [`Log::recent`].
    recent: Arc<RecentLines>,
    writer: Mutex<Option<JoinHandle<()>>>,
    /// Cancelled when the writer thread panics.
    writer_died: CancellationToken,
}

/// The format of all lines of a log.
#[derive(Debug, Clone, Copy)]
struct LogStyle {
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
    /// A log on standard error. It has colours on a terminal, unless `NO_COLOR` is set.
    ///
    /// If standard error is systemd's journal (`JOURNAL_STREAM`), each line begins with its priority: `<3>` error, `<4>`
    /// warn, `<6>` info, `<7>` debug. So `journalctl -p` works.
    ///
    /// # Errors
    ///
    /// Standard error cannot be duplicated, or the writer thread cannot be started.
    pub fn to_stderr(
        identity: &Identity,
        format: LogFormat,
        level: LogLevel,
        limit: LogRecordLimit,
    ) -> io::Result<Log> {
        let is_terminal = io::stderr().is_terminal();
        let no_colours = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let text = TextStyle::new(format, is_terminal, is_terminal && !no_colours);
        let style = LogStyle { limit, for_journal: journal::is_stderr(), text };
        Log::with_sink(identity, style, level, Sink::stderr()?)
    }

    /// A log on any writer, with the default limit of a record. [`LogFormat::Auto`] means JSON.
    ///
    /// The writer may fail or block; that only affects the writer thread. The writer is flushed after each batch. Records
    /// that the writer itself logs, here or through the `log` and `tracing` crates, are dropped.
    ///
    /// # Errors
    ///
    /// The writer thread cannot be started.
    pub fn to_writer(
        identity: &Identity,
        format: LogFormat,
        level: LogLevel,
        writer: Box<dyn Write + Send>,
    ) -> io::Result<Log> {
        Log::with_sink(
            identity,
            LogStyle::of(TextStyle::new(format, false, false)),
            level,
            Sink::Writer(writer),
        )
    }

    /// A log in memory, in JSON and without a thread. You can read a record as soon as the call that logs it returns.
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
        let recent = Arc::new(RecentLines::new());
        let memory = Arc::new(Memory::new(Arc::clone(&recent)));
        let log = Log(Arc::new(LogInner {
            identity: *identity,
            style: LogStyle::of(TextStyle::Json),
            levels: Levels::new(level),
            output: Output::Memory(Arc::clone(&memory)),
            recent,
            writer: Mutex::new(None),
            writer_died: CancellationToken::new(),
        }));
        (log, CapturedLog(memory))
    }

    fn with_sink(identity: &Identity, style: LogStyle, level: LogLevel, sink: Sink) -> io::Result<Log> {
        let queue = Arc::new(Queue::new());
        let format = style.line_format(identity, None);
        let report = Box::new(move |dropped| drop_report(&format, dropped));
        let writer_died = CancellationToken::new();
        let recent = Arc::new(RecentLines::new());
        let kept = Arc::clone(&recent);
        let writer = writer::spawn(Arc::clone(&queue), sink, report, kept, writer_died.clone())?;
        Ok(Log(Arc::new(LogInner {
            identity: *identity,
            style,
            levels: Levels::new(level),
            output: Output::Queue(Arc::new(Producers::new(queue))),
            recent,
            writer: Mutex::new(Some(writer)),
            writer_died,
        })))
    }

    /// The application's logger.
    pub fn logger(&self) -> Logger {
        self.new_logger(self.0.levels.app_threshold(), None)
    }

    /// A logger for a service. Its records name the service, and it has the level of the service.
    pub fn service_logger(&self, id: ServiceId, name: &str) -> Logger {
        self.new_logger(self.0.levels.service_threshold(id), Some((id, name)))
    }

    /// Whether the application or any service writes records of this level.
    pub(crate) fn admits_somewhere(&self, level: slog::Level) -> bool {
        self.0.levels.admits_somewhere(level)
    }

    /// A log for the records of a service that must be written. It ignores the levels, and says of each record whether it
    /// was written. Log only few records here, because an operator cannot turn them off.
    #[must_use]
    pub fn audit(&self, id: ServiceId, name: &str) -> AuditLog {
        AuditLog::new(self.drain(Threshold::open(), Some((id, name))))
    }

    fn new_logger(&self, threshold: Threshold, service: Option<(ServiceId, &str)>) -> Logger {
        Logger::root(self.drain(threshold, service), slog::o!())
    }

    fn drain(&self, threshold: Threshold, service: Option<(ServiceId, &str)>) -> ServiceDrain {
        let format = self.0.style.line_format(&self.0.identity, service);
        let service = service.map_or(0, |(id, _)| id.as_u64());
        ServiceDrain { threshold, format, service, output: AssertUnwindSafe(self.0.output.clone()) }
    }

    /// The level of the application, and of services without a level of their own.
    #[must_use]
    pub fn level(&self) -> LogLevel {
        self.0.levels.app_level()
    }

    /// Sets the application's level. Existing loggers follow at once.
    pub fn set_level(&self, level: LogLevel) -> LevelChange {
        let change = self.0.levels.set_app(level);
        dependencies::level_changed(self);
        change
    }

    /// The level of this service.
    #[must_use]
    pub fn service_level(&self, id: ServiceId) -> LogLevel {
        self.0.levels.service_level(id)
    }

    /// Sets the level of a service, which need not exist yet. `None` makes the service follow the application's level.
    pub fn set_service_level(&self, id: ServiceId, level: Option<LogLevel>) -> LevelChange {
        self.0.levels.set_service(id, level)
    }

    /// The current levels: the application's, and those of services that have a level of their own.
    #[must_use]
    pub fn level_settings(&self) -> LevelSettings {
        self.0.levels.settings()
    }

    /// Makes [`level_settings`](Self::level_settings) show when a change will be reverted.
    pub(crate) fn expire(&self, change: &LevelChange, at: tokio::time::Instant) {
        self.0.levels.expire(change, at);
    }

    /// Forgets all changes of one level, and sets it: the level of `service`, or the application's. `None` for a service
    /// means the application's level.
    pub(crate) fn reset_levels(&self, service: Option<ServiceId>, level: Option<LogLevel>) {
        match (service, level) {
            (Some(id), level) => self.0.levels.reset_service(id, level),
            (None, level) => self.0.levels.reset_app(level.unwrap_or(LogLevel::Info)),
        }
        dependencies::level_changed(self);
    }

    /// Reverts a change. Returns whether the change was still known.
    ///
    /// The level becomes what it was before the change. If the level was changed again since, the later change stays in
    /// force. When the later one is reverted too, the level becomes what it was before both.
    #[expect(clippy::needless_pass_by_value, reason = "a change is reverted once")]
    pub fn revert(&self, change: LevelChange) -> bool {
        let reverted = self.0.levels.revert(&change);
        dependencies::level_changed(self);
        reverted
    }

    /// How many records were logged but will never be written, because the sink was full, closed or blocked.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.0.output.counters().dropped()
    }

    /// How many records of this level were written in full. Exact after a [`flush`](Self::flush). Reports of dropped
    /// records are not counted.
    #[must_use]
    pub fn written(&self, level: LogLevel) -> u64 {
        self.0.output.counters().written(level)
    }

    /// The first records after this number that are still in memory, at most `most` of them. Number 0 is before the first one.
    ///
    /// The writer thread keeps the last records, of together at most 1 MiB, with numbers from 1 on. It keeps a record before
    /// it writes it, so you also see records that the sink does not take. Records that were dropped before that have no number;
    /// [`dropped`](Self::dropped) counts them.
    #[must_use]
    pub fn recent(&self, number: u64, most: usize) -> RecentPage {
        self.0.recent.after(number, most)
    }

    /// Waits until there is a record after this number.
    ///
    /// # Cancel safety
    /// Cancel safe.
    pub async fn recent_news(&self, number: u64) {
        self.0.recent.news_after(number).await;
    }

    /// Blocks until all earlier records are written, or dropped and counted. Returns `false` if `deadline` passed first.
    #[must_use]
    pub fn flush(&self, deadline: Duration) -> bool {
        self.0.output.flush(deadline)
    }

    /// Ends the log: earlier records are written, later ones are dropped and counted.
    ///
    /// Blocks for at most `deadline`. Returns `false` if the sink did not take everything by then; the writer thread is
    /// then left to itself.
    #[must_use]
    pub fn shut_down(&self, deadline: Duration) -> bool {
        let Output::Queue(producers) = &self.0.output else { return true };
        let stopped = producers.queue.stop(drain::deadline_in(deadline));
        let writer = if stopped { self.0.writer.lock().take() } else { None };
        if let Some(writer) = writer {
            // The thread has done its last work, so this does not block. `writer_died` reports a panic.
            let _ = writer.join();
        }
        stopped
    }

    /// Waits until the writer thread panics, after which nothing is written any more. Cancel safe.
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

impl LogStyle {
    /// A style with the default limit, and not for the journal.
    fn of(text: TextStyle) -> Self {
        LogStyle { limit: LogRecordLimit::default(), for_journal: false, text }
    }

    fn line_format(self, identity: &Identity, service: Option<(ServiceId, &str)>) -> LineFormat {
        let text = match self.text {
            TextStyle::Json => TextFormat::Json { prefix: json::prefix(identity, service).into() },
            TextStyle::Term { colours } => {
                TextFormat::Term { name: service.map(|(_, name)| term::shown_name(name).into()), colours }
            }
        };
        LineFormat { limit: self.limit.bytes(), for_journal: self.for_journal, text }
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

fn drop_report(format: &LineFormat, dropped: u64) -> Vec<u8> {
    format.to_line(
        &slog::record!(
            slog::Level::Warning,
            "",
            &format_args!("log records dropped"),
            slog::b!("dropped" => dropped)
        ),
        &slog::OwnedKVList::from(slog::o!()),
    )
}
