//! Sets of words for many threads, no two of them in one cache line.

use super::{Owned, Shared};
use crate::lane::Lane;
use crate::sync::AtomicU64;

/// Words that are left unused between the stripes, and around them, where other people's memory is: 128 bytes, since
/// processors fetch lines of 64 in pairs.
const GAP: usize = 16;

/// One stripe for each of the first lanes, which own the first half of theirs. The second half is shared by the threads
/// beyond: at any time most of them do something else.
#[derive(Debug)]
pub(super) struct Stripes {
    words: Box<[AtomicU64]>,
    sums: usize,
    count: usize,
}

impl Stripes {
    pub(super) fn new(sums: usize, count: usize) -> Self {
        let words = (0..GAP + count * (2 * sums + GAP)).map(|_| AtomicU64::new(0)).collect();
        Self { words, sums, count }
    }

    /// The words that only the thread with this lane writes to, if there are any.
    #[inline]
    pub(super) fn owned(&self, lane: Lane) -> Option<Owned<'_>> {
        let index = lane.index().filter(|index| *index < self.count)?;
        Some(Owned(self.half(2 * index)))
    }

    /// Words for a thread with a lane beyond.
    pub(super) fn shared(&self, lane: Lane) -> Shared<'_> {
        Shared(self.half(2 * (lane.number() as usize % self.count) + 1))
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
