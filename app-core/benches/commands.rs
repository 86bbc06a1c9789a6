//! Command servers against the floor: a bare tokio channel of boxed closures drained by one task.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion writes undocumented items"
)]

use app_core::{prelude::*, testing::TestApp};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use tokio::sync::{mpsc, oneshot};

const COMMANDS: u64 = 10_000;

type Boxed = Box<dyn FnOnce(&mut u64) + Send>;

fn bare(capacity: usize) -> mpsc::Sender<Boxed> {
    let (sender, mut commands) = mpsc::channel::<Boxed>(capacity);
    tokio::spawn(async move {
        let mut state = 0;
        while let Some(command) = commands.recv().await {
            command(&mut state);
        }
    });
    sender
}

fn submit(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::empty());
    let service = app.new_service(ServiceId::new(7), "seven");
    for capacity in [1, 256] {
        let mut group = c.benchmark_group(format!("submit, queue {capacity}"));
        group.throughput(Throughput::Elements(COMMANDS));
        let server = runtime.block_on(async { service.command_server("count", capacity, 0_u64) }).unwrap();
        group.bench_function("command server", |b| {
            b.to_async(&runtime).iter(|| async {
                for _ in 0..COMMANDS {
                    server.submit(|n| *n += 1).await.unwrap();
                }
                server.call(|n| *n).await.unwrap()
            });
        });
        let sender = runtime.block_on(async { bare(usize::from(capacity)) });
        group.bench_function("bare tokio mpsc", |b| {
            b.to_async(&runtime).iter(|| async {
                for _ in 0..COMMANDS {
                    sender.send(Box::new(|n| *n += 1)).await.unwrap();
                }
                let (answer, answered) = oneshot::channel();
                sender.send(Box::new(move |n| answer.send(*n).unwrap())).await.unwrap();
                answered.await.unwrap()
            });
        });
    }
    runtime.block_on(async { app.stop().await.expect_clean() });
}

fn call(c: &mut Criterion) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::empty());
    let service = app.new_service(ServiceId::new(7), "seven");
    let server = runtime.block_on(async { service.command_server("count", 256, 0_u64) }).unwrap();
    let sender = runtime.block_on(async { bare(256) });
    let mut group = c.benchmark_group("call");
    group.bench_function("command server", |b| {
        b.to_async(&runtime).iter(|| async { server.call(|n| *n).await.unwrap() });
    });
    group.bench_function("bare tokio mpsc and oneshot", |b| {
        b.to_async(&runtime).iter(|| async {
            let (answer, answered) = oneshot::channel();
            sender.send(Box::new(move |n| answer.send(*n).unwrap())).await.unwrap();
            answered.await.unwrap()
        });
    });
    group.finish();
    runtime.block_on(async { app.stop().await.expect_clean() });
}

criterion_group!(benches, submit, call);
criterion_main!(benches);
