//! Stripe numbers: small numbers for threads, so that each thread can add to memory of its own.
//!
//! Invariants:
//! 1. No two threads have the same stripe number at the same time.
//! 2. What a thread did happens before what the next thread with its number does: numbers are taken and returned under
//!    one lock.
//! 3. A thread returns its number once, when its thread-local data is destroyed, and has none from then on.

mod thread;

pub(crate) use thread::{cached, current, samples_contention};

use crate::sync::Mutex;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// The stripe number of a thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stripe(u32);

impl Stripe {
    /// The number of a thread whose thread-local data is destroyed.
    pub(crate) const NONE: Self = Self(0);

    /// Any number. Tests choose the thread that adds.
    #[cfg(test)]
    pub(crate) fn of(number: u32) -> Self {
        Self(number)
    }

    /// A number that no other thread has at the moment; 0 for [`Stripe::NONE`], which several threads may have.
    #[inline]
    pub(crate) fn number(self) -> u32 {
        self.0
    }

    /// The number counted from 0; `None` for [`Stripe::NONE`].
    #[inline]
    pub(crate) fn index(self) -> Option<usize> {
        (self.0 as usize).checked_sub(1)
    }
}

/// Allocates stripe numbers. It always returns the smallest free number, so the numbers stay small when there are few
/// threads, however many came and went.
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
