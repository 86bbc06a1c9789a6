//! The locks of the model checker, with the interface of `parking_lot`.

use std::ops::{Deref, DerefMut};
use std::time::{Duration, Instant};

pub(super) use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Condvar as Condition, Mutex as Lock, MutexGuard};

/// A wait of this length never times out. A shorter wait times out at once, as it may in reality.
pub(super) const NEVER: Duration = Duration::from_secs(3600);

#[derive(Debug)]
pub(super) struct Mutex<T>(Lock<T>);

impl<T> Mutex<T> {
    pub(super) fn new(value: T) -> Self {
        Self(Lock::new(value))
    }

    pub(super) fn lock(&self) -> Guard<'_, T> {
        Guard { lock: &self.0, held: Some(self.0.lock().unwrap()) }
    }
}

pub(super) struct Guard<'a, T> {
    lock: &'a Lock<T>,
    held: Option<MutexGuard<'a, T>>,
}

impl<T> Deref for Guard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        self.held.as_ref().unwrap()
    }
}

impl<T> DerefMut for Guard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        self.held.as_mut().unwrap()
    }
}

#[derive(Debug)]
pub(super) struct Condvar(Condition);

pub(super) struct TimedOut(bool);

impl TimedOut {
    pub(super) fn timed_out(&self) -> bool {
        self.0
    }
}

impl Condvar {
    pub(super) fn new() -> Self {
        Self(Condition::new())
    }

    pub(super) fn wait<T>(&self, guard: &mut Guard<'_, T>) {
        guard.held = Some(self.0.wait(guard.held.take().unwrap()).unwrap());
    }

    pub(super) fn wait_until<T>(&self, guard: &mut Guard<'_, T>, deadline: Instant) -> TimedOut {
        self.wait_for(guard, deadline.saturating_duration_since(Instant::now()))
    }

    pub(super) fn wait_for<T>(&self, guard: &mut Guard<'_, T>, time: Duration) -> TimedOut {
        if time > NEVER / 2 {
            self.wait(guard);
            return TimedOut(false);
        }
        drop(guard.held.take());
        loom::thread::yield_now();
        guard.held = Some(guard.lock.lock().unwrap());
        TimedOut(true)
    }

    pub(super) fn notify_one(&self) {
        self.0.notify_one();
    }

    pub(super) fn notify_all(&self) {
        self.0.notify_all();
    }
}
