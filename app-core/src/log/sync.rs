//! What the queue is made of; the model of it (`tests/log_queue.rs`) has another file in the place of this one.

pub(super) use std::sync::atomic::{AtomicU64, Ordering};

pub(super) use parking_lot::{Condvar, Mutex};
