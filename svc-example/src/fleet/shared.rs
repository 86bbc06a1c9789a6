//! The arithmetic of a shared bucket. Its whole state is the moment at which it is full again.
//!
//! Moments are nanoseconds since 1970. Costs are rounded up and give-backs down, so rounding never grants more.

use std::time::Duration;

use super::clock::SKEW;
use crate::Rule;

/// A moment, in nanoseconds since 1970.
pub(crate) type Nanos = i64;

/// How the shared buckets of one rule fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SharedRate {
    permits: u128,
    period_nanos: u128,
    burst: u32,
    /// From empty to full.
    capacity: i128,
}

/// Permits that were taken, and the moment at which the bucket is full again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    pub(crate) permits: u32,
    pub(crate) full_at: Nanos,
}

impl SharedRate {
    pub(crate) fn new(rule: &Rule) -> Self {
        let fill_nanos = rule.fill_time().as_nanos();
        Self {
            permits: rule.permits.get().into(),
            period_nanos: rule.period().as_nanos(),
            burst: rule.burst.get(),
            capacity: i128::try_from(fill_nanos).unwrap_or(i128::MAX),
        }
    }

    /// How long these permits take to come back, rounded up.
    fn cost(&self, permits: u32) -> i128 {
        let nanos = (u128::from(permits) * self.period_nanos).div_ceil(self.permits);
        i128::try_from(nanos).unwrap_or(i128::MAX)
    }

    /// What the bucket misses of being full.
    fn missing(full_at: Nanos, now: Nanos) -> i128 {
        (i128::from(full_at) - i128::from(now)).max(0)
    }

    /// The state of a bucket that misses more than this rule lets it miss, and more than clocks explain: it was written under a
    /// slower rule. It becomes an empty bucket. `None` for any other.
    pub(crate) fn refit(&self, full_at: Nanos, now: Nanos) -> Option<Nanos> {
        let clocks = 2 * i128::try_from(SKEW.as_nanos()).unwrap_or(i128::MAX);
        let too_much = Self::missing(full_at, now) > self.capacity.saturating_add(clocks);
        too_much.then(|| Nanos::try_from(i128::from(now) + self.capacity).unwrap_or(Nanos::MAX))
    }

    /// Whole permits in a bucket.
    pub(crate) fn available(&self, full_at: Nanos, now: Nanos) -> u32 {
        let held = u128::try_from(self.capacity - Self::missing(full_at, now)).unwrap_or_default();
        let permits = held * self.permits / self.period_nanos;
        u32::try_from(permits).unwrap_or(u32::MAX).min(self.burst)
    }

    /// Takes at least `needed` permits, and as many as there are up to `wanted`. If the bucket holds too few, returns the time until
    /// it holds enough.
    pub(crate) fn take(
        &self,
        full_at: Nanos,
        now: Nanos,
        needed: u32,
        wanted: u32,
    ) -> Result<Taken, Duration> {
        let missing = Self::missing(full_at, now);
        let too_much = missing + self.cost(needed) - self.capacity;
        if too_much > 0 {
            return Err(Duration::from_nanos(u64::try_from(too_much).unwrap_or(u64::MAX)));
        }
        let mut permits = wanted.min(self.available(full_at, now)).max(needed);
        // The rounding of the cost may ask for a nanosecond more than there is.
        while permits > needed && missing + self.cost(permits) > self.capacity {
            permits -= 1;
        }
        let full_at = i128::from(now) + missing + self.cost(permits);
        Ok(Taken { permits, full_at: Nanos::try_from(full_at).unwrap_or(Nanos::MAX) })
    }

    /// The moment at which the bucket is full after permits were given back.
    pub(crate) fn after_give_back(&self, full_at: Nanos, permits: u32) -> Nanos {
        let nanos = u128::from(permits) * self.period_nanos / self.permits;
        full_at.saturating_sub(Nanos::try_from(nanos).unwrap_or(Nanos::MAX))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::num::NonZeroU32;

    use proptest::{prop_assert, prop_assert_eq, proptest};

    use super::*;

    fn rate(permits: u32, period_millis: u32, burst: u32) -> SharedRate {
        let positive = |value| NonZeroU32::new(value).unwrap();
        let (permits, period_millis, burst) = (positive(permits), positive(period_millis), positive(burst));
        SharedRate::new(&Rule { permits, period_millis, burst, ..Rule::default() })
    }

    const NOW: Nanos = 1_800_000_000_000_000_000;
    const SECOND: Nanos = 1_000_000_000;

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_what_comes_back() {
        let rate = rate(3, 1_000, 9);
        assert_eq!(rate.available(0, NOW), 9);
        let taken = rate.take(0, NOW, 1, 100).unwrap();
        assert_eq!(taken, Taken { permits: 9, full_at: NOW + 3 * SECOND });
        assert_eq!(rate.take(taken.full_at, NOW, 1, 1).unwrap_err(), Duration::from_nanos(333_333_334));
        let later = rate.take(taken.full_at, NOW + SECOND, 1, 100).unwrap();
        assert_eq!(later.permits, 3);
    }

    #[test]
    fn what_is_given_back_can_be_taken_again() {
        let rate = rate(10, 1_000, 10);
        let taken = rate.take(0, NOW, 10, 10).unwrap();
        let full_at = rate.after_give_back(taken.full_at, 4);
        assert_eq!(rate.available(full_at, NOW), 4);
    }

    #[test]
    fn a_bucket_of_a_slower_rule_becomes_an_empty_one() {
        let (slow, quick) = (rate(1, 3_600_000, 24), rate(10, 1_000, 10));
        let full_at = slow.take(0, NOW, 24, 24).unwrap().full_at;
        let refitted = quick.refit(full_at, NOW).unwrap();
        assert_eq!((quick.available(refitted, NOW), quick.available(refitted, NOW + SECOND)), (0, 10));
        assert_eq!(slow.refit(full_at, NOW), None);
    }

    proptest! {
        #[test]
        fn what_is_taken_in_a_time_is_at_most_the_burst_and_what_comes_back(
            permits in 1_u32..1_000, period in 1_u32..100_000, burst in 1_u32..5_000,
            steps in proptest::collection::vec((0_i64..5_000_000_000, 1_u32..50, 0_u32..50), 1..60),
        ) {
            let rate = rate(permits, period, burst.max(permits));
            let (mut now, mut full_at, mut taken) = (NOW, 0, 0_u128);
            for (pass, needed, more) in steps {
                now += pass;
                let before = rate.available(full_at, now);
                match rate.take(full_at, now, needed, needed + more) {
                    Ok(got) => {
                        prop_assert!(got.permits >= needed && got.permits <= needed + more);
                        taken += u128::from(got.permits);
                        full_at = got.full_at;
                    }
                    Err(wait) => {
                        prop_assert!(before < needed && !wait.is_zero());
                        let later = now + Nanos::try_from(wait.as_nanos()).unwrap();
                        prop_assert_eq!(rate.take(full_at, later, needed, needed).is_ok(), needed <= burst.max(permits));
                    }
                }
                let nanos = u128::try_from(now - NOW).unwrap();
                let bound = u128::from(burst.max(permits)) * u128::from(period) * 1_000_000 + nanos * u128::from(permits);
                prop_assert!(taken * u128::from(period) * 1_000_000 <= bound + u128::from(permits));
            }
        }
    }
}
