//! Command servers, beside a bare tokio channel of boxed closures that one task receives.
#![allow(
    clippy::unwrap_used,
    missing_docs,
    reason = "a benchmark fails by panicking; criterion writes undocumented items"
)]

use app_core::{commands::ServiceCommandChannel, prelude::*, testing::TestApp};
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
        let server = runtime
            .block_on(async { CommandServer::builder("count", capacity).spawn(&service, 0_u64) })
            .unwrap();
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
    let server =
        runtime.block_on(async { CommandServer::builder("count", 256).spawn(&service, 0_u64) }).unwrap();
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

/// A bare command channel with the loop of a command server, without counts and times.
fn unmetered(service: &Service) -> ServiceCommandChannel<u64> {
    let (channel, mut commands) = ServiceCommandChannel::<u64>::new(service, "bare", 256).unwrap();
    let me = service.clone();
    let serve = async move {
        let (mut state, mut batch) = (0, Vec::with_capacity(64));
        let mut dying = std::pin::pin!(me.dying());
        loop {
            tokio::select! {
                biased;
                () = &mut dying => return,
                _ = commands.recv_many(&mut batch, 64) => batch.drain(..).for_each(|command| command.run(&mut state)),
            }
        }
    };
    service.spawn("bare", serve).unwrap();
    channel
}

/// The cost of counting and timing, on one thread, where no other thread hides it.
fn metering(c: &mut Criterion) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let app = runtime.block_on(TestApp::empty());
    let service = app.new_service(ServiceId::new(7), "seven");
    let inline = CommandServer::builder("inline", 256).inline();
    let (server, bare) = runtime.block_on(async {
        (CommandServer::builder("count", 256).spawn(&service, 0_u64).unwrap(), unmetered(&service))
    });
    let inline = runtime.block_on(inline.start(&service, 0_u64)).unwrap();
    let channels = [
        ("command server", &*server),
        ("inline command server", &*inline),
        ("command channel, not metered", &bare),
    ];
    let mut group = c.benchmark_group("submit on one thread, queue 256");
    group.throughput(Throughput::Elements(COMMANDS));
    for (name, channel) in channels {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async {
                for _ in 0..COMMANDS {
                    channel.submit(|n| *n += 1).await.unwrap();
                }
            });
        });
    }
    group.finish();
    let mut group = c.benchmark_group("call on one thread");
    for (name, channel) in channels {
        group.bench_function(name, |b| {
            b.to_async(&runtime).iter(|| async { channel.call(|n| *n).await.unwrap() });
        });
    }
    group.finish();
    runtime.block_on(async { app.stop().await.expect_clean() });
}

criterion_group!(benches, submit, call, metering);
criterion_main!(benches);
