//! The locks and atomics of [`state_cell`](super::state_cell). Its model (`tests/models.rs`) replaces them with those of the
//! model checker.

pub(super) use parking_lot::{Mutex, MutexGuard};
pub(super) use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
