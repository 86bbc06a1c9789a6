//! The model checker's, in the forms in which the source has them.

use loom::sync::Mutex as Lock;
pub(crate) use loom::sync::{
    MutexGuard,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

/// As `parking_lot`'s: without poison.
pub(crate) struct Mutex<T>(Lock<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Lock::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }

    pub(crate) fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        self.0.try_lock().ok()
    }
}
