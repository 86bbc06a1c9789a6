//! A gauge: a value that goes up and down.

#[cfg(test)]
mod tests;

use crate::stripe;
use crate::striped_float::StripedFloat;
use std::sync::Arc;

/// A value that goes up and down: items held, bytes in use, a temperature.
///
/// A cheap handle: clones change the same value, which lives as long as one of them or its registration. Nothing here
/// takes a lock. No addition is lost, whoever else adds; when threads that add get in each other's way, each is given a
/// place of its own to add in. Additions are those of floats, which round: whole numbers below 2^53 are exact.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<StripedFloat>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(StripedFloat::new()))
    }
}

impl Gauge {
    /// Sets the value. NaN and the infinities are values that Prometheus knows, and are kept.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.set(value);
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
    pub fn add(&self, amount: f64) {
        self.0.add(stripe::current(), stripe::samples_contention(), amount);
    }

    /// The value now.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}
