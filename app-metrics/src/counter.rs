//! A counter: a value that only goes up.

#[cfg(test)]
mod tests;

use crate::stripe;
use crate::striped::Striped;
use crate::sync::AtomicU64;
use std::sync::Arc;

/// Whole numbers below this are exact as `f64`, so adding them to the whole part loses nothing.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value that only goes up: requests answered, bytes sent, seconds spent.
///
/// A cheap handle: clones count into the same value, which lives as long as one of them or its registration.
/// Keep the handle. `inc` takes no lock, and for the thread that counted first no locked instruction; when threads get
/// in each other's way, each is given a place of its own to count in. Not for signal handlers: one that interrupts an
/// addition of its own thread may undo it.
///
/// The value is exposed as a float, as Prometheus has nothing else. Whole numbers are kept apart from fractions and
/// are exact up to 2^64, where the counter starts again at 0, which Prometheus reads as a restart. Every amount is
/// added once, whoever else adds; what one reader sees never goes down.
#[derive(Clone, Debug)]
pub struct Counter(Arc<Striped<[AtomicU64; 4]>>);

/// The value is the sum of these two.
const WHOLE: usize = 0;
/// An `f64`, as its bits; all bits zero is `0.0`.
const FRACTION: usize = 1;

impl Default for Counter {
    fn default() -> Self {
        Self(Arc::new(Striped::new(Default::default())))
    }
}

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1);
    }

    /// Adds a whole number.
    #[inline]
    pub fn add(&self, amount: u64) {
        match self.0.owned() {
            Some(own) => own.add(WHOLE, amount),
            None => self.add_beside_others(amount),
        }
    }

    /// Apart from [`add`](Self::add), which is small enough to be inlined everywhere.
    fn add_beside_others(&self, amount: u64) {
        let stripe = stripe::current();
        match self.0.claimed(stripe) {
            Some(own) => own.add(WHOLE, amount),
            None => self
                .0
                .add_shared(stripe, stripe::samples_contention(), WHOLE, |words| words.add(WHOLE, amount)),
        }
    }

    /// Adds any amount, such as seconds.
    ///
    /// An amount that would make the counter go down or be no number (negative, infinite, NaN) is ignored: a
    /// measurement must not fail what it measures.
    pub fn add_f64(&self, amount: f64) {
        if !amount.is_finite() || amount <= 0.0 {
            return;
        }
        if amount < EXACT && amount.fract() == 0.0 {
            self.add(amount as u64);
            return;
        }
        let stripe = stripe::current();
        match self.0.claimed(stripe) {
            Some(own) => own.add_f64(FRACTION, amount),
            None => self.0.add_shared(stripe, stripe::samples_contention(), FRACTION, |words| {
                words.add_f64(FRACTION, amount)
            }),
        }
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> f64 {
        match self.value() {
            Value::Whole(whole) => whole as f64,
            Value::Float(value) => value,
        }
    }

    /// Raises the value to `total`, for counts that are kept elsewhere and not added to. Never lowers it, so that two scrapes at once
    /// can't make the counter go down.
    pub(crate) fn raise_to(&self, total: u64) {
        self.0.raise(WHOLE, total);
    }

    /// The value of a counter that nobody adds fractions to.
    pub(crate) fn whole(&self) -> u64 {
        self.0.sum(WHOLE)
    }

    pub(crate) fn value(&self) -> Value {
        let fraction = self.0.sum_f64(FRACTION).min(f64::MAX);
        let whole = self.whole();
        if fraction == 0.0 { Value::Whole(whole) } else { Value::Float(whole as f64 + fraction) }
    }
}

/// A counter's value as it is written: whole numbers without a point, all digits kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Float(f64),
}
