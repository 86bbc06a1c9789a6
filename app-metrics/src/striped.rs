//! Striped sums: fast for one thread and for many, and small until many threads add at the same time.
//!
//! A plain atomic addition is slow for two reasons. Alone, it is a locked instruction. With other threads, the cache
//! line moves from core to core. Here, the first thread that adds owns a set of words to which no other thread writes.
//! So it needs no locked instruction. All other threads share a second set. When additions to that set collide, the sum
//! grows: each thread gets a set in cache lines of its own (a stripe). A reader adds up all sets.
//!
//! Invariants:
//! 1. The owner of a set writes to it with a load and a store, and no other thread writes to it. Every set without an
//!    owner is written with atomic additions. No two threads have one stripe number at a time, and the next thread with
//!    a number sees what the last one did (`stripe`). So no addition is lost.
//! 2. The owner never changes, stripes are never removed, and words are never reused. So a reader that reads each word
//!    once sees a sum that never goes down, if no amount is negative.
//! 3. Readers write nothing. Neither readers nor writers wait.
//!
//! Accesses are `Relaxed`, because a sum orders nothing but itself. The `OnceLock` publishes the stripes.

mod contention;
mod set;
mod stripes;

use crate::stripe::{self, Stripe};
use crate::sync::{AtomicU32, AtomicU64, OnceLock, Ordering};
pub(crate) use contention::Contention;
pub(crate) use set::{Owned, Shared};
pub(crate) use stripes::Stripes;

/// The owner of words that no thread has written yet. No stripe has this number.
const UNOWNED: u32 = u32::MAX;

/// Several sums side by side, which are added to together: the buckets of a histogram and its sum.
///
/// `W` are the words, two for each sum: first the owner's words, then the shared words. All are zero at first.
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

    /// The words to which only the calling thread writes, if it has such words here.
    #[inline]
    pub(crate) fn owned(&self) -> Option<Owned<'_>> {
        let stripe = stripe::cached();
        match self.stripes.get() {
            Some(stripes) => stripes.owned(stripe).map(Owned),
            None if self.owner.load(Ordering::Relaxed) == stripe.number() => Some(Owned(self.own())),
            None => None,
        }
    }

    /// The same for a thread with this number that had no words of its own. The first thread that adds becomes the
    /// owner.
    pub(crate) fn claimed(&self, stripe: Stripe) -> Option<Owned<'_>> {
        match self.stripes.get() {
            Some(stripes) => stripes.owned(stripe).map(Owned),
            None if self.is_owned_by(stripe) => Some(Owned(self.own())),
            None => None,
        }
    }

    /// Adds to the shared words, for a thread without words of its own.
    ///
    /// If `watch` is set, the addition also samples contention. `add` returns whether no other addition was seen.
    /// `probe` is one of the sums that `add` changes.
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
        // The owner only stores, so it cannot see other additions. The other threads see its additions.
        let word = self.own().get(probe);
        let before = word.map(|word| word.load(Ordering::Relaxed));
        let alone = add(words);
        if self.contention.note(alone && before == word.map(|word| word.load(Ordering::Relaxed))) {
            self.grow();
        }
    }

    /// Whether the thread with this number is the owner. The first thread that asks becomes the owner.
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

    /// Raises a sum to `total` if it is lower. Only for sums to which no thread adds.
    pub(crate) fn raise(&self, index: usize, total: u64) {
        if let Some(word) = self.shared().get(index) {
            word.fetch_max(total, Ordering::Relaxed);
        }
    }

    /// A sum of whole numbers.
    pub(crate) fn sum(&self, index: usize) -> u64 {
        self.words_of(index).map(|word| word.load(Ordering::Relaxed)).fold(0, u64::wrapping_add)
    }

    /// A sum of floats. The order of the additions is fixed, so that rounding cannot make the sum go down.
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
