//! Measures runs on demand and probe requests.
//!
//! `cargo bench -p app-health --bench health`. Compare figures only with figures of the same run.

#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion writes undocumented items"
)]

use std::{
    hint::black_box,
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::Arc,
    time::{Duration, Instant},
};

use app_core::{LogLevel, prelude::*, testing::TestApp};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use app_metrics::Metrics;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use tokio::runtime::{Builder, Runtime};

const CHECKS: u64 = 10;

/// An app whose checks have passed.
fn app(runtime: &Runtime) -> (TestApp, Arc<HealthChecks>) {
    runtime.block_on(async {
        let builder = TestApp::builder().flags(|flags| flags.log_level = LogLevel::Error);
        let app = builder.linked([HEALTHCHECK_SERVICE_ID]).start().await;
        let health = app.get::<HealthChecks>();
        for id in 1..=CHECKS {
            let spec = HealthCheckSpec::new(HealthCheckId::new(id)).critical();
            health.register_unbound(spec, |_cancel| async { Ok::<(), Error>(()) }).unwrap();
            health.run(HealthCheckId::new(id)).await.unwrap();
        }
        (app, health)
    })
}

fn on_demand(c: &mut Criterion) {
    let mut group = c.benchmark_group("run on demand");
    let runtimes = [
        ("one thread", Builder::new_current_thread().enable_all().build().unwrap()),
        ("two workers", Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()),
    ];
    for (name, runtime) in runtimes {
        let (app, health) = app(&runtime);
        group.bench_function(name, |b| {
            b.iter_custom(|runs| {
                let health = Arc::clone(&health);
                // A task, like real callers. `block_on` would add the wake-up of a thread to each run.
                let asking = async move {
                    let began = Instant::now();
                    for _ in 0..runs {
                        black_box(health.run(HealthCheckId::new(1)).await).unwrap();
                    }
                    began.elapsed()
                };
                runtime.block_on(async { tokio::spawn(asking).await.unwrap() })
            });
        });
        runtime.block_on(async { app.stop().await.expect_clean() });
    }
}

fn verdicts(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (app, _health) = app(&runtime);
    let mut group = c.benchmark_group("verdict");
    group.bench_function("liveness", |b| b.iter(|| black_box(app_health::liveness(&app))));
    group.bench_function("readiness", |b| b.iter(|| black_box(app_health::readiness(&app))));
    runtime.block_on(async { app.stop().await.expect_clean() });
}

/// Sends requests over one connection until the bench ends.
fn ask(stream: &mut TcpStream, path: &str, times: u64) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
    let mut buffer = vec![0; 65_536];
    for _ in 0..times {
        stream.write_all(request.as_bytes()).unwrap();
        let mut filled = 0;
        // Each document ends with this text, and does not contain it elsewhere.
        while !buffer[..filled].ends_with(b"\n}\n") {
            filled += stream.read(&mut buffer[filled..]).unwrap();
        }
        assert!(buffer.starts_with(b"HTTP/1.1 200"));
    }
}

fn probes(c: &mut Criterion) {
    let runtime = Runtime::new().unwrap();
    let (app, _health) = app(&runtime);
    let port = app.get::<Metrics>().bound_address().unwrap().port();
    let mut group = c.benchmark_group("probes over HTTP");
    group.throughput(Throughput::Elements(1)).measurement_time(Duration::from_secs(3));
    for path in ["/livez", "/readyz", "/healthz", "/healthz/1"] {
        for connections in [1_u64, 8] {
            let id = BenchmarkId::new(path, format!("{connections} connections"));
            group.bench_function(id, |b| {
                b.iter_custom(|times| {
                    let each = times.div_ceil(connections);
                    let mut streams: Vec<_> =
                        (0..connections).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap()).collect();
                    let began = Instant::now();
                    std::thread::scope(|scope| {
                        for stream in &mut streams {
                            scope.spawn(move || ask(stream, path, each));
                        }
                    });
                    began.elapsed()
                });
            });
        }
    }
    runtime.block_on(async { app.stop().await.expect_clean() });
}

criterion_group! {
    name = benches;
    config = Criterion::default().warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    targets = on_demand, verdicts, probes
}
criterion_main!(benches);
