//! Histograms of durations. All have the same bounds, so that you can add them up over servers and instances.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

/// Upper bounds of the buckets in nanoseconds, inclusive: 1, 2.5 and 5 of every power of ten.
const BOUNDS_NANOS: [u64; 22] = [
    1_000,
    2_500,
    5_000,
    10_000,
    25_000,
    50_000,
    100_000,
    250_000,
    500_000,
    1_000_000,
    2_500_000,
    5_000_000,
    10_000_000,
    25_000_000,
    50_000_000,
    100_000_000,
    250_000_000,
    500_000_000,
    1_000_000_000,
    2_500_000_000,
    5_000_000_000,
    10_000_000_000,
];

/// A histogram of durations: the count of each bucket, and the sum of the durations.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimeHistogram {
    counts: [u64; BOUNDS_NANOS.len() + 1],
    sum_nanos: u64,
}

impl TimeHistogram {
    /// The upper bounds of the buckets in seconds, inclusive: 1, 2.5 and 5 of every power of ten from 1 us to 10 s.
    pub const BOUNDS_SECONDS: [f64; 22] = [
        1e-6, 2.5e-6, 5e-6, 1e-5, 2.5e-5, 5e-5, 1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 1e-2, 2.5e-2, 5e-2,
        0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0,
    ];

    /// The count of each bucket, not cumulative: one for each bound, and a last one for longer durations.
    #[must_use]
    pub fn counts(&self) -> &[u64] {
        &self.counts
    }

    /// The sum of all counts.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The sum of all durations, in seconds.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        Duration::from_nanos(self.sum_nanos).as_secs_f64()
    }
}

/// A [`TimeHistogram`] to add to. It allocates its counts when the first duration is added.
#[derive(Debug, Default)]
pub(super) struct Times {
    added: OnceLock<Box<Added>>,
}

#[derive(Debug, Default)]
struct Added {
    counts: [AtomicU64; BOUNDS_NANOS.len() + 1],
    sum_nanos: AtomicU64,
}

impl Times {
    /// Adds a duration that stands for `weight` equal ones.
    pub(super) fn add(&self, took: Duration, weight: u64) {
        let nanos = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        let bucket = BOUNDS_NANOS.partition_point(|bound| *bound < nanos);
        let added = self.added.get_or_init(Box::default);
        added.counts[bucket].fetch_add(weight, Relaxed);
        added.sum_nanos.fetch_add(nanos.saturating_mul(weight), Relaxed);
    }

    /// The histogram so far. A concurrent addition may be in the counts and not yet in the sum.
    pub(super) fn read(&self) -> TimeHistogram {
        self.added.get().map_or_else(TimeHistogram::default, |added| TimeHistogram {
            counts: std::array::from_fn(|bucket| added.counts[bucket].load(Relaxed)),
            sum_nanos: added.sum_nanos.load(Relaxed),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_counts_in_the_bucket_whose_bound_it_does_not_exceed() {
        let times = Times::default();
        times.add(Duration::ZERO, 1);
        times.add(Duration::from_micros(1), 1);
        times.add(Duration::from_nanos(1_001), 16);
        times.add(Duration::from_secs(10), 1);
        times.add(Duration::from_secs(11), 2);
        let read = times.read();
        assert_eq!((read.counts()[0], read.counts()[1], read.counts()[21], read.counts()[22]), (2, 16, 1, 2));
        assert_eq!(read.count(), 21);
        assert!((read.sum_seconds() - 32.000_017_016).abs() < 1e-9, "{}", read.sum_seconds());
    }

    #[test]
    fn the_bounds_in_seconds_are_those_in_nanoseconds() {
        for (nanos, seconds) in BOUNDS_NANOS.iter().zip(TimeHistogram::BOUNDS_SECONDS) {
            assert!((Duration::from_nanos(*nanos).as_secs_f64() - seconds).abs() < 1e-12, "{nanos}");
        }
    }
}
