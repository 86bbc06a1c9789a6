//! The most frequent operations of the kernel on one thread. `benches/counts` counts their instructions.
//!
//! The argument is the name of the operation. It runs in a function of that name, where counting begins and ends.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a measurement fails by panicking")]

use std::{
    hint::black_box,
    io,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
};

use app_core::{
    Identity, Log, LogLevel,
    commands::{CommandServer, CommandServerBuilder},
    log::LogFormat,
    prelude::*,
    testing::TestApp,
    trace::{self, Level, LevelFilter, Sampler, SamplingHint, SpanData, SpanSink, TraceBegin},
};
use app_errors::errors;
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use slog::Logger;
use tokio::runtime::{Builder, Runtime};

/// How often the operation runs. `benches/counts` divides by this number.
const TIMES: u64 = 1_000;
/// How often the operation runs before it is counted, so that one-time work does not count.
const WARM_UP: u64 = 100;
const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

fn main() {
    let operation = std::env::args().nth(1).unwrap_or_default();
    let runtime = Builder::new_current_thread().enable_all().build().unwrap();
    let quiet = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
    let app = runtime.block_on(quiet.start());
    match operation.as_str() {
        "submit" => {
            let server = server(&runtime, &app, CommandServer::builder("count", 256));
            runtime.block_on(submits(&server, WARM_UP));
            submit(&runtime, &server);
        }
        "call" => {
            let server = server(&runtime, &app, CommandServer::builder("count", 256));
            runtime.block_on(calls(&server, WARM_UP));
            call(&runtime, &server);
        }
        "inline_call" => {
            let server = server(&runtime, &app, CommandServer::builder("count", 256).inline());
            runtime.block_on(calls(&server, WARM_UP));
            inline_call(&runtime, &server);
        }
        "lookup" => {
            let ids: Vec<ServiceId> = (1..=1_000).map(|i| ServiceId::new(i * 0x9e37_79b9)).collect();
            let _services: Vec<Service> = ids.iter().map(|id| app.new_service(*id, "one of many")).collect();
            lookups(&app, &ids, WARM_UP);
            lookup(&app, &ids);
        }
        "record" => {
            let identity = Identity {
                domain: DomainId::new(1),
                app: AppId::new(2),
                release: ReleaseId::new(3),
                instance: InstanceId::new(4),
            };
            let (sink, busy, release) = blocked();
            let log = Log::to_writer(&identity, LogFormat::Json, LogLevel::Info, Box::new(sink)).unwrap();
            let logger = log.service_logger(SERVICE, "quota");
            records(&logger, 1);
            busy.recv().unwrap();
            records(&logger, WARM_UP);
            record(&logger);
            assert_eq!(log.dropped(), 0);
            drop(release);
        }
        "error" => {
            raise(WARM_UP);
            error();
        }
        "span_off" => with_spans(None, span_off),
        "span_unsampled" => with_spans(Some(false), span_unsampled),
        "span_sampled" => with_spans(Some(true), span_sampled),
        "life" => {
            runtime.block_on(lives(&app, WARM_UP));
            life(&runtime, &app);
        }
        _ => panic!("no operation {operation:?}"),
    }
    runtime.block_on(app.stop()).expect_clean();
}

/// A sink that drops what it gets.
struct Forgets;

impl SpanSink for Forgets {
    fn admits(&self, _: &str, level: Level) -> bool {
        level <= Level::INFO
    }

    fn max_level(&self) -> LevelFilter {
        LevelFilter::INFO
    }

    fn ended(&self, span: Box<SpanData>) {
        drop(black_box(span));
    }
}

/// Samples all traces, or none.
struct Samples(bool);

impl Sampler for Samples {
    fn sample(&self, _: &TraceBegin<'_>) -> bool {
        self.0
    }

    // As the sampler of app-tracing does.
    fn hint(&self) -> SamplingHint {
        let bound = if self.0 { u64::MAX } else { 0 };
        SamplingHint::default().new_traces_below(bound).verified_peers_decide(true)
    }
}

