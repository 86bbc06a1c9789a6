//! Sums that many threads add to, fast for one thread and for many, small until many add at once.
//!
//! A plain atomic addition is slow for two reasons: alone, because it is a locked instruction; with others, because the
//! cache line goes from core to core. Here, the first thread that adds owns a set of words, to which nobody else
//! writes, so it needs no locked instruction; all others share a second set. When they are seen to be in each other's
//! way the sum grows: each thread gets a set in cache lines of its own (a stripe). What a reader sees is the sum of
//! all sets.
//!
//! Invariants:
//! 1. A set with an owner is written only by the thread that has the owner's stripe, with a load and a store; every other
//!    set is written with atomic additions. As no two threads have one stripe at a time, and the next one sees what the
//!    one before did (`stripe`), no addition is lost.
//! 2. The owner never changes, stripes never go away, no word is ever taken back. So a reader that reads each word once
//!    sees, of amounts that are not negative, a sum that never goes down.
//! 3. Readers write nothing and wait for nobody, and nobody waits for them.
//!
//! Accesses are `Relaxed`, since a sum orders nothing but itself; the stripes are published by their `OnceLock`.

mod contention;
mod set;
mod stripes;

use crate::stripe::{self, Stripe};
use crate::sync::{AtomicU32, AtomicU64, OnceLock, Ordering};
pub(crate) use contention::Contention;
pub(crate) use set::{Owned, Shared};
pub(crate) use stripes::Stripes;

/// The owner of words that nobody wrote yet; no stripe has this number.
const UNOWNED: u32 = u32::MAX;

/// Several sums side by side, added to together: the buckets of a histogram and its sum.
///
/// `W` are the words, two for each sum: the owner's, then the shared ones; all zero at first.
#[derive(Debug)]
pub(crate) struct Striped<W> {
    words: W,
    stripes: OnceLock<Box<Stripes>>,
    owner: AtomicU32,
    contention: Contention,
}

impl<W: AsRef<[AtomicU64]>> Striped<W> {
    pub(crate) fn new(words: W) -> Self {
        Self {
            words,
            stripes: OnceLock::new(),
            owner: AtomicU32::new(UNOWNED),
            contention: Contention::new(),
        }
    }

    /// The words that only the calling thread writes to, if it has some here.
    #[inline]
    pub(crate) fn owned(&self) -> Option<Owned<'_>> {
        let stripe = stripe::cached();
        match self.stripes.get() {
            Some(stripes) => stripes.owned(stripe).map(Owned),
            None if self.owner.load(Ordering::Relaxed) == stripe.number() => Some(Owned(self.own())),
            None => None,
        }
    }

    /// For a thread that has this stripe, and had no words of its own: gives it some if it is the first thread that adds.
    pub(crate) fn claimed(&self, stripe: Stripe) -> Option<Owned<'_>> {
        match self.stripes.get() {
            Some(stripes) => stripes.owned(stripe).map(Owned),
            None if self.is_owned_by(stripe) => Some(Owned(self.own())),
            None => None,
        }
    }

    /// Lets a thread that has no words of its own add to those that are shared, and if it is to `watch`, see whether it is
    /// alone: `add` gives that for the same words, and `probe` is one of the sums to which it adds.
    pub(crate) fn add_shared(
        &self,
        stripe: Stripe,
        watch: bool,
        probe: usize,
        add: impl FnOnce(Shared<'_>) -> bool,
    ) {
        if let Some(stripes) = self.stripes.get() {
            add(stripes.shared(stripe));
            return;
        }
        let words = Shared { words: self.shared(), watch };
        if !watch {
            add(words);
            return;
        }
        // The owner can't see that others add, since it only stores: they see it.
        let word = self.own().get(probe);
        let before = word.map(|word| word.load(Ordering::Relaxed));
        let alone = add(words);
        if self.contention.note(alone && before == word.map(|word| word.load(Ordering::Relaxed))) {
            self.grow();
        }
    }

    /// Whether the thread with this stripe is the owner; the first that asks is.
    fn is_owned_by(&self, stripe: Stripe) -> bool {
        let owner = self.owner.load(Ordering::Relaxed);
        if owner != UNOWNED || stripe == Stripe::NONE {
            return owner == stripe.number();
        }
        let claim =
            self.owner.compare_exchange(UNOWNED, stripe.number(), Ordering::Relaxed, Ordering::Relaxed);
        claim.is_ok()
    }

    /// Gives every thread its own stripe from now on.
    #[cold]
    pub(crate) fn grow(&self) {
        let sums = self.words.as_ref().len() / 2;
        self.stripes.get_or_init(|| Box::new(Stripes::new(sums)));
    }

    /// Whether each thread has its own stripe.
    #[cfg(test)]
    pub(crate) fn is_grown(&self) -> bool {
        self.stripes.get().is_some()
    }

    /// Raises a sum to `total`, if it is below. For sums that nobody adds to.
    pub(crate) fn raise(&self, index: usize, total: u64) {
        if let Some(word) = self.shared().get(index) {
            word.fetch_max(total, Ordering::Relaxed);
        }
    }

    /// A sum of whole numbers.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        self.words_of(index).map(|word| word.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// A sum of floats, always in the same order, so that it can't go down by rounding.
    pub(crate) fn sum_f64(&self, index: usize) -> f64 {
        self.words_of(index).map(|word| f64::from_bits(word.load(Ordering::Relaxed))).sum()
    }

    fn words_of(&self, index: usize) -> impl Iterator<Item = &AtomicU64> {
        let stripes = self.stripes.get().into_iter().flat_map(move |stripes| stripes.words_of(index));
        self.own().get(index).into_iter().chain(self.shared().get(index)).chain(stripes)
    }

    #[inline]
    fn own(&self) -> &[AtomicU64] {
        let words = self.words.as_ref();
        words.get(..words.len() / 2).unwrap_or_default()
    }

    #[inline]
    fn shared(&self) -> &[AtomicU64] {
        let words = self.words.as_ref();
        words.get(words.len() / 2..).unwrap_or_default()
    }
}
