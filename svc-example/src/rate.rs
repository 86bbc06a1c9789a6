//! The arithmetic of one bucket. It is exact for all numbers and all idle times.
//!
//! A bucket that fills steadily is one number: the moment at which it is full. Nothing is added while time passes, so nothing
//! drifts. Time is counted in ticks of `1 / permits` nanoseconds. A permit is then a whole number of ticks, the period in
//! nanoseconds. Only the answers are rounded: `remaining` down to whole permits, `retry_after` up to whole nanoseconds.
//!
//! No sum overflows. A `Duration` is below 2^94 ns, a moment is below 2^126 ticks, and a bucket holds less than 2^84 ticks.

use std::time::Duration;

use crate::Rule;

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// A moment or a length of time, in ticks. Moments are counted from the creation of the buckets.
pub(crate) type Ticks = u128;

/// How the buckets of one rule fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    per_nanosecond: Ticks,
    per_permit: Ticks,
    /// Ticks from empty to full.
    capacity: Ticks,
}

impl Rate {
    pub(crate) fn new(rule: &Rule) -> Self {
        let per_permit = rule.period().as_nanos();
        Self {
            per_nanosecond: u128::from(rule.permits.get()),
            per_permit,
            capacity: u128::from(rule.burst.get()) * per_permit,
        }
    }

    /// The moment at this time after the creation of the buckets.
    pub(crate) fn moment(&self, elapsed: Duration) -> Ticks {
        elapsed.as_nanos() * self.per_nanosecond
    }

    /// Takes permits from a bucket and returns the new moment at which the bucket is full. If the bucket holds too few, returns
    /// the time until it holds enough.
    pub(crate) fn take(&self, full_at: Ticks, now: Ticks, permits: u32) -> Result<Ticks, Duration> {
        let missing = full_at.saturating_sub(now) + u128::from(permits) * self.per_permit;
        match missing.checked_sub(self.capacity) {
            None | Some(0) => Ok(now + missing),
            Some(too_much) => Err(nanoseconds(too_much.div_ceil(self.per_nanosecond))),
        }
    }

    /// Moves a bucket from the rate `before` to this rate, and returns the moment at which it is full. The bucket keeps its
    /// permits up to the new burst, rounded down to a tick. `None` if it is full; a bucket that was full stays full.
    pub(crate) fn refit(&self, before: &Self, full_at: Ticks, elapsed: Duration) -> Option<Ticks> {
        let missed = full_at.checked_sub(before.moment(elapsed)).filter(|missing| *missing > 0)?;
        let held = before.capacity.saturating_sub(missed);
        // Whole permits and the rest are converted separately, because the product with a period could overflow.
        let (permits, rest) = (held / before.per_permit, held % before.per_permit);
        let held = permits * self.per_permit + rest * self.per_permit / before.per_permit;
        let missing = self.capacity.checked_sub(held).filter(|missing| *missing > 0)?;
        Some(self.moment(elapsed) + missing)
    }

    /// Whole permits in a bucket.
    pub(crate) fn remaining(&self, full_at: Ticks, now: Ticks) -> u32 {
        let missing = full_at.saturating_sub(now);
        let permits = self.capacity.saturating_sub(missing) / self.per_permit;
        // A bucket holds at most the burst, which is a u32.
        u32::try_from(permits).unwrap_or(u32::MAX)
    }
}

/// Milliseconds, rounded up. `u32::MAX` means that or more.
pub(crate) fn whole_millis(time: Duration) -> u32 {
    u32::try_from(time.as_nanos().div_ceil(1_000_000)).unwrap_or(u32::MAX)
}

fn nanoseconds(nanoseconds: u128) -> Duration {
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    // The rest is below a second, so it fits.
    let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests;
