//! The arithmetic of one bucket: exact, whatever the numbers, however long it was idle.
//!
//! A bucket that fills steadily is one number: the moment at which it is full. Nothing has to be added while time
//! passes, so nothing can drift. Moments are counted in ticks of `1 / permits` nanoseconds, which makes a permit a whole
//! number of ticks (the period in nanoseconds), so nothing is ever rounded but the answers: `remaining` down to whole
//! permits, `retry_after` up to whole nanoseconds.
//!
//! No sum overflows: `Duration` ends below 2^94 ns, a moment below 2^126 ticks, and what a bucket holds below 2^84.

use std::time::Duration;

use crate::Rule;

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// A moment, in ticks since the buckets were made.
pub(crate) type Ticks = u128;

/// How the buckets of a rule fill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Rate {
    per_nanosecond: Ticks,
    per_permit: Ticks,
    /// From empty to full.
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

    /// The moment that is this long after the buckets were made.
    pub(crate) fn moment(&self, elapsed: Duration) -> Ticks {
        elapsed.as_nanos() * self.per_nanosecond
    }

    /// Takes permits out of a bucket, which moves the moment at which it is full. When they are not there, it says how
    /// long it takes until they are.
    pub(crate) fn take(&self, full_at: Ticks, now: Ticks, permits: u32) -> Result<Ticks, Duration> {
        let missing = full_at.saturating_sub(now) + u128::from(permits) * self.per_permit;
        match missing.checked_sub(self.capacity) {
            None | Some(0) => Ok(now + missing),
            Some(too_much) => Err(nanoseconds(too_much.div_ceil(self.per_nanosecond))),
        }
    }

    /// The moment at which a bucket is full under this rate that held something under another one: it holds as much as it did,
    /// and no more than fits, a part of a tick rounded down. `None` when it is full, as one that was full stays.
    pub(crate) fn refit(&self, before: &Self, full_at: Ticks, elapsed: Duration) -> Option<Ticks> {
        let missed = full_at.checked_sub(before.moment(elapsed)).filter(|missing| *missing > 0)?;
        let held = before.capacity.saturating_sub(missed);
        // Whole permits and the rest apart: their product with a period would not fit.
        let (permits, rest) = (held / before.per_permit, held % before.per_permit);
        let held = permits * self.per_permit + rest * self.per_permit / before.per_permit;
        let missing = self.capacity.checked_sub(held).filter(|missing| *missing > 0)?;
        Some(self.moment(elapsed) + missing)
    }

    /// How many whole permits a bucket holds.
    pub(crate) fn remaining(&self, full_at: Ticks, now: Ticks) -> u32 {
        let missing = full_at.saturating_sub(now);
        let permits = self.capacity.saturating_sub(missing) / self.per_permit;
        // It holds no more than the burst, which is a u32.
        u32::try_from(permits).unwrap_or(u32::MAX)
    }
}

fn nanoseconds(nanoseconds: u128) -> Duration {
    let seconds = u64::try_from(nanoseconds / SECOND).unwrap_or(u64::MAX);
    // What is below a second fits.
    let rest = u32::try_from(nanoseconds % SECOND).unwrap_or_default();
    Duration::new(seconds, rest)
}

#[cfg(test)]
mod tests;
