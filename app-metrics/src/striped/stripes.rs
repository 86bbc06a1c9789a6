//! Sets of words for many threads. No two sets share a cache line.

use super::Shared;
use crate::stripe::Stripe;
use crate::sync::{AtomicU64, parallelism};

/// Unused words between the stripes and around them: 128 bytes, because processors fetch lines of 64 bytes in pairs.
const GAP: usize = 16;

/// One stripe for each of the first stripe numbers. The thread with the number owns the first half of its stripe.
/// Threads with higher numbers share the second halves, because most of them do something else at any time.
#[derive(Debug)]
pub(crate) struct Stripes {
    words: Box<[AtomicU64]>,
    sums: usize,
    count: usize,
}

impl Stripes {
    /// Stripes for `sums` sums, all zero. There are twice as many stripes as threads that run at once, because threads
    /// with small numbers may be idle.
    pub(crate) fn new(sums: usize) -> Self {
        let count = (2 * parallelism()).clamp(4, 64);
        let words = (0..GAP + count * (2 * sums + GAP)).map(|_| AtomicU64::new(0)).collect();
        Self { words, sums, count }
    }

    /// The words to which only the thread with this number writes, if there are any.
    #[inline]
    pub(crate) fn owned(&self, stripe: Stripe) -> Option<&[AtomicU64]> {
        let start = GAP + stripe.index()? * (2 * self.sums + GAP);
        // A number beyond the stripes has no such words.
        self.words.get(start..start + self.sums)
    }

    /// The owned words of each stripe.
    pub(crate) fn all_owned(&self) -> impl Iterator<Item = &[AtomicU64]> {
        (0..self.count).map(|index| self.half(2 * index))
    }

    /// The words for a thread with a number beyond the stripes.
    pub(super) fn shared(&self, stripe: Stripe) -> Shared<'_> {
        Shared { words: self.half(2 * (stripe.number() as usize % self.count) + 1), watch: false }
    }

    /// The words of every stripe for one sum.
    pub(super) fn words_of(&self, index: usize) -> impl Iterator<Item = &AtomicU64> {
        (0..2 * self.count).filter_map(move |half| self.half(half).get(index))
    }

    /// Half a stripe.
    #[inline]
    fn half(&self, half: usize) -> &[AtomicU64] {
        let stripe = GAP + half / 2 * (2 * self.sums + GAP);
        let start = stripe + half % 2 * self.sums;
        self.words.get(start..start + self.sums).unwrap_or_default()
    }
}
