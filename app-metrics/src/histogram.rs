//! A histogram: how observed values are distributed over buckets.
//!
//! Invariants:
//! 1. There is one bucket more than there are `bounds`: the last is for what is above every bound.
//! 2. The count of a histogram is the sum of its buckets, computed from the same reads, and kept nowhere else. So a
//!    scrape can't see a count that disagrees with the buckets, without any lock.
//! 3. No observation is lost: each is one addition to one bucket and one to the sum.

#[cfg(test)]
mod tests;

use crate::stripe;
use crate::striped::Striped;
use crate::sync::AtomicU64;
use std::sync::Arc;

/// Observed values, counted in buckets: latencies in seconds, sizes in bytes.
///
/// A cheap handle: clones count into the same buckets, which live as long as one of them or their registration.
/// Nothing here takes a lock; for the thread that observed first nor any locked instruction, and when threads get in each
/// other's way, each is given buckets of its own. Not for signal handlers: one that interrupts an observation of its own
/// thread may undo it.
///
/// Every observation is counted once and added to the sum once. The sum is that of floats, which rounds: in which order
/// values are added, and so the last digits of the sum, depend on the threads.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Upper bounds, inclusive, finite, strictly increasing: the spec was validated.
    bounds: Arc<[f64]>,
    /// The sum, an `f64` as its bits, then the buckets.
    sums: Striped<Box<[AtomicU64]>>,
}

const SUM: usize = 0;
const BUCKETS: usize = 1;

/// Up to so many bounds comparing a value with all of them is quicker than searching.
const FEW_BOUNDS: usize = 16;

/// What a histogram held at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct HistogramSnapshot {
    /// Upper bounds, inclusive; there is one bucket more, for what is above the last.
    pub bounds: Arc<[f64]>,
    /// Observations per bucket, not cumulated: `counts[i]` are those in `(bounds[i - 1], bounds[i]]`.
    pub counts: Vec<u64>,
    /// The sum of the observed values.
    pub sum: f64,
}

impl HistogramSnapshot {
    /// How many values were observed.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }
}

impl Histogram {
    /// `bounds` are those of a validated spec.
    pub(crate) fn new(bounds: Arc<[f64]>) -> Self {
        let words = (0..2 * (BUCKETS + bounds.len() + 1)).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells { bounds, sums: Striped::new(words) }))
    }

    /// Counts `value` in the first bucket whose bound is not below it.
    ///
    /// A value that is not finite is ignored: one of them would make the sum useless for ever.
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

    /// Adds what was observed elsewhere: how often for each bucket, of which there is one more than bounds, and the sum.
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

    /// What it holds now. Observations made meanwhile may be in the sum and not yet in a bucket, or the reverse; the
    /// count always is that of the buckets.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: Arc::clone(&self.0.bounds),
            counts: self.counts().collect(),
            sum: self.sum(),
        }
    }

    /// Upper bound and observations of each bucket, the last bound infinite, and the sum; into `buckets`, which is
    /// emptied first, so that a scrape of many histograms allocates once.
    pub(crate) fn read_into(&self, buckets: &mut Vec<(f64, u64)>) -> f64 {
        buckets.clear();
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        buckets.extend(bounds.zip(self.counts()));
        self.sum()
    }
}
