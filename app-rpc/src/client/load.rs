//! How busy an instance is: its calls in flight, and how fast it answered lately.
//!
//! The counters are written by each call on every thread. So they are plain atomics, and each call writes the line of its instance
//! alone. Orderings are `Relaxed`: a choice needs a recent value and no other memory.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// One call that began, in the upper half of the counter, and one in flight, in the lower half.
const BEGUN: u64 = (1 << 32) | 1;
const IN_FLIGHT: u64 = (1 << 32) - 1;

/// Bits of the fraction of a logarithm.
const FRACTION: u32 = 16;

/// A latency is a mean over about this many answers, as a power of two: 16.
const WEIGHT: u32 = 4;

/// Latencies within a factor of two are equal: the measures of equal instances differ by as much on a busy machine.
const EQUAL: u32 = 1 << FRACTION;

/// The most that a latency counts against an instance, as a power of two: it still gets one of 256 choices.
const MOST: f32 = 8.0;

/// The load of one instance, by this client.
#[derive(Default)]
#[repr(align(64))]
pub(super) struct Load {
    calls: AtomicU64,
    /// The logarithm to the base of two of the mean latency in nanoseconds, as a fixed-point number. 0: no answer yet.
    ///
    /// A mean of logarithms is a geometric mean. One answer that is a hundred times slower does not move it by much; many are noticed
    /// at once.
    latency: AtomicU32,
}

impl Load {
    /// Counts a call that begins.
    pub(super) fn begin(&self) {
        self.calls.fetch_add(BEGUN, Ordering::Relaxed);
    }

    /// Counts the end of a call.
    pub(super) fn end(&self) {
        self.calls.fetch_sub(1, Ordering::Relaxed);
    }

    pub(super) fn in_flight(&self) -> u32 {
        u32::try_from(self.calls.load(Ordering::Relaxed) & IN_FLIGHT).unwrap_or(u32::MAX)
    }

    /// All calls that began. It wraps at 2^32.
    pub(super) fn begun(&self) -> u32 {
        u32::try_from(self.calls.load(Ordering::Relaxed) >> 32).unwrap_or(0)
    }

    /// Takes the latency of an answer into the mean. Two threads may do so at once, and one of the two answers is then lost.
    pub(super) fn answered_within(&self, took: Duration) {
        let taken = log2(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX).max(2));
        let mean = match self.latency.load(Ordering::Relaxed) {
            0 => taken,
            mean if taken >= mean => mean + ((taken - mean) >> WEIGHT),
            mean => mean - ((mean - taken) >> WEIGHT),
        };
        self.latency.store(mean, Ordering::Relaxed);
    }

    /// Takes the time that passed without an answer into the mean, if it is longer than the mean: the answer would have taken longer.
    pub(super) fn unanswered_for(&self, time: Duration) {
        if self.latency().is_none_or(|mean| time > mean) {
            self.answered_within(time);
        }
    }

    /// Forgets the latency: another process may have the address now.
    pub(super) fn forget_latency(&self) {
        self.latency.store(0, Ordering::Relaxed);
    }

    /// The mean latency of the last answers.
    pub(super) fn latency(&self) -> Option<Duration> {
        let log = self.latency.load(Ordering::Relaxed);
        let seconds = (f64::from(log) / f64::from(EQUAL)).exp2() / 1e9;
        (log > 0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }

    /// Whether the next call should go here and not to `other`. `random` decides between equals.
    ///
    /// Of two instances that are about as fast, the one with fewer calls in flight is better. Of two others, the one with the lower
    /// product of latency and calls is better; but the other one keeps a share, so that the client notices when it has recovered.
    pub(super) fn is_better_than(&self, other: &Self, random: u32) -> bool {
        let (here, there) = (self.latency.load(Ordering::Relaxed), other.latency.load(Ordering::Relaxed));
        let (calls, others) = (self.in_flight(), other.in_flight());
        if here == 0 || there == 0 || here.abs_diff(there) < EQUAL {
            return if calls == others { random & 1 == 0 } else { calls < others };
        }
        let cost = |latency: u32, calls: u32| u64::from(latency) + u64::from(log2(u64::from(calls) + 1));
        let (here, there) = (cost(here, calls), cost(there, others));
        #[expect(
            clippy::cast_precision_loss,
            reason = "the difference is at most 2^22, and only its size counts"
        )]
        let factor = (here.abs_diff(there) as f32 / EQUAL as f32).min(MOST).exp2();
        #[expect(clippy::cast_precision_loss, reason = "a share of the choices")]
        let to_the_costlier = (random as f32) * (1.0 + factor) < u32::MAX as f32;
        (here < there) != to_the_costlier
    }
}

