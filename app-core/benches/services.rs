//! Services: looking one up, a whole life, and the start and stop of many.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion writes undocumented items"
)]

use std::hint::black_box;

use app_core::{
    prelude::*,
    testing::{TestApp, runs},
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

fn id(i: u64) -> ServiceId {
    // Spread over all numbers, like random ids.
    ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

fn lookup(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = c.benchmark_group("lookup");
    for services in [10, 1_000, 10_000] {
        let all = (0..services).map(|i| runs(id(i), "s"));
        let app = runtime.block_on(TestApp::builder().services(all).start());
        let mut next = 0;
        group.bench_function(BenchmarkId::from_parameter(services), |b| {
            b.iter(|| {
                next = (next + 7) % services;
                black_box(app.service(id(next))).unwrap()
            });
        });
        runtime.block_on(async { app.stop().await.expect_clean() });
    }
}

fn life(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime
        .block_on(TestApp::builder().flags(|flags| flags.log_level = app_core::LogLevel::Error).start());
    c.bench_function("make, command server, register, kill, wait", |b| {
        b.to_async(&runtime).iter(|| async {
            let service = Service::new(&app, id(1), "one").unwrap();
            app.register(&service).unwrap();
            let server = CommandServer::builder("count", 16).spawn(&service, 0_u64).unwrap();
            service.kill("enough");
            service.wait().await.unwrap();
            server
        });
    });
    runtime.block_on(async { app.stop().await.expect_clean() });
}

fn start_and_stop(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut group = c.benchmark_group("start and stop an app");
    group.sample_size(10);
    for services in [10, 100, 1_000, 10_000] {
        group.throughput(Throughput::Elements(services));
        group.bench_function(BenchmarkId::from_parameter(services), |b| {
            b.to_async(&runtime).iter(|| async {
                let all = (0..services).map(|i| runs(id(i), "s"));
                let quiet = TestApp::builder().flags(|flags| flags.log_level = app_core::LogLevel::Error);
                let app = quiet.services(all).start().await;
                app.stop().await.expect_clean();
            });
        });
    }
}

criterion_group!(benches, lookup, life, start_and_stop);
criterion_main!(benches);
