//! The time to raise, print and tag an error, beside a backtrace of the standard library at the same depth.

#![allow(missing_docs, reason = "criterion's macros declare functions without docs")]
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]

use std::backtrace::Backtrace;
use std::hint::black_box;

use app_errors::{Error, errors, outermost, service_not_alive_error};
use app_ids::ServiceId;
use criterion::{Criterion, criterion_group, criterion_main};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

/// Calls below those of the benchmark: about as many as a task of a service has.
const DEPTH: usize = 20;

/// Runs `work` this many calls deep.
#[inline(never)]
fn deep<T>(levels: usize, work: &dyn Fn() -> T) -> T {
    // Prevents a tail call, which would leave no frame.
    black_box(if levels == 0 { work() } else { deep(levels - 1, work) })
}

fn with_stack() -> Error {
    errors::BUG.error(SERVICE).message("no such rule").build()
}

fn without_stack() -> Error {
    errors::SERVICE_NOT_ALIVE.error(SERVICE).message("no such rule").build()
}

fn raise(c: &mut Criterion) {
    let mut group = c.benchmark_group("raise");
    group.bench_function("with_stack", |b| b.iter(|| deep(DEPTH, &with_stack)));
    group.bench_function("std_backtrace", |b| b.iter(|| deep(DEPTH, &Backtrace::force_capture)));
    // As in a task of a service: stacks end below the runtime.
    group.bench_function("with_stack_in_a_task", |b| {
        outermost(&mut || b.iter(|| deep(DEPTH, &with_stack)));
    });
    group.bench_function("std_backtrace_in_a_task", |b| {
        outermost(&mut || b.iter(|| deep(DEPTH, &Backtrace::force_capture)));
    });
    group.bench_function("without_stack", |b| b.iter(|| deep(DEPTH, &without_stack)));
    group.bench_function("constructor", |b| b.iter(|| service_not_alive_error(black_box(SERVICE))));
    group.finish();
}

fn print(c: &mut Criterion) {
    let error =
        errors::BUG.error(SERVICE).message("could not answer").cause(without_stack()).tag("RPC").build();
    let raised = deep(DEPTH, &with_stack);
    let backtrace = deep(DEPTH, &Backtrace::force_capture);
    let mut group = c.benchmark_group("print");
    group.bench_function("line", |b| b.iter(|| black_box(&error).to_string()));
    group.bench_function("line_with_facts", |b| b.iter(|| format!("{:#}", black_box(&error))));
    group.bench_function("json_without_stack", |b| b.iter(|| black_box(&error).to_json_without_stack()));
    // Criterion's warm-up prints it first, which reads the debug information.
    group.bench_function("stack", |b| b.iter(|| raised.stack().unwrap().to_string()));
    // The standard library caches the names in the backtrace, so this is only printing.
    group.bench_function("std_backtrace_again", |b| b.iter(|| backtrace.to_string()));
    group.finish();
}

fn change(c: &mut Criterion) {
    let error = with_stack();
    let mut group = c.benchmark_group("change");
    group.bench_function("clone", |b| b.iter(|| black_box(&error).clone()));
    group.bench_function("add_a_tag", |b| b.iter(|| black_box(&error).with_tag("RPC")));
    group.finish();
}

criterion_group!(benches, raise, print, change);
criterion_main!(benches);
