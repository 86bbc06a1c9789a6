//! The state of a command server, and the lock that decides which commands run on it.
//!
//! The server's task locks the cell to run commands of its queue. A caller of an inline server locks it to run its own
//! command, but only while no command waits in the queue.
//!
//! Invariants:
//! 1. Commands run one at a time: only the holder of a [`StateGuard`] runs any.
//! 2. In an inline server, `queued` is at least the number of accepted commands that wait in the queue or were received
//!    and have not run. A [`QueueSlot`] raises it before its command enters the queue. The guard lowers it after the
//!    command ran. So an inline command runs after all commands that were accepted before its submission.
//! 3. A command that panics leaves no state behind, and nothing runs after it.
//! 4. No command starts after [`close`](StateCell::close).
//!
//! Relaxed is enough for `queued`. A caller sees its own increments, and those that happen before its submission. The lock
//! orders all decrements.

use std::hint;

use super::sync::{AtomicBool, AtomicUsize, Mutex, MutexGuard, Ordering};

pub(crate) struct StateCell<S> {
    state: Mutex<Option<S>>,
    queued: AtomicUsize,
    closed: AtomicBool,
}

impl<S> StateCell<S> {
    /// An empty cell. No command runs before [`open`](Self::open).
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(None), queued: AtomicUsize::new(0), closed: AtomicBool::new(false) }
    }

    /// Puts the state in. From now on commands run.
    pub(crate) fn open(&self, state: S) {
        *self.state.lock() = Some(state);
    }

    /// Locks the cell for a caller's own command. `None` when a command is queued, or the cell stays locked for `tries`
    /// tries.
    pub(crate) fn lock_if_idle(&self, tries: usize) -> Option<StateGuard<'_, S>> {
        for _ in 0..tries {
            if self.queued.load(Ordering::Relaxed) > 0 {
                return None;
            }
            if let Some(state) = self.state.try_lock() {
                return Some(self.guard(state));
            }
            hint::spin_loop();
        }
        None
    }

    /// Locks the cell for the server's task, which waits at most for one inline command.
    pub(crate) fn lock(&self) -> StateGuard<'_, S> {
        self.guard(self.state.lock())
    }

    fn guard<'a>(&'a self, state: MutexGuard<'a, Option<S>>) -> StateGuard<'a, S> {
        StateGuard { cell: self, state, intact: true }
    }

    /// Counts a command that is about to enter the queue.
    pub(crate) fn enqueue(&self) -> QueueSlot<'_, S> {
        self.queued.fetch_add(1, Ordering::Relaxed);
        QueueSlot { cell: self }
    }

    /// Drops the state, now or at the drop of the current guard.
    pub(crate) fn close(&self) {
        // Release: pairs with the loads of the guard.
        self.closed.store(true, Ordering::Release);
        if let Some(mut state) = self.state.try_lock() {
            drop(state.take());
        }
    }
}

/// The slot of one command in the queue. Without [`keep`](Self::keep), its drop frees the slot.
pub(crate) struct QueueSlot<'a, S> {
    cell: &'a StateCell<S>,
}

impl<S> QueueSlot<'_, S> {
    /// Keeps the slot, because the command is in the queue.
    pub(crate) fn keep(self) {
        std::mem::forget(self);
    }
}

impl<S> Drop for QueueSlot<'_, S> {
    fn drop(&mut self) {
        self.cell.queued.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The right to run commands on the state.
pub(crate) struct StateGuard<'a, S> {
    cell: &'a StateCell<S>,
    state: MutexGuard<'a, Option<S>>,
    intact: bool,
}

impl<S> StateGuard<'_, S> {
    /// The state, to run commands on. `None` when there is none, or the cell is closed.
    ///
    /// Call [`finish`](Self::finish) afterwards. A guard that is dropped without it, as after a panic, drops the state.
    pub(crate) fn begin(&mut self) -> Option<&mut S> {
        if self.cell.closed.load(Ordering::Acquire) {
            return None;
        }
        self.intact = self.state.is_none();
        self.state.as_mut()
    }

    /// Keeps the state after commands have run. `dequeued` of them came from the queue.
    pub(crate) fn finish(mut self, dequeued: usize) {
        self.intact = true;
        self.cell.queued.fetch_sub(dequeued, Ordering::Relaxed);
    }

    /// Takes the state out for good.
    pub(crate) fn take(mut self) -> Option<S> {
        self.state.take()
    }
}

impl<S> Drop for StateGuard<'_, S> {
    fn drop(&mut self) {
        if !self.intact || self.cell.closed.load(Ordering::Acquire) {
            drop(self.state.take());
        }
    }
}
