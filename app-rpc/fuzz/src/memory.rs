//! A limit of memory: an input that needs more is a finding.

use std::sync::atomic::{AtomicUsize, Ordering};

use peak_alloc::PeakAlloc;

#[global_allocator]
static MEMORY: PeakAlloc = PeakAlloc;

/// The largest memory of this run.
static LARGEST: AtomicUsize = AtomicUsize::new(0);

/// Runs it, which says how many bytes it was for. Panics if memory in use grew at any time by more than `base` bytes and `each` for
/// each of those bytes.
pub fn within_each(base: usize, each: usize, run: impl FnOnce() -> usize) {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let sent = run();
    let bytes = MEMORY.peak_usage() - before;
    assert!(
        bytes <= base + each * sent,
        "{bytes} bytes of memory in use at a time, for {sent} bytes that were sent"
    );
}

/// Runs a function, and panics if memory in use grew by more than the limit at any time.
pub fn within<T>(limit_bytes: usize, run: impl FnOnce() -> T) -> T {
    MEMORY.reset_peak_usage();
    let before = MEMORY.current_usage();
    let done = run();
    let bytes = MEMORY.peak_usage() - before;
    // Printed when it grows, so that the log of a run ends with the figure.
    if bytes > LARGEST.load(Ordering::Relaxed) * 21 / 20 {
        LARGEST.store(bytes, Ordering::Relaxed);
        eprintln!("#memory: {} KiB", bytes / 1024);
    }
    assert!(
        bytes <= limit_bytes,
        "{bytes} bytes of memory in use at a time, and {limit_bytes} are the limit"
    );
    done
}
