//! A gauge: a value that goes up and down.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// A value that goes up and down: items held, bytes in use, a temperature.
///
/// A cheap handle: clones change the same value, which lives as long as one of them or its registration.
#[derive(Clone, Debug, Default)]
pub struct Gauge(Arc<Cell>);

/// An `f64`, as its bits; all bits zero is `0.0`. `Relaxed` throughout: a gauge orders nothing but itself.
#[derive(Debug, Default)]
struct Cell(AtomicU64);

impl Gauge {
    /// Sets the value. NaN and the infinities are values that Prometheus knows, and are kept.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.0.store(value.to_bits(), Ordering::Relaxed);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Takes one away.
    #[inline]
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds any amount, negative ones too.
    #[inline]
    pub fn add(&self, amount: f64) {
        let add = |bits| Some((f64::from_bits(bits) + amount).to_bits());
        // The closure never gives `None`, so this can't fail.
        let _ = self.0.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> f64 {
        f64::from_bits(self.0.0.load(Ordering::Relaxed))
    }
}
