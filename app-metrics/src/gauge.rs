//! A gauge: a value that goes up and down.

#[cfg(test)]
mod tests;

use crate::stripe;
use crate::striped_float::StripedFloat;
use std::fmt;
use std::sync::Arc;

/// A value that goes up and down: items held, bytes in use, a temperature.
///
/// A cheap handle: clones change the same value. The value lives as long as a handle or its registration. No method
/// takes a lock. No addition is lost. When threads that add contend, each gets memory of its own to add in. Additions
/// are those of floats, which round: whole numbers below 2^53 are exact.
#[derive(Clone, Debug)]
pub struct Gauge(Arc<StripedFloat>);

impl Default for Gauge {
    fn default() -> Self {
        Self(Arc::new(StripedFloat::new()))
    }
}

impl Gauge {
    /// Sets the value. NaN and the infinities are valid in Prometheus, and are kept.
    #[inline]
    pub fn set(&self, value: f64) {
        self.0.set(value);
    }

    /// Adds one.
    #[inline]
    pub fn inc(&self) {
        self.add(1.0);
    }

    /// Subtracts one.
    #[inline]
    pub fn dec(&self) {
        self.add(-1.0);
    }

    /// Adds any amount, which may be negative.
    pub fn add(&self, amount: f64) {
        self.0.add(stripe::current(), stripe::samples_contention(), amount);
    }

    /// Adds one now, and subtracts one when the guard is dropped.
    ///
    /// Use it to count what is in progress. The guard is dropped, and so the gauge goes down, however the code ends: at
    /// its end, by an early return, during a panic, and when its future is cancelled. If the value is
    /// [`set`](Self::set) meanwhile, the guard still subtracts one.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{GaugeSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// let open = metrics.gauge(GaugeSpec::new(STORE, MetricId::new(1), "Open files."))?;
    /// let guard = open.guard();
    /// assert_eq!(open.get(), 1.0);
    /// drop(guard);
    /// assert_eq!(open.get(), 0.0);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the gauge goes down when the guard is dropped"]
    pub fn guard(&self) -> GaugeGuard {
        self.guard_of(1.0)
    }

    /// Adds `amount` now, and subtracts it when the guard is dropped. See [`guard`](Self::guard).
    #[must_use = "the gauge goes down when the guard is dropped"]
    pub fn guard_of(&self, amount: f64) -> GaugeGuard {
        self.add(amount);
        GaugeGuard { gauge: self.clone(), amount }
    }

    /// The current value.
    #[must_use]
    pub fn get(&self) -> f64 {
        self.0.get()
    }
}

/// Subtracts from a [`Gauge`] when it is dropped. Made by [`Gauge::guard`] and [`Gauge::guard_of`].
pub struct GaugeGuard {
    gauge: Gauge,
    amount: f64,
}

impl fmt::Debug for GaugeGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GaugeGuard").field("amount", &self.amount).finish_non_exhaustive()
    }
}

impl Drop for GaugeGuard {
    fn drop(&mut self) {
        self.gauge.add(-self.amount);
    }
}
