//! Counts requests to the allocator for messages. It is a program of its own, because counting takes time that must not affect other
//! rows.

use std::{alloc::System, process::ExitCode};

use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    benches::message_allocations(|| {
        let stats = ALLOCATOR.stats();
        let reallocated = stats.bytes_reallocated as i64;
        benches::Allocated {
            times: (stats.allocations + stats.reallocations) as u64,
            live_bytes: stats.bytes_allocated as i64 - stats.bytes_deallocated as i64 + reallocated,
        }
    })
}
