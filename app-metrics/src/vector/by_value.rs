//! Counting by label values: a lookup and an update in one step.
//!
//! Each method does what `with` and the same method of the handle do, without making a handle. Making one writes to
//! memory that threads share.

use super::{CounterVector, GaugeVector, HistogramVector};
use crate::{Counter, Gauge};
use app_errors::Error;

impl CounterVector {
    /// Adds one to the series with these label values, which [`with`](Self::with) would return.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    #[inline]
    pub fn inc<const N: usize>(&self, values: [&str; N]) -> Result<(), Error> {
        self.on(values, Counter::inc)
    }

    /// Adds a whole number to the series with these label values, which [`with`](Self::with) would return.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    #[inline]
    pub fn add<const N: usize>(&self, values: [&str; N], amount: u64) -> Result<(), Error> {
        self.on(values, |counter| counter.add(amount))
    }
}

impl GaugeVector {
    /// Sets the series with these label values, which [`with`](Self::with) would return.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    #[inline]
    pub fn set<const N: usize>(&self, values: [&str; N], value: f64) -> Result<(), Error> {
        self.on(values, |gauge: &Gauge| gauge.set(value))
    }

    /// Adds any amount, which may be negative, to the series with these label values, which [`with`](Self::with) would
    /// return.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    #[inline]
    pub fn add<const N: usize>(&self, values: [&str; N], amount: f64) -> Result<(), Error> {
        self.on(values, |gauge| gauge.add(amount))
    }
}

impl HistogramVector {
    /// Observes a value in the series with these label values, which [`with`](Self::with) would return.
    ///
    /// # Errors
    /// `IllegalArgument` if the number of values differs from the number of labels.
    #[inline]
    pub fn observe<const N: usize>(&self, values: [&str; N], value: f64) -> Result<(), Error> {
        self.on(values, |histogram| histogram.observe(value))
    }
}