/// Counts spans with a sink that samples all of them, or none, or without a sink.
fn with_spans(sampled: Option<bool>, count: fn()) {
    let install = |sampled| trace::install(Arc::new(Forgets), Arc::new(Samples(sampled))).unwrap();
    let _installed = sampled.map(install);
    spans(WARM_UP);
    count();
}

/// Spans that no sink wants.
#[inline(never)]
fn span_off() {
    spans(TIMES);
    // The compiler keeps one of functions that are alike.
    black_box("off");
}

/// Spans of traces that are not sampled.
#[inline(never)]
fn span_unsampled() {
    spans(TIMES);
    black_box("unsampled");
}

/// Spans that the sink gets.
#[inline(never)]
fn span_sampled() {
    spans(TIMES);
    black_box("sampled");
}

/// Spans with five attributes, one after another.
fn spans(times: u64) {
    for number in 0..times {
        let number = black_box(number);
        let span = tracing::info_span!(
            "acquire",
            rule = "default",
            key = "alice",
            permits = number,
            granted = true,
            wait_seconds = 0.5,
        );
        span.in_scope(|| black_box(number));
    }
}

fn server(runtime: &Runtime, app: &TestApp, server: CommandServerBuilder<u64>) -> CommandServer<u64> {
    let service = app.new_service(SERVICE, "quota");
    runtime.block_on(server.start(&service, 0_u64)).unwrap()
}

/// Submits commands to a server on the same thread, and runs them.
#[inline(never)]
fn submit(runtime: &Runtime, server: &CommandServer<u64>) {
    runtime.block_on(submits(server, TIMES));
}

async fn submits(server: &CommandServer<u64>, times: u64) {
    for _ in 0..times {
        let amount = black_box(1);
        server.submit(move |count| *count += amount).await.unwrap();
    }
    server.call(|count| *count).await.unwrap();
}

/// Calls commands, one after another.
#[inline(never)]
fn call(runtime: &Runtime, server: &CommandServer<u64>) {
    runtime.block_on(calls(server, TIMES));
}

/// Calls commands that run on the caller's thread.
#[inline(never)]
fn inline_call(runtime: &Runtime, server: &CommandServer<u64>) {
    runtime.block_on(calls(server, TIMES));
}

async fn calls(server: &CommandServer<u64>, times: u64) {
    for _ in 0..times {
        server.call(|count| *count).await.unwrap();
    }
}

/// Makes services with a command server, kills them and waits for their end.
#[inline(never)]
fn life(runtime: &Runtime, app: &TestApp) {
    runtime.block_on(lives(app, TIMES));
}

async fn lives(app: &TestApp, times: u64) {
    for _ in 0..times {
        let service = app.new_service(SERVICE, "quota");
        let _server = CommandServer::builder("count", 16).spawn(&service, 0_u64).unwrap();
        service.kill("enough");
        service.wait().await.unwrap();
    }
}

/// Looks up services among a thousand.
#[inline(never)]
fn lookup(app: &TestApp, ids: &[ServiceId]) {
    lookups(app, ids, TIMES);
}

#[inline(always)]
fn lookups(app: &TestApp, ids: &[ServiceId], times: u64) {
    for i in 0..times {
        assert!(app.service(black_box(ids[i as usize * 7 % ids.len()])).is_some());
    }
}

/// Logs records with ten fields, up to the queue of the writer thread.
#[inline(never)]
fn record(log: &Logger) {
    records(log, TIMES);
}

#[inline(always)]
fn records(log: &Logger, times: u64) {
    for _ in 0..times {
        info!(log, "acquired";
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

/// Raises errors with their stack, twenty calls deep.
#[inline(never)]
fn error() {
    raise(TIMES);
}

#[inline(always)]
fn raise(times: u64) {
    for _ in 0..times {
        drop(deep(20));
    }
}

#[inline(never)]
fn deep(levels: usize) -> Error {
    // Prevents a tail call, which would leave no frame.
    black_box(if levels == 0 {
        errors::BUG.error(SERVICE).message("no such rule").build()
    } else {
        deep(levels - 1)
    })
}
