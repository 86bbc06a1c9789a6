//! A histogram: how observed values are distributed over buckets.
//!
//! Invariants:
//! 1. `counts` has one entry more than `bounds`: the last is for what is above every bound.
//! 2. The count of a histogram is the sum of its buckets, computed from the same reads, and kept nowhere else. So a
//!    scrape can't see a count that disagrees with the buckets, without any lock.
//! 3. No observation is lost: each is one addition to one bucket and one to the sum.

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Observed values, counted in buckets: latencies in seconds, sizes in bytes.
///
/// A cheap handle: clones count into the same buckets, which live as long as one of them or their registration.
/// Nothing here takes a lock.
#[derive(Clone, Debug)]
pub struct Histogram(Arc<Cells>);

#[derive(Debug)]
struct Cells {
    /// Upper bounds, inclusive, finite, strictly increasing: the spec was validated.
    bounds: Arc<[f64]>,
    counts: Box<[AtomicU64]>,
    /// An `f64`, as its bits.
    sum: AtomicU64,
}

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
        let counts = (0..=bounds.len()).map(|_| AtomicU64::new(0)).collect();
        Self(Arc::new(Cells { bounds, counts, sum: AtomicU64::new(0) }))
    }

    /// Counts `value` in the first bucket whose bound is not below it.
    ///
    /// A value that is not finite is ignored: one of them would make the sum useless for ever.
    #[inline]
    pub fn observe(&self, value: f64) {
        if !value.is_finite() {
            return;
        }
        let Cells { bounds, counts, sum } = &*self.0;
        let bucket = bounds.partition_point(|bound| *bound < value);
        if let Some(count) = counts.get(bucket) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        let add = |bits| Some((f64::from_bits(bits) + value).to_bits());
        // The closure never gives `None`, so this can't fail.
        let _ = sum.fetch_update(Ordering::Relaxed, Ordering::Relaxed, add);
    }

    /// What it holds now. Observations made meanwhile may be in the sum and not yet in a bucket, or the reverse; the
    /// count always is that of the buckets.
    #[must_use]
    pub fn snapshot(&self) -> HistogramSnapshot {
        HistogramSnapshot {
            bounds: Arc::clone(&self.0.bounds),
            counts: self.0.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect(),
            sum: f64::from_bits(self.0.sum.load(Ordering::Relaxed)),
        }
    }

    /// Upper bound and observations of each bucket, the last bound infinite, and the sum; into `buckets`, which is
    /// emptied first, so that a scrape of many histograms allocates once.
    pub(crate) fn read_into(&self, buckets: &mut Vec<(f64, u64)>) -> f64 {
        buckets.clear();
        let bounds = self.0.bounds.iter().copied().chain([f64::INFINITY]);
        buckets.extend(bounds.zip(self.0.counts.iter().map(|count| count.load(Ordering::Relaxed))));
        f64::from_bits(self.0.sum.load(Ordering::Relaxed))
    }
}
