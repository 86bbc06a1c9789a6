//! The building blocks of the lock-free types, in one place: `tests/models.rs` replaces them by those of a model
//! checker.

pub(crate) use arc_swap::ArcSwapOption;
pub(crate) use parking_lot::Mutex;
pub(crate) use std::sync::OnceLock;
pub(crate) use std::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering, fence};

/// How many threads this machine runs at once.
pub(crate) fn parallelism() -> usize {
    // Asked once: the answer comes from files, and is needed while a thread counts.
    static ANSWER: OnceLock<usize> = OnceLock::new();
    *ANSWER.get_or_init(|| std::thread::available_parallelism().map_or(1, Into::into))
}

/// Waits for about two hundred nanoseconds.
pub(crate) fn pause() {
    (0..4).for_each(|_| std::hint::spin_loop());
}
