//! Sets of words for many threads, no two of them in one cache line.

use super::Shared;
use crate::stripe::Stripe;
use crate::sync::{AtomicU64, parallelism};

/// Words that are left unused between the stripes, and around them, where other people's memory is: 128 bytes, since
/// processors fetch lines of 64 in pairs.
const GAP: usize = 16;

/// One stripe for each of the first stripes, which own the first half of theirs. The second half is shared by the threads
/// beyond: at any time most of them do something else.
#[derive(Debug)]
pub(crate) struct Stripes {
    words: Box<[AtomicU64]>,
    sums: usize,
    count: usize,
}

impl Stripes {
    /// Stripes for so many sums, all zero: for twice as many threads as run at once, since those with small stripes may be
    /// idle.
    pub(crate) fn new(sums: usize) -> Self {
        let count = (2 * parallelism()).clamp(4, 64);
        let words = (0..GAP + count * (2 * sums + GAP)).map(|_| AtomicU64::new(0)).collect();
        Self { words, sums, count }
    }

    /// The words that only the thread with this stripe writes to, if there are any.
    #[inline]
    pub(crate) fn owned(&self, stripe: Stripe) -> Option<&[AtomicU64]> {
        let start = GAP + stripe.index()? * (2 * self.sums + GAP);
        // Of a stripe beyond the stripes there are no such words.
        self.words.get(start..start + self.sums)
    }

    /// The words that some thread owns, by owner.
    pub(crate) fn all_owned(&self) -> impl Iterator<Item = &[AtomicU64]> {
        (0..self.count).map(|index| self.half(2 * index))
    }

    /// Words for a thread with a stripe beyond.
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
