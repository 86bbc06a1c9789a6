//! A limit on memory: an input that needs more is a finding.

use std::sync::atomic::{AtomicUsize, Ordering};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The memory that reading an input may take, besides the input: 4 MiB.
pub const READING_BYTES: usize = 4 << 20;

/// The largest amount of this run.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// Runs a function. Panics if the memory in use grew by more than the limit at any time.
pub fn within<T>(limit_bytes: usize, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let done = run();
    let bytes = MEMORY.peak_usage() - before;
    // Printed when it grew, so that the log of a run ends with the largest figure.
    if bytes > LARGEST.load(Ordering::Relaxed) * 21 / 20 {
        LARGEST.store(bytes, Ordering::Relaxed);
        eprintln!("#memory: {} KiB", bytes / 1024);
    }
    assert!(
        bytes <= limit_bytes,
        "{bytes} bytes of memory were in use at a time, more than the limit of {limit_bytes}"
    );
    done
}
