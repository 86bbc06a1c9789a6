//! A float that threads set and add to. Adding is fast for many threads too.
//!
//! It is one word until additions collide. From then on each thread adds to a stripe of its own, and the value is a
//! base plus all stripes. Setting the value must undo what is in the stripes, but only their owners write to them. So
//! setting begins a new epoch with a new base, and stripes of older epochs no longer count.
//!
//! Invariants:
//! 1. The value is the base of the epoch plus the amounts of the stripes of that epoch. There are two bases, for even
//!    and for odd epochs. The word from before the growth is the base of even epochs.
//! 2. Only the thread with its number writes to a stripe: first the amount, then the epoch, each with `Release`, after
//!    it has read the epoch with `Acquire`. So a reader that sees an amount of a newer epoch also sees that the epoch
//!    has changed, and starts again.
//! 3. Adding and setting never wait. A reader starts again only if the value was set meanwhile.
//!
//! An addition while the value is being set counts as made before or after that. Of two threads that set the value at
//! once, one is last. When all are done, every addition counts that began after the last `set` had ended. No addition
//! counts that had ended before it began.

use crate::stripe::Stripe;
use crate::striped::{Contention, Stripes};
use crate::sync::{AtomicU64, OnceLock, Ordering, pause};

/// The epoch and the amount of a stripe.
const STRIPE_WORDS: usize = 2;

/// The value; zero at first.
#[derive(Debug)]
pub(crate) struct StripedFloat {
    /// The bits of an `f64`; all bits zero is `0.0`. Until the value has grown, this is the whole value.
    even_base: AtomicU64,
    grown: OnceLock<Box<Grown>>,
    contention: Contention,
}

#[derive(Debug)]
struct Grown {
    epoch: AtomicU64,
    odd_base: AtomicU64,
    stripes: Stripes,
}

impl StripedFloat {
    pub(crate) fn new() -> Self {
        Self { even_base: AtomicU64::new(0), grown: OnceLock::new(), contention: Contention::new() }
    }

    #[inline]
    pub(crate) fn set(&self, value: f64) {
        match self.grown.get() {
            None => self.even_base.store(value.to_bits(), Ordering::Relaxed),
            Some(grown) => self.set_grown(grown, value),
        }
    }

    fn set_grown(&self, grown: &Grown, value: f64) {
        let epoch = grown.epoch.load(Ordering::Acquire);
        // `Release`: a reader of the previous epoch that sees the new base also sees that the epoch has changed.
        self.base(grown, epoch + 1).store(value.to_bits(), Ordering::Release);
        // `Release`: a reader that sees the epoch sees its base. If another thread has begun this epoch, the value was
        // set in it or just before. Additions of older epochs are gone in either case.
        let _ = grown.epoch.compare_exchange(epoch, epoch + 1, Ordering::Release, Ordering::Relaxed);
    }

    /// Adds, for the thread with this number. If `watch` is set, the addition samples contention.
    pub(crate) fn add(&self, stripe: Stripe, watch: bool, amount: f64) {
        let Some(grown) = self.grown.get() else {
            let alone = add_to(&self.even_base, watch, amount);
            if watch && self.contention.note(alone) {
                self.grow();
            }
            return;
        };
        let epoch = grown.epoch.load(Ordering::Acquire);
        let Some([of, sum]) = grown.stripes.owned(stripe) else {
            add_to(self.base(grown, epoch), false, amount);
            return;
        };
        if of.load(Ordering::Relaxed) == epoch {
            let before = f64::from_bits(sum.load(Ordering::Relaxed));
            sum.store((before + amount).to_bits(), Ordering::Release);
        } else {
            sum.store(amount.to_bits(), Ordering::Release);
            of.store(epoch, Ordering::Release);
        }
    }

    /// Gives every thread its own stripe from now on.
    #[cold]
    pub(crate) fn grow(&self) {
        self.grown.get_or_init(|| {
            let stripes = Stripes::new(STRIPE_WORDS);
            Box::new(Grown { epoch: AtomicU64::new(0), odd_base: AtomicU64::new(0), stripes })
        });
    }

    /// Whether each thread has its own stripe.
    #[cfg(test)]
    pub(crate) fn is_grown(&self) -> bool {
        self.grown.get().is_some()
    }

    pub(crate) fn get(&self) -> f64 {
        let Some(grown) = self.grown.get() else {
            return f64::from_bits(self.even_base.load(Ordering::Relaxed));
        };
        let mut epoch = grown.epoch.load(Ordering::Acquire);
        loop {
            let mut value = f64::from_bits(self.base(grown, epoch).load(Ordering::Acquire));
            for stripe in grown.stripes.all_owned() {
                let [of, sum] = stripe else { continue };
                if of.load(Ordering::Acquire) == epoch {
                    value += f64::from_bits(sum.load(Ordering::Acquire));
                }
            }
            let now = grown.epoch.load(Ordering::Acquire);
            if now == epoch {
                return value;
            }
            epoch = now;
        }
    }

    fn base<'a>(&'a self, grown: &'a Grown, epoch: u64) -> &'a AtomicU64 {
        if epoch.is_multiple_of(2) { &self.even_base } else { &grown.odd_base }
    }
}

/// Adds to a word that other threads add to. Returns whether no other addition was seen. See `Shared` for `watch`.
fn add_to(word: &AtomicU64, watch: bool, amount: f64) -> bool {
    let mut before = word.load(Ordering::Relaxed);
    let mut alone = true;
    if watch {
        pause();
    }
    let sum = |bits| (f64::from_bits(bits) + amount).to_bits();
    while let Err(now) = word.compare_exchange_weak(before, sum(before), Ordering::Relaxed, Ordering::Relaxed)
    {
        (before, alone) = (now, false);
    }
    alone
}
