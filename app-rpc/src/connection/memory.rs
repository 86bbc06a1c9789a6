//! Memory that peers may take, in bytes: a tree of budgets with a connection at each leaf.
//!
//! A server has one [`Memory`] for all its connections, and a [part](Memory::part) of it for each client. Each connection draws on its
//! client's part through a [`Credit`]. The credit belongs to one thread and takes larger pieces, so a message that comes in changes
//! nothing that other threads look at.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What a credit takes at once.
const PIECE: usize = 16 * 1024;

/// What a connection takes while it is idle: its TLS session, its task, and the tables of capnp-rpc.
pub(super) const CONNECTION_BYTES: usize = 32 * 1024;

/// A budget of memory. Clones are the same budget.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Budget>);

struct Budget {
    limit: AtomicUsize,
    taken: AtomicUsize,
    /// Calls in flight that are charged here.
    calls: AtomicUsize,
    whole: Option<Memory>,
}

impl Memory {
    /// A budget of its own.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self::within(limit_bytes, None)
    }

    /// A budget within this one: what is taken of it is taken of this one too.
    pub(crate) fn part(&self, limit_bytes: usize) -> Self {
        Self::within(limit_bytes, Some(self.clone()))
    }

    fn within(limit_bytes: usize, whole: Option<Self>) -> Self {
        let (limit, taken, calls) = (AtomicUsize::new(limit_bytes), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Budget { limit, taken, calls, whole }))
    }

    /// Changes the limit. What is taken beyond a lower one stays taken until it is given back.
    pub(crate) fn set_limit(&self, limit_bytes: usize) {
        self.0.limit.store(limit_bytes, Ordering::Relaxed);
    }

    /// Bytes that are taken at the moment.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests and fuzz targets look at it"))]
    pub(crate) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    // Only the counts are shared, nothing is read because of them: `Relaxed` will do.

    /// Takes so many bytes of this budget and of those above it, or of none.
    fn take(&self, bytes: usize) -> bool {
        let Budget { limit, taken, whole, .. } = &*self.0;
        let more =
            |taken: usize| taken.checked_add(bytes).filter(|taken| *taken <= limit.load(Ordering::Relaxed));
        if taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).is_err() {
            return false;
        }
        let all = whole.as_ref().is_none_or(|whole| whole.take(bytes));
        if !all {
            taken.fetch_sub(bytes, Ordering::Relaxed);
        }
        all
    }

    /// Takes so many bytes whatever the limits are.
    fn overdraw(&self, bytes: usize) {
        self.0.taken.fetch_add(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.0.whole {
            whole.overdraw(bytes);
        }
    }

    fn give_back(&self, bytes: usize) {
        self.0.taken.fetch_sub(bytes, Ordering::Relaxed);
        if let Some(whole) = &self.0.whole {
            whole.give_back(bytes);
        }
    }
}

/// What one connection takes of a budget. All of it is given back on drop.
pub(crate) struct Credit {
    memory: Memory,
    /// Bytes that were taken of the budget: those in use, and at most two pieces more.
    held: Cell<usize>,
    used: Cell<usize>,
    /// Calls in flight on the connection.
    calls: Cell<usize>,
    closed: Cell<bool>,
}

impl Credit {
    fn new(memory: Memory) -> Self {
        Self { memory, held: Cell::new(0), used: Cell::new(0), calls: Cell::new(0), closed: Cell::new(false) }
    }

    /// That of a connection, which is charged for what it takes before a message comes.
    pub(crate) fn of_connection(memory: Memory) -> Self {
        let credit = Self::new(memory);
        credit.overdraw(CONNECTION_BYTES);
        credit
    }

    /// Bytes in use, those of the connection itself included.
    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// Charges so many bytes, if the budget has them.
    #[must_use]
    pub(crate) fn charge(&self, bytes: usize) -> bool {
        if self.closed.get() {
            return true;
        }
        let Some(used) = self.used.get().checked_add(bytes) else { return false };
        if let Some(missing @ 1..) = used.checked_sub(self.held.get()) {
            let pieces = missing.next_multiple_of(PIECE);
            // At the limit there is less than a piece.
            let Some(taken) = [pieces, missing].into_iter().find(|bytes| self.memory.take(*bytes)) else {
                return false;
            };
            self.held.set(self.held.get() + taken);
        }
        self.used.set(used);
        true
    }

    /// Counts a call, unless so many of this budget are in flight already, on all connections together.
    #[must_use]
    pub(crate) fn begin_call(&self, most: usize) -> bool {
        if self.closed.get() {
            return true;
        }
        let begun = self.memory.0.calls.fetch_add(1, Ordering::Relaxed) < most;
        if begun {
            self.calls.set(self.calls.get() + 1);
        } else {
            self.memory.0.calls.fetch_sub(1, Ordering::Relaxed);
        }
        begun
    }

    /// A call that was counted is no longer in flight.
    pub(crate) fn end_call(&self) {
        if !self.closed.get() {
            self.calls.set(self.calls.get() - 1);
            self.memory.0.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Charges what was taken already, whether the budget has it or not.
    pub(crate) fn overdraw(&self, bytes: usize) {
        if !self.charge(bytes) {
            self.memory.overdraw(bytes);
            self.held.set(self.held.get() + bytes);
            self.used.set(self.used.get() + bytes);
        }
    }

    /// Gives back so many bytes of those that were charged.
    pub(crate) fn refund(&self, bytes: usize) {
        if self.closed.get() {
            return;
        }
        debug_assert!(bytes <= self.used.get(), "{bytes} bytes come back of {}", self.used.get());
        let used = self.used.get().saturating_sub(bytes);
        self.used.set(used);
        let spare = self.held.get() - used;
        // One piece stays, so that a call and its answer need not go to the budget each time.
        if spare > 2 * PIECE {
            self.memory.give_back(spare - PIECE);
            self.held.set(used + PIECE);
        }
    }

    /// Gives back all of it, and counts no more. What a handler that panicked left behind may stay for ever, and must not be held
    /// against the peer's next connections.
    pub(crate) fn close(&self) {
        if !self.closed.replace(true) {
            self.memory.give_back(self.held.get());
            self.memory.0.calls.fetch_sub(self.calls.get(), Ordering::Relaxed);
        }
    }
}

impl Drop for Credit {
    fn drop(&mut self) {
        self.close();
    }
}

#[cfg(test)]
mod tests;
