//! The time that a log record takes on the thread that logs.

#![allow(missing_docs, reason = "criterion's macros make undocumented functions")]

use std::fs::OpenOptions;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use app_core::Identity;
use app_core::{Log, LogLevel, log::LogFormat};
use app_ids::{AppId, DomainId, InstanceId, ReleaseId, ServiceId};
use criterion::{Criterion, criterion_group, criterion_main};
use slog::Logger;

/// A service's logger on `/dev/null`.
fn logger(level: LogLevel) -> (Log, Logger) {
    let identity = Identity {
        domain: DomainId::new(0xf00d_cafe_0000_0001),
        app: AppId::new(0xbeef_0000_0000_0002),
        release: ReleaseId::new(3),
        instance: InstanceId::random(),
    };
    let Ok(null) = OpenOptions::new().write(true).open("/dev/null") else {
        unreachable!("Linux has a /dev/null")
    };
    let Ok(log) = Log::to_writer(&identity, LogFormat::Json, level, Box::new(null)) else {
        unreachable!("the system allows one more thread")
    };
    let logger = log.service_logger(ServiceId::new(0xce1f_32c6_80e1_ef0b), "quota");
    (log, logger)
}

fn ten_fields(log: &Logger) {
    slog::info!(log, "acquired";
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
    );
}

fn one_thread(c: &mut Criterion) {
    let (_log, logger) = logger(LogLevel::Info);
    let mut group = c.benchmark_group("log");
    group.bench_function("no field", |b| b.iter(|| slog::info!(logger, "acquired")));
    group.bench_function("10 fields", |b| b.iter(|| ten_fields(&logger)));
    group.bench_function("disabled level", |b| {
        b.iter(|| app_core::debug!(logger, "acquired"; "rule" => black_box("default")));
    });
    group.bench_function("disabled level, slog's macro", |b| {
        b.iter(|| slog::debug!(logger, "acquired"; "rule" => black_box("default")));
    });
    group.finish();
}

/// The time of a record while another thread logs as fast as it can.
fn two_threads(c: &mut Criterion) {
    let (_log, logger) = logger(LogLevel::Info);
    let stop = Arc::new(AtomicBool::new(false));
    let other = thread::spawn({
        let (stop, logger) = (Arc::clone(&stop), logger.clone());
        move || {
            while !stop.load(Ordering::Relaxed) {
                ten_fields(&logger);
            }
        }
    });
    c.bench_function("log/10 fields, 2 threads", |b| {
        b.iter(|| ten_fields(&logger));
    });
    stop.store(true, Ordering::Relaxed);
    let _ = other.join();
}

criterion_group!(benches, one_thread, two_threads);
criterion_main!(benches);
