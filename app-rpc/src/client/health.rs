//! Whether an instance works: what became of its last calls, and whether it is ejected.
//!
//! An instance whose calls all fail, while those of the others succeed, is ejected: it gets no calls for a while. Then one call tries
//! it. If that call succeeds, the instance is back; if not, the ejection begins again and lasts twice as long.
//!
//! Invariants:
//! 1. `state` is [`IN`] unless the instance is ejected. A call that succeeds on an instance that is `IN` writes nothing but a counter.
//! 2. At most half of the instances are ejected. [`Instances`](super::instances::Instances) checks it under its lock.
//! 3. At most one call at a time tries an ejected instance: `state` goes from [`OUT`] to [`TRYING`] by one exchange.

use std::sync::atomic::{AtomicU8, AtomicU32, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

const IN: u8 = 0;
const OUT: u8 = 1;
const TRYING: u8 = 2;

/// The share of calls that succeeded: all.
const ALL: u32 = 1 << 16;

/// An instance works well from this share of successes on: four of five.
const WELL: u32 = ALL / 5 * 4;

/// The share is a mean over about this many calls, as a power of two: 8.
const WEIGHT: u32 = 3;

/// An ejection lasts at most as long as this many first ones.
const LONGEST: u32 = 64;

/// What the last calls of one instance became.
pub(super) struct Health {
    state: AtomicU8,
    /// Calls that failed since the last success.
    failures: AtomicU32,
    /// The share of calls that succeeded lately.
    share: AtomicU32,
    ejection: Mutex<Ejection>,
}

struct Ejection {
    /// Which ejection in a row it is, and how long it lasts.
    number: u32,
    time: Duration,
    /// When the ejected instance may be tried, or the end of the last ejection.
    until: Option<Instant>,
}

impl Default for Health {
    fn default() -> Self {
        Self {
            state: AtomicU8::new(IN),
            failures: AtomicU32::new(0),
            share: AtomicU32::new(ALL),
            ejection: Mutex::new(Ejection { number: 0, time: Duration::ZERO, until: None }),
        }
    }
}

impl Health {
    /// Whether the instance gets calls.
    pub(super) fn is_in(&self) -> bool {
        // `Acquire` and `Release` are not needed: who reads another state reads the rest under the lock.
        self.state.load(Ordering::Relaxed) == IN
    }

    /// Takes a success into the record.
    pub(super) fn succeeded(&self) {
        if self.failures.load(Ordering::Relaxed) != 0 {
            self.failures.store(0, Ordering::Relaxed);
        }
        let share = self.share.load(Ordering::Relaxed);
        if share < ALL {
            self.share.store(share + ((ALL - share) >> WEIGHT).max(1), Ordering::Relaxed);
        }
    }

    /// Takes a failure into the record. Returns how many there were since the last success.
    pub(super) fn failed(&self) -> u32 {
        let share = self.share.load(Ordering::Relaxed);
        self.share.store(share - (share >> WEIGHT), Ordering::Relaxed);
        self.failures.fetch_add(1, Ordering::Relaxed).saturating_add(1)
    }

    /// Whether the last call succeeded, and most calls before it.
    pub(super) fn works_well(&self) -> bool {
        self.is_in()
            && self.failures.load(Ordering::Relaxed) == 0
            && self.share.load(Ordering::Relaxed) >= WELL
    }

    /// Ejects the instance. `first` is how long the first ejection lasts. Returns how long this one does.
    pub(super) fn eject(&self, first: Duration) -> Duration {
        let now = Instant::now();
        let mut ejection = self.ejection.lock();
        // An instance that worked for as long as it was ejected begins anew.
        let is_new = ejection.until.is_none_or(|until| now.saturating_duration_since(until) > ejection.time);
        let again = self.state.load(Ordering::Relaxed) != IN || !is_new;
        ejection.number = if again { ejection.number.saturating_add(1) } else { 0 };
        ejection.time = first.saturating_mul(2_u32.saturating_pow(ejection.number).min(LONGEST));
        ejection.until = Some(now + ejection.time);
        self.state.store(OUT, Ordering::Relaxed);
        ejection.time
    }

    /// Takes an ejected instance for a call that tries it. `false` if it is not its time yet, or if another call does so.
    pub(super) fn try_again(&self) -> bool {
        let due = self.ejected_until().is_some_and(|until| until <= Instant::now());
        let exchange = |from, to| self.state.compare_exchange(from, to, Ordering::Relaxed, Ordering::Relaxed);
        due && exchange(OUT, TRYING).is_ok()
    }

    /// The next call may try the instance, because another process may have its address now.
    pub(super) fn try_soon(&self) {
        let mut ejection = self.ejection.lock();
        if !self.is_in() {
            ejection.until = Some(Instant::now());
        }
    }

    /// Nothing is known of the call that tried the instance. The next call tries it.
    pub(super) fn not_tried(&self) {
        let _ = self.state.compare_exchange(TRYING, OUT, Ordering::Relaxed, Ordering::Relaxed);
    }

    /// Ends the ejection: the instance works again.
    pub(super) fn is_back(&self) {
        let mut ejection = self.ejection.lock();
        ejection.until = Some(Instant::now());
        self.share.store(ALL, Ordering::Relaxed);
        self.failures.store(0, Ordering::Relaxed);
        self.state.store(IN, Ordering::Relaxed);
    }

    /// Until when the instance is ejected. The time may have passed: then the next call tries it.
    pub(super) fn ejected_until(&self) -> Option<Instant> {
        let ejection = self.ejection.lock();
        ejection.until.filter(|_| !self.is_in())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST: Duration = Duration::from_secs(1);

    #[tokio::test(start_paused = true)]
    async fn an_ejection_that_follows_another_lasts_twice_as_long() {
        let health = Health::default();
        let mut times = Vec::new();
        for _ in 0..9 {
            times.push(health.eject(FIRST).as_secs());
            assert!(!health.is_in() && !health.try_again(), "it is not its time yet");
            tokio::time::advance(Duration::from_secs(*times.last().unwrap())).await;
            assert!(health.try_again());
            assert!(!health.try_again(), "one call at a time");
        }
        assert_eq!(times, [1, 2, 4, 8, 16, 32, 64, 64, 64]);
        health.not_tried();
        assert!(health.try_again(), "the call ended without a result");
        health.is_back();
        assert!(health.is_in() && health.ejected_until().is_none());
        assert_eq!(health.eject(FIRST).as_secs(), 64, "it did not work for long");
        health.is_back();
        tokio::time::advance(Duration::from_secs(65)).await;
        assert_eq!(health.eject(FIRST).as_secs(), 1, "it worked for as long as it was ejected");
    }

    #[test]
    fn an_instance_works_well_while_most_calls_and_the_last_one_succeed() {
        let health = Health::default();
        assert!(health.works_well());
        assert_eq!(health.failed(), 1);
        assert!(!health.works_well());
        health.succeeded();
        assert!(health.works_well());
        assert_eq!((1..=4).map(|_| health.failed()).last(), Some(4));
        health.succeeded();
        assert!(!health.works_well(), "one success after four failures");
        (0..20).for_each(|_| health.succeeded());
        assert!(health.works_well());
    }
}
