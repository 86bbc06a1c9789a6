//! The stripe number of this thread: taken at its first use, returned when the thread ends.

use super::{Stripe, StripeAllocator};
use crate::sync::parallelism;
use std::cell::Cell;
use std::sync::LazyLock;

static ALLOCATOR: LazyLock<StripeAllocator> = LazyLock::new(|| {
    // Ask here: a thread that is bound to one processor is told that there is only one. The first thread that counts is
    // less likely to be bound than the first thread that meets contention.
    parallelism();
    StripeAllocator::new()
});

thread_local! {
    /// Separate from the lease, and without a destructor: reading it is one instruction at any time in the life of a
    /// thread.
    static STRIPE: Cell<Stripe> = const { Cell::new(Stripe::NONE) };
    /// Number of additions to shared words until the next one samples contention.
    static UNWATCHED: Cell<u8> = const { Cell::new(0) };
    static LEASE: Lease = Lease::new();
}

/// Returns the number at the end of the thread.
struct Lease(Stripe);

impl Lease {
    fn new() -> Self {
        let stripe = ALLOCATOR.take();
        STRIPE.set(stripe);
        Self(stripe)
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        // First: destructors that run after this one then count without a number.
        STRIPE.set(Stripe::NONE);
        ALLOCATOR.give_back(self.0);
    }
}

/// The number of this thread if it has one already. The fast paths use it.
#[inline]
pub(crate) fn cached() -> Stripe {
    STRIPE.get()
}

/// The number of this thread. [`Stripe::NONE`] only while the thread's own data is being destroyed.
#[inline]
pub(crate) fn current() -> Stripe {
    let stripe = STRIPE.get();
    if stripe == Stripe::NONE { taken() } else { stripe }
}

#[cold]
fn taken() -> Stripe {
    LEASE.try_with(|lease| lease.0).unwrap_or(Stripe::NONE)
}

/// One addition to shared words out of this many samples contention. A prime, so that a thread that adds to several
/// metrics in turn samples each of them.
const WATCH_ONE_IN: u8 = 251;

/// Whether this thread's next addition to shared words samples contention.
#[inline]
pub(crate) fn samples_contention() -> bool {
    let left = UNWATCHED.get();
    UNWATCHED.set(if left == 0 { WATCH_ONE_IN - 1 } else { left - 1 });
    left == 0
}
