//! A log record, with fields and without, up to the queue of the writer thread.

use std::{
    fmt,
    hint::black_box,
    io,
    process::ExitCode,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use app_core::{Identity, Log, LogLevel, log::LogFormat, prelude::*};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use slog::{Drain, KV, Key, Logger, Never, OwnedKVList, Record, Serializer};

use crate::{Rows, valgrind};

pub(crate) fn table() -> Rows {
    let count =
        |piece: &str| valgrind::instructions(&format!("record/{piece}"), &format!("pieces::record::{piece}"));
    let none = count("none");
    let more = |piece: &str| count(piece) - none;
    [
        ("with ten fields", count("ten")),
        ("without fields", none),
        ("four texts add", more("texts")),
        ("four whole numbers and a truth value add", more("numbers")),
        ("a float adds", more("float")),
        ("part of the float in `zmij`", count("digits")),
        ("part of the ten in slog: a drain that looks at each value and does nothing", count("visited")),
        ("disabled level, ten fields, the prelude's macro", count("disabled")),
        ("disabled level, ten fields, slog's macro", count("disabled_by_slog")),
    ]
    .map(|(what, count)| (what.to_owned(), count))
    .into()
}

pub(crate) fn run(piece: &str, times: u64) -> ExitCode {
    let identity = Identity {
        domain: DomainId::new(1),
        app: AppId::new(2),
        release: ReleaseId::new(3),
        instance: InstanceId::new(4),
    };
    let (sink, busy, release) = blocked();
    let log = Log::to_writer(&identity, LogFormat::Json, LogLevel::Info, Box::new(sink)).unwrap();
    let logger = log.service_logger(ServiceId::new(0xce1f_32c6_80e1_ef0b), "quota");
    slog::info!(logger, "the writer is busy from now on");
    busy.recv().unwrap();
    match piece {
        "none" => none(&logger, times),
        "texts" => texts(&logger, times),
        "numbers" => numbers(&logger, times),
        "float" => float(&logger, times),
        "ten" => ten(&logger, times),
        "digits" => digits(times),
        "visited" => visited(&Logger::root(Visits, slog::o!()), times),
        "disabled" => disabled(&logger, times),
        "disabled_by_slog" => disabled_by_slog(&logger, times),
        _ => panic!("no piece {piece:?}"),
    }
    assert_eq!(log.dropped(), 0);
    drop(release);
    ExitCode::SUCCESS
}

#[inline(never)]
fn none(log: &Logger, times: u64) {
    (0..times).for_each(|_| slog::info!(log, "acquired"));
}

#[inline(never)]
fn texts(log: &Logger, times: u64) {
    for _ in 0..times {
        slog::info!(log, "acquired";
            "rule" => black_box("default"),
            "key" => black_box("customer-4711"),
            "peer" => black_box("10.0.0.17:51123"),
            "path" => black_box("/v1/quota/acquire"),
        );
    }
}

#[inline(never)]
fn numbers(log: &Logger, times: u64) {
    for _ in 0..times {
        slog::info!(log, "acquired";
            "permits" => black_box(3_u32),
            "remaining" => black_box(97_u64),
            "granted" => black_box(true),
            "retry_after" => black_box(-1_i64),
            "attempt" => black_box(1_u8),
        );
    }
}

#[inline(never)]
fn float(log: &Logger, times: u64) {
    (0..times).for_each(|_| slog::info!(log, "acquired"; "ratio" => black_box(0.97_f64)));
}

#[inline(never)]
fn digits(times: u64) {
    for _ in 0..times {
        black_box(zmij::Buffer::new().format(black_box(0.97_f64)));
    }
}

/// The record of `app-core/examples/counts.rs`.
macro_rules! ten_fields {
    ($($log:ident)::+, $logger:expr) => {
        $($log)::+!($logger, "acquired";
            "rule" => black_box("default"),
            "key" => black_box("customer-4711"),
            "permits" => black_box(3_u32),
            "remaining" => black_box(97_u64),
            "granted" => black_box(true),
            "ratio" => black_box(0.97_f64),
            "retry_after" => black_box(-1_i64),
            "peer" => black_box("10.0.0.17:51123"),
            "attempt" => black_box(1_u8),
            "path" => black_box("/v1/quota/acquire"),
        )
    };
}

#[inline(never)]
fn ten(log: &Logger, times: u64) {
    (0..times).for_each(|_| ten_fields!(slog::info, log));
}

#[inline(never)]
fn visited(log: &Logger, times: u64) {
    (0..times).for_each(|_| ten_fields!(slog::info, log));
}

#[inline(never)]
fn disabled(log: &Logger, times: u64) {
    (0..times).for_each(|_| ten_fields!(app_core::debug, log));
}

#[inline(never)]
fn disabled_by_slog(log: &Logger, times: u64) {
    (0..times).for_each(|_| ten_fields!(slog::debug, log));
}

/// A drain that looks at each value, as every drain has to.
struct Visits;

impl Drain for Visits {
    type Ok = ();
    type Err = Never;

    fn log(&self, record: &Record<'_>, _: &OwnedKVList) -> Result<(), Never> {
        let _ = record.kv().serialize(record, &mut Nothing);
        Ok(())
    }
}

struct Nothing;

impl Serializer for Nothing {
    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        black_box((key, value));
        Ok(())
    }
}

/// A sink that reports the first write, and blocks in it until it is released. So the writer thread is busy, and no record
/// has to wake it.
fn blocked() -> (Blocked, Receiver<()>, SyncSender<()>) {
    let (busy, is_busy) = sync_channel(1);
    let (release, released) = sync_channel(0);
    (Blocked { busy, released }, is_busy, release)
}

struct Blocked {
    busy: SyncSender<()>,
    released: Receiver<()>,
}

impl io::Write for Blocked {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let _ = self.busy.try_send(());
        // Returns an error once the sender is dropped, which is the release.
        let _ = self.released.recv();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
