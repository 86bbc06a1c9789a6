//! A counter: a value that only goes up.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Whole numbers below this are exact as `f64`, so adding them to the whole part loses nothing.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// A value that only goes up: requests answered, bytes sent, seconds spent.
///
/// A cheap handle: clones count into the same value, which lives as long as one of them or its registration.
/// Keep the handle; that makes `inc` one atomic addition.
///
/// The value is exposed as a float, as Prometheus has nothing else. Whole numbers are kept apart from fractions and
/// are exact up to 2^64, where the counter starts again at 0, which Prometheus reads as a restart.
#[derive(Clone, Debug, Default)]
pub struct Counter(Arc<Cell>);

/// The value is `whole + fraction`.
///
/// All accesses are `Relaxed`: a counter orders nothing but itself. Both parts only grow, so a reader that sees an
/// older part sees a value that the counter had, or one between two that it had.
#[derive(Debug, Default)]
struct Cell {
    whole: AtomicU64,
    /// An `f64`, as its bits; all bits zero is `0.0`.
    fraction: AtomicU64,
}

impl Counter {
    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.0.whole.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds a whole number.
    #[inline]
    pub fn add(&self, amount: u64) {
        self.0.whole.fetch_add(amount, Ordering::Relaxed);
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
        let add = |bits| Some((f64::from_bits(bits) + amount).min(f64::MAX).to_bits());
        // The closure never gives `None`, so this can't fail.
        let _ = self.0.fraction.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> f64 {
        match self.value() {
            Value::Whole(whole) => whole as f64,
            Value::Float(value) => value,
        }
    }

    /// Raises the value to `total`, for counts that are kept elsewhere. Never lowers it, so that two scrapes at once
    /// can't make the counter go down.
    pub(crate) fn raise_to(&self, total: u64) {
        self.0.whole.fetch_max(total, Ordering::Relaxed);
    }

    pub(crate) fn value(&self) -> Value {
        let fraction = f64::from_bits(self.0.fraction.load(Ordering::Relaxed));
        let whole = self.0.whole.load(Ordering::Relaxed);
        if fraction == 0.0 { Value::Whole(whole) } else { Value::Float(whole as f64 + fraction) }
    }
}

/// A counter's value as it is written: whole numbers without a point, all digits kept.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Value {
    Whole(u64),
    Float(f64),
}
