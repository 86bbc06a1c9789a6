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
/// A cheap handle: clones count into the same value. The value lives as long as a handle or its registration. Keep the
/// handle.
///
/// `inc` takes no lock. For the thread that counted first, it is not even a locked instruction. When threads contend,
/// each gets memory of its own to count in. Do not count in signal handlers: a handler that interrupts an addition of
/// its own thread may undo that addition.
///
/// The value is exposed as a float, because Prometheus has no other type. Whole numbers are kept apart from fractions.
/// They are exact up to 2^64, where the counter starts again at 0; Prometheus reads that as a restart. Every amount is
/// added once. The value that one reader sees never goes down.
#[derive(Clone, Debug)]
pub struct Counter(Arc<Striped<[AtomicU64; 4]>>);

/// The value is the sum of these two.
const WHOLE: usize = 0;
/// The bits of an `f64`; all bits zero is `0.0`.
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

    /// Separate from [`add`](Self::add), which is then small enough to be inlined everywhere.
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
    /// Ignores an amount that is negative, infinite or NaN: a measurement must not fail what it measures.
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

    /// The current value.
    #[must_use]
    pub fn get(&self) -> f64 {
        match self.value() {
            Value::Whole(whole) => whole as f64,
            Value::Float(value) => value,
        }
    }

    /// Raises the value to `total`. Use it for counts that are kept elsewhere, and for nothing else.
    ///
    /// It never lowers the value, so two scrapes at once cannot make the counter go down.
    pub(crate) fn raise_to(&self, total: u64) {
        self.0.raise(WHOLE, total);
    }

    /// The value of a counter to which no fractions are added.
    pub(crate) fn whole(&self) -> u64 {
        self.0.sum(WHOLE)
    }

    pub(crate) fn value(&self) -> Value {
        let fraction = self.0.sum_f64(FRACTION).min(f64::MAX);
        let whole = self.whole();
        if fraction == 0.0 { Value::Whole(whole) } else { Value::Float(whole as f64 + fraction) }
    }
}

/// A counter's value for the exposition: whole numbers without a point, and with all digits.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Float(f64),
}
