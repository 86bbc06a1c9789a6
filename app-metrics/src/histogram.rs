//! A histogram: the distribution of observed values over buckets.
//!
//! Invariants:
//! 1. There is one bucket more than there are `bounds`: the last bucket is for values above every bound.
//! 2. The count of a histogram is the sum of its buckets, computed from the same reads, and stored nowhere else. So a
//!    scrape sees a count that agrees with the buckets, without any lock.
//! 3. No observation is lost: each is one addition to one bucket and one addition to the sum.
//!
//! An observation of a sampled trace is also kept as the exemplar of its bucket (`exemplars`). Any other one pays a branch for that.

mod exemplars;
#[cfg(test)]
mod tests;
mod timer;

pub(crate) use exemplars::Exemplar;
pub use timer::HistogramTimer;

use crate::stripe;
use crate::striped::Striped;
use crate::sync::AtomicU64;
use app_core::trace::TraceContext;
use exemplars::Exemplars;
use std::sync::Arc;

/// Observed values, counted in buckets: latencies in seconds, sizes in bytes.
///
/// A cheap handle: clones count into the same buckets. The buckets live as long as a handle or their registration. No
/// method takes a lock, and for the thread that observed first there is no locked instruction. When threads contend,
/// each gets buckets of its own. Do not observe in signal handlers: a handler that interrupts an observation of its own
/// thread may undo that observation.
///
/// Every observation is counted once and added to the sum once. The sum is a sum of floats, which rounds: its last
/// digits depend on the order in which threads add.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Upper bounds, inclusive, finite, strictly increasing: the spec was validated.
    bounds: Arc<[f64]>,
    /// The sum as the bits of an `f64`, then the buckets.
    sums: Striped<Box<[AtomicU64]>>,
    exemplars: Exemplars,
}

const SUM: usize = 0;
const BUCKETS: usize = 1;

/// With at most this many bounds, comparing a value with all of them is faster than a search.
const FEW_BOUNDS: usize = 16;

/// The content of a histogram at one moment.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct HistogramSnapshot {
    /// Upper bounds, inclusive. There is one bucket more, for values above the last bound.
    pub bounds: Arc<[f64]>,
    /// Observations in each bucket, not cumulated: `counts[i]` are those in `(bounds[i - 1], bounds[i]]`.
    pub counts: Vec<u64>,
    /// The sum of the observed values.
    pub sum: f64,
}

impl HistogramSnapshot {
    /// Number of observed values.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histogram {
    /// `bounds` are those of a validated spec.
    pub(crate) fn new(bounds: Arc<[f64]>) -> Self {
        let words = (0..2 * (BUCKETS + bounds.len() + 1)).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells { bounds, sums: Striped::new(words), exemplars: Exemplars::new() }))
    }

    /// Counts `value` in the first bucket whose bound is not below it.
    ///
    /// Ignores a value that is not finite, because it would spoil the sum for good. Within a sampled trace, the value becomes the
    /// exemplar of its bucket: OpenMetrics shows it with the ids of the trace and the span.
    #[inline]
    pub fn observe(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let bucket = BUCKETS + self.bucket(value);
        match self.0.sums.owned() {
            Some(own) => {
                own.add(bucket, 1);
                own.add_f64(SUM, value);
            }
            None => self.observe_beside_others(bucket, value),
        }
        if let Some(ids) = TraceContext::current_sampled() {
            self.0.exemplars.keep(self.0.bounds.len() + 1, bucket - BUCKETS, value, ids);
        }
    }

    fn observe_beside_others(&self, bucket: usize, value: f64) {
        let stripe = stripe::current();
        match self.0.sums.claimed(stripe) {
            Some(own) => {
                own.add(bucket, 1);
                own.add_f64(SUM, value);
            }
            None => self.0.sums.add_shared(stripe, stripe::samples_contention(), SUM, |words| {
                words.add(bucket, 1) & words.add_f64(SUM, value)
            }),
        }
    }

    /// Starts a timer. When the timer is dropped, it observes the elapsed time in seconds.
    ///
    /// The timer observes however the code ends: at its end, by an early return, during a panic, and when its future is
    /// cancelled. Call [`HistogramTimer::discard`] to observe nothing, such as for a request that was refused. The clock is
    /// tokio's, so a test with paused time controls it.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # use app_metrics::{HistogramSpec, METRICS_SERVICE_ID, Metrics};
    /// # const STORE: ServiceId = ServiceId::new(0xb1d3_02a9_7c55_e011);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([METRICS_SERVICE_ID]).await;
    /// # let metrics = app.get::<Metrics>();
    /// let spec = HistogramSpec::new(STORE, MetricId::new(1), "Seconds that writes took.", [0.01, 0.1, 1.0]);
    /// let writes = metrics.histogram(spec)?;
    /// {
    ///     let _timer = writes.start_timer();
    ///     // the work
    /// }
    /// assert_eq!(writes.snapshot().count(), 1);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use = "the time is observed when the timer is dropped"]
    pub fn start_timer(&self) -> HistogramTimer {
        HistogramTimer::new(self.clone())
    }

    /// Adds observations that were counted elsewhere. `counts` has one item for each bucket, which is one more than
    /// bounds.
    pub(crate) fn add_counts(&self, counts: &[u64], sum: f64) {
        self.0.sums.add_shared(stripe::current(), false, SUM, |words| {
            for (bucket, count) in (BUCKETS..).zip(counts) {
                words.add(bucket, *count);
            }
            words.add_f64(SUM, sum)
        });
    }

    #[inline]
    fn bucket(&self, value: f64) -> usize {
        let bounds = &*self.0.bounds;
        if bounds.len() <= FEW_BOUNDS {
            return bounds.iter().map(|bound| usize::from(*bound < value)).sum();
        }
        bounds.partition_point(|bound| *bound < value)
    }

    fn sum(&self) -> f64 {
        self.0.sums.sum_f64(SUM).clamp(f64::MIN, f64::MAX)
    }

    fn counts(&self) -> impl Iterator<Item = u64> {
        (BUCKETS..=BUCKETS + self.0.bounds.len()).map(|bucket| self.0.sums.sum(bucket))
    }

    /// The current content. An observation made meanwhile may be in the sum and not yet in a bucket, or the reverse.
    /// The count always is that of the buckets.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: Arc::clone(&self.0.bounds),
            counts: self.counts().collect(),
            sum: self.sum(),
        }
    }

    /// The last observation in a bucket that belongs to a sampled trace, if it is one of the past five minutes.
    pub(crate) fn exemplar(&self, bucket: usize) -> Option<Exemplar> {
        self.0.exemplars.of(bucket)
    }

    /// Writes the upper bound and the observations of each bucket into `buckets`, and returns the sum. The last bound
    /// is infinite.
    ///
    /// Clears `buckets` first. A scrape of many histograms passes the same vector, so it allocates once.
    pub(crate) fn read_into(&self, buckets: &mut Vec<(f64, u64)>) -> f64 {
        buckets.clear();
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        buckets.extend(bounds.zip(self.counts()));
        self.sum()
    }
}
