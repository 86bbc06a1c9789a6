//! What [`desk`](super::desk) is made of; its model (`tests/models.rs`) has the checker's in place of these.

pub(super) use parking_lot::{Mutex, MutexGuard};
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
