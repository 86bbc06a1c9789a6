//! The memory of peers in bytes: a tree of budgets with a connection at each leaf.
//!
//! A server has one [`Memory`] for all its connections, and a [part](Memory::part) of it for each client. Each connection uses its
//! client's part through a [`Credit`]. The credit belongs to one thread and takes memory in larger pieces. So most messages do not
//! touch the counters that threads share.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The bytes that a credit takes from its budget at once.
const PIECE: usize = 16 * 1024;

/// The memory of an idle connection: its TLS session, its task, and the tables of capnp-rpc.
pub(super) const CONNECTION_BYTES: usize = 32 * 1024;

/// A budget of memory. Clones share the budget.
#[derive(Clone)]
pub(crate) struct Memory(Arc<Budget>);

struct Budget {
    limit: AtomicUsize,
    taken: AtomicUsize,
    /// Calls in flight of this budget.
    calls: AtomicUsize,
    whole: Option<Memory>,
}

impl Memory {
    /// A budget that is part of no other.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self::within(limit_bytes, None)
    }

    /// A budget within this one. Its memory counts for both.
    pub(crate) fn part(&self, limit_bytes: usize) -> Self {
        Self::within(limit_bytes, Some(self.clone()))
    }

    fn within(limit_bytes: usize, whole: Option<Self>) -> Self {
        let (limit, taken, calls) = (AtomicUsize::new(limit_bytes), AtomicUsize::new(0), AtomicUsize::new(0));
        Self(Arc::new(Budget { limit, taken, calls, whole }))
    }

    /// Changes the limit. Memory above a lower limit stays in use until it is given back.
    pub(crate) fn set_limit(&self, limit_bytes: usize) {
        self.0.limit.store(limit_bytes, Ordering::Relaxed);
    }

    /// Bytes in use.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests and fuzz targets look at it"))]
    pub(crate) fn taken(&self) -> usize {
        self.0.taken.load(Ordering::Relaxed)
    }

    // `Relaxed` is enough: the counters guard no other data.

    /// Takes bytes from this budget and from all above it, or from none.
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

    /// Takes bytes even above the limits.
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

/// The memory of one connection. All of it is given back on drop.
pub(crate) struct Credit {
    memory: Memory,
    /// Bytes taken from the budget: those in use, and at most two pieces more.
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

    /// The credit of a new connection, which is charged for its memory before the first message.
    pub(crate) fn of_connection(memory: Memory) -> Self {
        let credit = Self::new(memory);
        credit.overdraw(CONNECTION_BYTES);
        credit
    }

    /// Bytes in use, including those of the connection itself.
    pub(crate) fn used(&self) -> usize {
        self.used.get()
    }

    /// Charges bytes if the budget has them.
    #[must_use]
    pub(crate) fn charge(&self, bytes: usize) -> bool {
        if self.closed.get() {
            return true;
        }
        let Some(used) = self.used.get().checked_add(bytes) else { return false };
        if let Some(missing @ 1..) = used.checked_sub(self.held.get()) {
            let pieces = missing.next_multiple_of(PIECE);
            // Near the limit the budget may have less than a piece.
            let Some(taken) = [pieces, missing].into_iter().find(|bytes| self.memory.take(*bytes)) else {
                return false;
            };
            self.held.set(self.held.get() + taken);
        }
        self.used.set(used);
        true
    }

    /// Counts a call, unless the budget has `limit` calls in flight on all its connections together.
    #[must_use]
    pub(crate) fn begin_call(&self, limit: usize) -> bool {
        if self.closed.get() {
            return true;
        }
        let begun = self.memory.0.calls.fetch_add(1, Ordering::Relaxed) < limit;
        if begun {
            self.calls.set(self.calls.get() + 1);
        } else {
            self.memory.0.calls.fetch_sub(1, Ordering::Relaxed);
        }
        begun
    }

    /// Uncounts a call that is not in flight any more.
    pub(crate) fn end_call(&self) {
        if !self.closed.get() {
            self.calls.set(self.calls.get() - 1);
            self.memory.0.calls.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Charges bytes that are in use already, even above the limits.
    pub(crate) fn overdraw(&self, bytes: usize) {
        if !self.charge(bytes) {
            self.memory.overdraw(bytes);
            self.held.set(self.held.get() + bytes);
            self.used.set(self.used.get() + bytes);
        }
    }

    /// Gives charged bytes back.
    pub(crate) fn refund(&self, bytes: usize) {
        if self.closed.get() {
            return;
        }
        debug_assert!(bytes <= self.used.get(), "{bytes} bytes come back of {}", self.used.get());
        let used = self.used.get().saturating_sub(bytes);
        self.used.set(used);
        let spare = self.held.get() - used;
        // One piece stays, so that the next call does not need the budget.
        if spare > 2 * PIECE {
            self.memory.give_back(spare - PIECE);
            self.held.set(used + PIECE);
        }
    }

    /// Gives everything back, and stops counting. Memory that a panicked handler leaked must not count against the peer's next
    /// connections.
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
