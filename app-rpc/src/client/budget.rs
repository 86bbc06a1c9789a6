//! The retry budget: how many calls a client may make again.
//!
//! A server with too much work refuses calls. If every client made each refused call again at once, the server would get several times
//! the work. So retries are a share of the calls. A floor lets a client with few calls retry as well.
//!
//! The budget is looked at only when a call failed. Then it counts the calls since the last look. So a call that succeeds pays nothing.

use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

use crate::RpcClientConfig;

/// A longer time without a retry counts as this long.
const LONGEST: Duration = Duration::from_secs(60);

/// How many calls a client may make again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RetryLimits {
    /// How many in a hundred calls.
    percent: u32,
    /// How many in a second, beside these.
    per_second: u32,
}

impl RetryLimits {
    pub(super) fn of(config: &RpcClientConfig) -> Self {
        Self { percent: config.retry_percent, per_second: config.retries_per_second }
    }

    /// What ten seconds without a retry save, in hundredths of a retry. More is not saved, so a long quiet time allows no flood.
    fn most(self) -> u64 {
        1000 * u64::from(self.per_second) + 1000 * u64::from(self.percent)
    }

    /// What the floor allows in this time, in hundredths of a retry.
    fn earned_within(self, time: Duration) -> u64 {
        let micros = u64::try_from(time.min(LONGEST).as_micros()).unwrap_or(u64::MAX);
        u64::from(self.per_second) * micros / 10_000
    }

    /// The time in which the floor allows this much. `None` without a floor.
    fn time_of(self, earned: u64) -> Option<Duration> {
        Some(Duration::from_micros((earned * 10_000).checked_div(self.per_second.into())?))
    }
}

/// A bucket of tokens, each for one retry.
pub(super) struct RetryBudget(Mutex<Bucket>);

struct Bucket {
    /// In hundredths of a retry.
    saved: u64,
    calls: u32,
    filled: Instant,
}

impl RetryBudget {
    pub(super) fn new(limits: RetryLimits) -> Self {
        // At the start, ten seconds of the floor are saved.
        let saved = 1000 * u64::from(limits.per_second);
        Self(Mutex::new(Bucket { saved, calls: 0, filled: Instant::now() }))
    }

    /// Takes a retry out of the budget, and returns whether there was one. `calls` is how many calls the client has made so far; it may
    /// wrap.
    pub(super) fn take(&self, limits: RetryLimits, calls: u32) -> bool {
        let now = Instant::now();
        let mut bucket = self.0.lock();
        // The counts of several threads may be a little behind each other. A difference below zero is none.
        let made = Some(calls.wrapping_sub(bucket.calls)).filter(|made| *made <= u32::MAX / 2).unwrap_or(0);
        let passed = now.saturating_duration_since(bucket.filled);
        let earned = limits.earned_within(passed);
        bucket.filled = match limits.time_of(earned) {
            // What is less than a hundredth of a retry stays in the time.
            Some(time) if passed < LONGEST => bucket.filled + time,
            _ => now,
        };
        let saved =
            bucket.saved.saturating_add(earned).saturating_add(u64::from(made) * u64::from(limits.percent));
        bucket.calls = bucket.calls.wrapping_add(made);
        bucket.saved = saved.min(limits.most());
        let taken = bucket.saved.checked_sub(100);
        bucket.saved = taken.unwrap_or(bucket.saved);
        taken.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: RetryLimits = RetryLimits { percent: 20, per_second: 10 };

    fn taken(budget: &RetryBudget, limits: RetryLimits, calls: u32, tries: u32) -> usize {
        (0..tries).filter(|_| budget.take(limits, calls)).count()
    }

    #[tokio::test(start_paused = true)]
    async fn retries_are_a_share_of_the_calls_and_some_each_second() {
        let budget = RetryBudget::new(LIMITS);
        assert_eq!(taken(&budget, LIMITS, 0, 1000), 100, "ten seconds of the floor at the start");
        assert_eq!(taken(&budget, LIMITS, 500, 1000), 100, "a fifth of 500 calls");
        assert_eq!(taken(&budget, LIMITS, 500, 1000), 0);
        tokio::time::advance(Duration::from_secs(3)).await;
        assert_eq!(taken(&budget, LIMITS, 500, 1000), 30, "three seconds");
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(taken(&budget, LIMITS, 1_000_000, 1000), 300, "more is not saved");
    }

    #[tokio::test(start_paused = true)]
    async fn many_looks_in_a_short_time_lose_nothing() {
        let budget = RetryBudget::new(LIMITS);
        taken(&budget, LIMITS, 0, 1000);
        let mut retries = 0;
        for _ in 0..10_000 {
            tokio::time::advance(Duration::from_micros(100)).await;
            retries += taken(&budget, LIMITS, 0, 1);
        }
        assert!((9..=10).contains(&retries), "{retries} in a second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_number_of_calls_may_wrap_and_may_be_a_little_behind() {
        let budget =
            RetryBudget(Mutex::new(Bucket { saved: 0, calls: u32::MAX - 99, filled: Instant::now() }));
        assert_eq!(taken(&budget, LIMITS, u32::MAX - 150, 1000), 0, "behind");
        assert_eq!(taken(&budget, LIMITS, 400, 1000), 100, "500 calls more");
        assert_eq!(taken(&budget, LIMITS, 390, 1000), 0);
        assert_eq!(taken(&budget, LIMITS, 405, 1000), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn without_a_share_and_a_floor_nothing_is_made_again() {
        let none = RetryLimits { percent: 0, per_second: 0 };
        let budget = RetryBudget::new(none);
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(taken(&budget, none, 1_000_000, 100), 0);
        // A new config counts from now on.
        assert_eq!(taken(&budget, LIMITS, 1_000_000, 1000), 0);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&budget, LIMITS, 1_000_100, 1000), 30);
    }
}