/// The logarithm to the base of two, as a fixed-point number. Between powers of two it is a straight line, which is off by 0.09 at most.
fn log2(number: u64) -> u32 {
    let whole = number.max(1).ilog2();
    let rest = number.max(1) ^ (1 << whole);
    let fraction = if whole >= FRACTION { rest >> (whole - FRACTION) } else { rest << (FRACTION - whole) };
    (whole << FRACTION) | u32::try_from(fraction).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The share of `one` in many choices between two.
    fn share_of(one: &Load, other: &Load) -> f64 {
        let mut random = fastrand::Rng::with_seed(7);
        let chosen = (0..100_000).filter(|_| one.is_better_than(other, random.u32(..))).count();
        f64::from(u32::try_from(chosen).unwrap()) / 100_000.0
    }

    fn with_latency(millis: u64) -> Load {
        let load = Load::default();
        for _ in 0..200 {
            load.answered_within(Duration::from_millis(millis));
        }
        load
    }

    #[test]
    fn a_latency_is_the_mean_of_the_last_answers_and_one_slow_answer_moves_it_little() {
        let load = with_latency(10);
        let mean = |load: &Load| load.latency().unwrap().as_secs_f64() * 1e3;
        assert!((mean(&load) - 10.0).abs() < 1.0, "{}", mean(&load));
        load.answered_within(Duration::from_secs(1));
        assert!(mean(&load) < 15.0, "{}", mean(&load));
        for _ in 0..40 {
            load.answered_within(Duration::from_millis(100));
        }
        assert!(mean(&load) > 70.0, "{}", mean(&load));
        load.unanswered_for(Duration::from_millis(1));
        assert!(mean(&load) > 70.0, "an answer that nobody waited for says nothing");
        load.forget_latency();
        assert_eq!(load.latency(), None);
    }

    #[test]
    fn equal_instances_are_chosen_equally_often_and_the_one_with_fewer_calls_is_better() {
        let (one, other) = (with_latency(10), with_latency(14));
        assert!((share_of(&one, &other) - 0.5).abs() < 0.02);
        other.begin();
        assert!(share_of(&one, &other) > 0.999);
        other.end();
        assert_eq!((other.in_flight(), other.begun()), (0, 1));
        assert!((share_of(&Load::default(), &other) - 0.5).abs() < 0.02, "nothing is known of one");
    }

    #[test]
    fn a_slower_instance_is_chosen_less_often_but_not_never() {
        let (fast, slow) = (with_latency(10), with_latency(100));
        let share = share_of(&slow, &fast);
        assert!((0.05..0.15).contains(&share), "{share}");
        assert!((share_of(&fast, &slow) + share - 1.0).abs() < 0.02);
        let stuck = with_latency(60_000);
        let share = share_of(&stuck, &fast);
        assert!((0.002..0.01).contains(&share), "{share}");
        // Twelve calls at the fast one are as much work as none at the slow one.
        (0..12).for_each(|_| fast.begin());
        assert!(share_of(&slow, &fast) > 0.4);
    }

    #[test]
    fn logarithms_grow_with_their_numbers() {
        assert_eq!((log2(0), log2(1), log2(2), log2(1 << 40)), (0, 0, 1 << 16, 40 << 16));
        let numbers = [1, 2, 3, 5, 100, 65_535, 65_536, 65_537, 1 << 33, (1 << 33) + (1 << 20), u64::MAX];
        assert!(numbers.is_sorted_by_key(|number| log2(*number)));
    }
}
