//! The words to which one thread adds. An index without a word adds nothing; this crate uses no such index.

use crate::sync::{AtomicU64, Ordering, pause};

/// Words to which only the calling thread writes.
#[derive(Clone, Copy)]
pub(crate) struct Owned<'a>(pub(super) &'a [AtomicU64]);

impl Owned<'_> {
    /// Adds a whole number.
    #[inline]
    pub(crate) fn add(self, index: usize, amount: u64) {
        if let Some(word) = self.0.get(index) {
            word.store(word.load(Ordering::Relaxed).wrapping_add(amount), Ordering::Relaxed);
        }
    }

    /// Adds to a float, which the word holds as bits.
    #[inline]
    pub(crate) fn add_f64(self, index: usize, amount: f64) {
        if let Some(word) = self.0.get(index) {
            word.store(sum_of(word.load(Ordering::Relaxed), amount), Ordering::Relaxed);
        }
    }
}

/// Words to which several threads write.
#[derive(Clone, Copy)]
pub(crate) struct Shared<'a> {
    pub(super) words: &'a [AtomicU64],
    /// Whether to sample contention. The addition then pauses between reading and writing. So it also sees a thread
    /// that never adds at the same moment, but between any two additions, which costs as much.
    pub(super) watch: bool,
}

impl Shared<'_> {
    /// Adds a whole number. Returns whether no other addition was seen.
    #[inline]
    pub(crate) fn add(self, index: usize, amount: u64) -> bool {
        let Some(word) = self.words.get(index) else { return true };
        if !self.watch {
            word.fetch_add(amount, Ordering::Relaxed);
            return true;
        }
        let before = word.load(Ordering::Relaxed);
        pause();
        word.fetch_add(amount, Ordering::Relaxed) == before
    }

    /// Adds to a float, which the word holds as bits. Returns whether no other addition was seen.
    #[inline]
    pub(crate) fn add_f64(self, index: usize, amount: f64) -> bool {
        let Some(word) = self.words.get(index) else { return true };
        let mut before = word.load(Ordering::Relaxed);
        let mut alone = true;
        if self.watch {
            pause();
        }
        while let Err(now) =
            word.compare_exchange_weak(before, sum_of(before, amount), Ordering::Relaxed, Ordering::Relaxed)
        {
            (before, alone) = (now, false);
        }
        alone
    }
}

/// The bits of a sum. The sum never becomes infinite: it stays at the largest number.
#[inline]
fn sum_of(bits: u64, amount: f64) -> u64 {
    let sum = f64::from_bits(bits) + amount;
    // Rare, so the branch is cheaper than clamping every time.
    if sum.is_finite() { sum.to_bits() } else { sum.clamp(f64::MIN, f64::MAX).to_bits() }
}
