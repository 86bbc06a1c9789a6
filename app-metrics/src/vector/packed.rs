//! Label values as packed: what a lookup hashes and compares.
//!
//! Text is slow to compare: it lies behind pointers that have to be followed one after the other, and a call of the C
//! library makes the lookup put aside all that it has in registers. Most values are short. So the table has each value
//! as two numbers beside its series, and only long values are compared as text too.
//!
//! Invariants:
//! 1. Values of up to [`SHORT`] bytes have the same word only if they are the same: it has all their bytes, and how
//!    many they are.
//! 2. All longer values have one word, which no short one has.

#[cfg(test)]
mod tests;

/// Values of up to so many bytes are their word.
const SHORT: usize = 15;

/// That of a longer value; the last byte of a short one's is its length.
const LONG: PackedValue = PackedValue { low: u64::MAX, high: u64::MAX };

/// A value: its bytes, zeros, and in the last byte its length. Two numbers rather than one of twice the size, which a
/// processor would load at once, and wait until both halves have arrived in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedValue {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl PackedValue {
    // Inlined always, as all here: of a constant the word is one too.
    #[inline(always)]
    pub(super) fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        if bytes.len() > SHORT { LONG } else { Self::of_short(bytes) }
    }

    /// Of each.
    #[inline(always)]
    pub(super) fn of_all<const N: usize>(values: &[&str; N]) -> [Self; N] {
        let mut packed = [LONG; N];
        // Not `map`, which becomes a call that gives them through memory.
        packed.iter_mut().zip(values).for_each(|(word, value)| *word = Self::of(value));
        packed
    }

    /// Two parts are read, as large as the value has room for; they overlap where it has not that for two.
    #[inline(always)]
    fn of_short(bytes: &[u8]) -> Self {
        let length = bytes.len();
        let (mut low, mut high) = (0, 0);
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            low = u64::from_le_bytes(*first);
            // Nothing is left of it when there are eight bytes.
            high = u64::from_le_bytes(*last).checked_shr(8 * (16 - length) as u32).unwrap_or(0);
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let last = u64::from(u32::from_le_bytes(*last));
            low = u64::from(u32::from_le_bytes(*first)) | last << (8 * (length - 4));
        } else if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let last = u64::from(u16::from_le_bytes(*last));
            low = u64::from(u16::from_le_bytes(*first)) | last << (8 * (length - 2));
        } else if let Some(byte) = bytes.first() {
            low = u64::from(*byte);
        }
        Self { low, high: high | (length as u64) << 56 }
    }

    #[inline(always)]
    pub(super) fn is(self, other: Self) -> bool {
        (self.low ^ other.low) | (self.high ^ other.high) == 0
    }

    /// Whether it says no more than that the value is long.
    #[inline(always)]
    pub(super) fn is_long(self) -> bool {
        self.is(LONG)
    }
}
