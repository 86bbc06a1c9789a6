//! Counting by the values of labels: a lookup and an update in one step.
//!
//! Each is what `with` and the same call on the handle do, without the handle, whose making is a write to memory that
//! the threads share.

use super::{CounterVector, GaugeVector, HistogramVector};
use crate::{Counter, Gauge};
use app_errors::Error;

impl CounterVector {
    /// Adds one to the series of these label values, as [`with`](Self::with) finds it.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    #[inline]
    pub fn inc<const N: usize>(&self, values: [&str; N]) -> Result<(), Error> {
        self.on(values, Counter::inc)
    }

    /// Adds a whole number to the series of these label values, as [`with`](Self::with) finds it.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    #[inline]
    pub fn add<const N: usize>(&self, values: [&str; N], amount: u64) -> Result<(), Error> {
        self.on(values, |counter| counter.add(amount))
    }
}

impl GaugeVector {
    /// Sets the series of these label values, as [`with`](Self::with) finds it.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    #[inline]
    pub fn set<const N: usize>(&self, values: [&str; N], value: f64) -> Result<(), Error> {
        self.on(values, |gauge: &Gauge| gauge.set(value))
    }

    /// Adds any amount, negative ones too, to the series of these label values, as [`with`](Self::with) finds it.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    #[inline]
    pub fn add<const N: usize>(&self, values: [&str; N], amount: f64) -> Result<(), Error> {
        self.on(values, |gauge| gauge.add(amount))
    }
}

impl HistogramVector {
    /// Observes a value in the series of these label values, as [`with`](Self::with) finds it.
    ///
    /// # Errors
    /// `IllegalArgument` when there are not as many values as labels.
    #[inline]
    pub fn observe<const N: usize>(&self, values: [&str; N], value: f64) -> Result<(), Error> {
        self.on(values, |histogram| histogram.observe(value))
    }
}
