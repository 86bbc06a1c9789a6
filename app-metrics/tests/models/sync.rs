//! The model checker's atomics, and types that the checker lacks.

use std::fmt;
use std::sync::Arc;

pub(crate) use loom::sync::atomic::{AtomicU16, AtomicU32, AtomicU64, Ordering};
use loom::sync::{Mutex as Lock, MutexGuard};

/// Like the mutex of `parking_lot`: without poison.
#[derive(Debug)]
pub(crate) struct Mutex<T>(Lock<T>);

impl<T> Mutex<T> {
    pub(crate) fn new(value: T) -> Self {
        Self(Lock::new(value))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
        self.0.lock().unwrap()
    }
}

/// Keeps the value in the standard library's cell. The checker decides when a thread sees it.
pub(crate) struct OnceLock<T> {
    is_set: AtomicU16,
    setting: Lock<()>,
    value: std::sync::OnceLock<T>,
}

impl<T> OnceLock<T> {
    pub(crate) fn new() -> Self {
        Self { is_set: AtomicU16::new(0), setting: Lock::new(()), value: std::sync::OnceLock::new() }
    }

    pub(crate) fn get(&self) -> Option<&T> {
        if self.is_set.load(Ordering::Acquire) == 1 { self.value.get() } else { None }
    }

    pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        if self.get().is_none() {
            let _setting = self.setting.lock().unwrap();
            if self.value.get().is_none() {
                let _ = self.value.set(value());
                self.is_set.store(1, Ordering::Release);
            }
        }
        self.value.get().expect("it was set")
    }
}

impl<T> fmt::Debug for OnceLock<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OnceLock").finish_non_exhaustive()
    }
}

/// Like the type of `arc_swap`, with a lock. Its own crate has to prove that type.
#[derive(Debug)]
pub(crate) struct ArcSwapOption<T>(Lock<Option<Arc<T>>>);

impl<T> ArcSwapOption<T> {
    pub(crate) fn empty() -> Self {
        Self(Lock::new(None))
    }

    pub(crate) fn store(&self, value: Option<Arc<T>>) {
        *self.0.lock().unwrap() = value;
    }

    pub(crate) fn load_full(&self) -> Option<Arc<T>> {
        self.0.lock().unwrap().clone()
    }
}

/// A small machine: the model makes the stripes in each of thousands of runs.
pub(crate) fn parallelism() -> usize {
    1
}

/// The checker switches threads anywhere.
pub(crate) fn pause() {}
