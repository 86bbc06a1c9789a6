//! The model checker's, in the forms in which the source has them.

use std::sync::Arc;

use loom::sync::Mutex as Lock;
pub(crate) use loom::sync::{
    MutexGuard,
    atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
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

/// As `arc_swap`'s, with a lock: that crate is another's to prove.
pub(crate) struct ArcSwapOption<T>(Lock<Option<Arc<T>>>);

pub(crate) type Loaded<T> = Box<Option<Arc<T>>>;

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self(Lock::new(None))
    }

    pub(crate) fn load(&self) -> Loaded<T> {
        Box::new(self.0.lock().unwrap().clone())
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        *self.0.lock().unwrap() = value;
    }
}
