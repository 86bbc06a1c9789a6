//! StripeAllocator: small numbers for threads, so that each can have a place of its own in what all of them add to.
//!
//! Invariants:
//! 1. No two threads have one stripe at the same time.
//! 2. What a thread did happened before what the next thread with its stripe does: stripes are taken and given back under
//!    one lock.
//! 3. A thread that is being torn down gives its stripe back once, and has none from then on.

mod thread;

pub(crate) use thread::{cached, current, samples_contention};

use crate::sync::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The stripe of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe(u32);

impl Stripe {
    /// Of a thread that is so far gone that it can have none of its own.
    pub(crate) const NONE: Self = Self(0);

    /// That of no thread: tests say who adds.
    #[cfg(test)]
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }

    /// A number that no other thread has now; 0 for [`Stripe::NONE`], which any number of threads have.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The same, from 0; `None` for [`Stripe::NONE`].
    #[inline]
    pub(crate) fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// StripeAllocator to take and to give back: always the one with the smallest number, so the numbers are small when there are
/// few threads, however many came and went.
#[derive(Debug)]
pub(crate) struct StripeAllocator(Mutex<Free>);

#[derive(Debug)]
struct Free {
    given_back: BinaryHeap<Reverse<u32>>,
    /// The largest number that was ever taken.
    last: u32,
}

impl StripeAllocator {
    pub(crate) fn new() -> Self {
        Self(Mutex::new(Free { given_back: BinaryHeap::new(), last: 0 }))
    }

    pub(crate) fn take(&self) -> Stripe {
        let mut free = self.0.lock();
        if let Some(Reverse(number)) = free.given_back.pop() {
            return Stripe(number);
        }
        free.last += 1;
        Stripe(free.last)
    }

    pub(crate) fn give_back(&self, stripe: Stripe) {
        self.0.lock().given_back.push(Reverse(stripe.0));
    }
}
