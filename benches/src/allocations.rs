//! Allocations of a command, and memory of a service with a command server. The program has an allocator that counts.

use std::process::ExitCode;

use app_core::prelude::*;
use tokio::runtime::Runtime;

use crate::{
    commands::{
        by_mode, registered,
        servers::{ACTIX, Actix, BARE, Bare, INLINE, KAMEO, Kameo, Platform, QUEUED, RACTOR, Ractor, Server},
        service,
    },
    report::{Figure, Row},
    rounds::Failure,
    rows::{Rows, exit_code},
};

/// Requests to the allocator since the program began.
#[derive(Debug, Clone, Copy)]
pub struct Allocated {
    /// Allocations and reallocations.
    pub times: u64,
    /// Bytes in use.
    pub live_bytes: i64,
}

const COMMANDS: u64 = 10_000;
const SERVICES: u64 = 10_000;
const CAPACITY: u16 = 256;

/// The body of the counting program. `allocated` reads its allocator.
#[must_use]
pub fn allocations(allocated: impl Fn() -> Allocated) -> ExitCode {
    exit_code(rows(&mut Rows::of_this_process(), &allocated))
}

type Counter<'a> = dyn Fn() -> Allocated + 'a;

fn rows(rows: &mut Rows, allocated: &Counter<'_>) -> Result<(), Failure> {
    // One thread, so that nothing else allocates meanwhile.
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (_app, service) = service(&runtime)?;
    let _entered = runtime.enter();
    let (queued, inline) = (Platform::queued(&service, CAPACITY)?, Platform::inline(&service, CAPACITY)?);
    let (bare, kameo) = (Bare::start(CAPACITY), Kameo::start(CAPACITY));
    let ractor = runtime.block_on(Ractor::start())?;
    let arbiter = actix::System::new();
    let actix = arbiter.block_on(async { Actix::start(CAPACITY) });
    rows.begin("allocations of a submit");
    let figures = vec![
        figure(QUEUED, runtime.block_on(submits(&queued, allocated))),
        figure(INLINE, runtime.block_on(submits(&inline, allocated))),
        figure(BARE, runtime.block_on(submits(&bare, allocated))),
        figure(KAMEO, runtime.block_on(submits(&kameo, allocated))),
        figure(RACTOR, runtime.block_on(submits(&ractor, allocated))),
        figure(ACTIX, arbiter.block_on(submits(&actix, allocated))),
    ];
    let [queued_row, inline_row] = by_mode("allocations of a submitted command", "", figures);
    // The box of the command, and the blocks of a queue.
    rows.add(queued_row.target(1.1));
    rows.add(inline_row.target(0.1));
    rows.begin("allocations of a call");
    let figures = vec![
        figure(QUEUED, runtime.block_on(calls(&queued, allocated))),
        figure(INLINE, runtime.block_on(calls(&inline, allocated))),
        figure(BARE, runtime.block_on(calls(&bare, allocated))),
        figure(KAMEO, runtime.block_on(calls(&kameo, allocated))),
        figure(RACTOR, runtime.block_on(calls(&ractor, allocated))),
        figure(ACTIX, arbiter.block_on(calls(&actix, allocated))),
    ];
    by_mode("allocations of a call", "", figures).into_iter().for_each(|row| rows.add(row));
    rows.begin("bytes of a service");
    let figures = vec![
        figure(QUEUED, services(&runtime, &service, allocated)),
        figure(KAMEO, runtime.block_on(held(async || Ok(Kameo::start(16)), allocated))),
        figure(RACTOR, runtime.block_on(held(Ractor::start, allocated))),
        figure(ACTIX, arbiter.block_on(held(async || Ok(Actix::start(16)), allocated))),
    ];
    rows.add(Row::new("memory of a service with a command server, of 10,000", "bytes", figures));
    Ok(())
}

fn figure(who: &str, measured: Result<f64, Failure>) -> Figure {
    match measured {
        Ok(value) => Figure { rounds: vec![Some(value)], ..Figure::new(who) },
        Err(failure) => Figure { failed: Some(failure.to_string()), ..Figure::new(who) },
    }
}

async fn submits(server: &impl Server, allocated: &Counter<'_>) -> Result<f64, Failure> {
    server.call().await?;
    let before = allocated().times;
    for _ in 0..COMMANDS {
        server.submit().await?;
    }
    server.call().await?;
    Ok((allocated().times - before) as f64 / COMMANDS as f64)
}

async fn calls(server: &impl Server, allocated: &Counter<'_>) -> Result<f64, Failure> {
    server.call().await?;
    let before = allocated().times;
    for _ in 0..COMMANDS {
        server.call().await?;
    }
    Ok((allocated().times - before) as f64 / COMMANDS as f64)
}

fn services(runtime: &Runtime, service: &Service, allocated: &Counter<'_>) -> Result<f64, Failure> {
    let app = &App::of(service);
    let start = async |i: u64| -> Result<(Service, Platform), Failure> {
        let service = registered(app, ServiceId::new((i + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15)))?;
        let server = Platform::queued(&service, 16)?;
        Ok((service, server))
    };
    let mut next = 0;
    runtime.block_on(held(
        async || {
            next += 1;
            start(next).await
        },
        allocated,
    ))
}

/// Bytes for each of many servers that live at the same time and have answered a call.
async fn held<T>(
    mut start: impl AsyncFnMut() -> Result<T, Failure>,
    allocated: &Counter<'_>,
) -> Result<f64, Failure> {
    let mut all = Vec::with_capacity(SERVICES as usize);
    let before = allocated().live_bytes;
    for _ in 0..SERVICES {
        all.push(start().await?);
        // The call makes sure that the task of the server has begun.
        tokio::task::yield_now().await;
    }
    Ok((allocated().live_bytes - before) as f64 / SERVICES as f64)
}
