//! The stripe of this thread: taken when it is first asked for, given back when the thread ends.

use super::{Stripe, StripeAllocator};
use crate::sync::parallelism;
use std::cell::Cell;
use std::sync::LazyLock;

static ALLOCATOR: LazyLock<StripeAllocator> = LazyLock::new(|| {
    // Asked here, since a thread that is bound to one processor is told that there is one: the first thread that counts
    // is less likely to be such a one than the first that finds another in its way.
    parallelism();
    StripeAllocator::new()
});

thread_local! {
    /// Apart from the lease and without a destructor: reading it is one instruction, at any time of a thread's life.
    static STRIPE: Cell<Stripe> = const { Cell::new(Stripe::NONE) };
    /// How many additions to shared words do not watch before one does.
    static UNWATCHED: Cell<u8> = const { Cell::new(0) };
    static LEASE: Lease = Lease::new();
}

/// Gives the stripe back at the end of the thread.
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
        // First, so that destructors that run after this one and count do it without a stripe.
        STRIPE.set(Stripe::NONE);
        ALLOCATOR.give_back(self.0);
    }
}

/// The stripe of this thread, if it has one already: what the fast paths ask.
#[inline]
pub(crate) fn cached() -> Stripe {
    STRIPE.get()
}

/// The stripe of this thread; [`Stripe::NONE`] only when the thread's own data is being destroyed.
#[inline]
pub(crate) fn current() -> Stripe {
    let stripe = STRIPE.get();
    if stripe == Stripe::NONE { taken() } else { stripe }
}

#[cold]
fn taken() -> Stripe {
    LEASE.try_with(|lease| lease.0).unwrap_or(Stripe::NONE)
}

/// One in so many additions to shared words samples_contention who else adds. A prime, so that a thread that adds to some things in
/// turn samples_contention at each of them.
const WATCH_ONE_IN: u8 = 251;

/// Whether this thread's next addition to shared words is one that samples_contention.
#[inline]
pub(crate) fn samples_contention() -> bool {
    let left = UNWATCHED.get();
    UNWATCHED.set(if left == 0 { WATCH_ONE_IN - 1 } else { left - 1 });
    left == 0
}
