//! The locks and atomics of the queue. Its model (`tests/log_queue.rs`) replaces them with those of the model checker.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use parking_lot::{Condvar, Mutex};
