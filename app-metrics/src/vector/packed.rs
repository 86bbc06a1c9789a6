//! Label values packed into integers: what a lookup hashes and compares.
//!
//! Comparing text is slow. The text lies behind pointers that have to be followed one after another, and the call into
//! the C library spills the registers of the lookup. Most label values are short. So the table stores each value as two
//! integers beside its series. Only long values are also compared as text.
//!
//! Invariants:
//! 1. Two values of up to [`SHORT`] bytes are equal if their packed values are equal: a packed value has all the bytes,
//!    and their number.
//! 2. All longer values have the same packed value, which no short value has.

#[cfg(test)]
mod tests;

/// Values of up to this many bytes are packed.
const SHORT: usize = 15;

/// The packed value of every longer value. In a short one, the last byte is the length.
const LONG: PackedValue = PackedValue { low: u64::MAX, high: u64::MAX };

/// The bytes of a value, then zeros, then its length in the last byte.
///
/// These are two integers rather than one of twice the size. A processor would load that one at once, and wait until
/// both halves have arrived in memory.
#[derive(Clone, Copy, Debug)]
pub(super) struct PackedValue {
    pub(super) low: u64,
    pub(super) high: u64,
}

impl PackedValue {
    // All functions here are always inlined, so that a constant has a constant packed value.
    #[inline(always)]
    pub(super) fn of(value: &str) -> Self {
        let bytes = value.as_bytes();
        if bytes.len() > SHORT { LONG } else { Self::of_short(bytes) }
    }

    /// The packed value of each.
    #[inline(always)]
    pub(super) fn of_all<const N: usize>(values: &[&str; N]) -> [Self; N] {
        let mut packed = [LONG; N];
        // Not `map`, which becomes a call that returns the array through memory.
        packed.iter_mut().zip(values).for_each(|(word, value)| *word = Self::of(value));
        packed
    }

    /// Reads two parts, each as large as the value allows. The parts overlap if the value is shorter than both.
    #[inline(always)]
    fn of_short(bytes: &[u8]) -> Self {
        let length = bytes.len();
        let (mut low, mut high) = (0, 0);
        if let (Some(first), Some(last)) = (bytes.first_chunk(), bytes.last_chunk()) {
            low = u64::from_le_bytes(*first);
            // With exactly eight bytes, nothing is left of the second part.
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

    /// Whether the value is long, and has to be compared as text.
    #[inline(always)]
    pub(super) fn is_long(self) -> bool {
        self.is(LONG)
    }
}
