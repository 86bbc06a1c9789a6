//! The ids of traces and spans: unique numbers, made without a lock.

use std::fmt;

/// Identifies a trace: 16 bytes, not all zero. Shows as 32 hexadecimal digits.
///
/// ```
/// # use app_core::trace::TraceId;
/// let id = TraceId::from_bytes([0xab; 16]).expect("it is not zero");
/// assert_eq!(id.to_string(), "ab".repeat(16));
/// assert_eq!(TraceId::from_bytes([0; 16]), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId {
    pub(super) high: u64,
    pub(super) low: u64,
}

/// Identifies a span within its trace: 8 bytes, not all zero. Shows as 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(pub(super) u64);

const DIGITS: &[u8; 16] = b"0123456789abcdef";

impl TraceId {
    /// The id with these bytes, most significant first. `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        let number = u128::from_be_bytes(bytes);
        (number != 0).then_some(Self { high: (number >> 64) as u64, low: number as u64 })
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.high) << 64 | u128::from(self.low)).to_be_bytes()
    }

    /// The hexadecimal digits, lower-case.
    pub(crate) fn hex(self) -> [u8; 32] {
        let mut hex = [0; 32];
        hex[..16].copy_from_slice(&hex_of(self.high));
        hex[16..].copy_from_slice(&hex_of(self.low));
        hex
    }

    /// A random id. Its lower 7 bytes are random in each id, as sampling by ratio needs it.
    #[inline]
    pub(super) fn random() -> Self {
        let number = app_ids::unique_u128();
        Self { high: (number >> 64) as u64, low: number as u64 }
    }
}

impl SpanId {
    /// The id with these bytes, most significant first. `None` if all are zero.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 8]) -> Option<Self> {
        Some(Self(u64::from_be_bytes(bytes))).filter(|id| id.0 != 0)
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// The hexadecimal digits, lower-case.
    pub(crate) fn hex(self) -> [u8; 16] {
        hex_of(self.0)
    }

    /// A random id.
    #[inline]
    pub(super) fn random() -> Self {
        Self(app_ids::unique_u64())
    }
}

fn hex_of(number: u64) -> [u8; 16] {
    let mut hex = [0; 16];
    for (at, byte) in number.to_be_bytes().into_iter().enumerate() {
        hex[2 * at] = DIGITS[usize::from(byte >> 4)];
        hex[2 * at + 1] = DIGITS[usize::from(byte & 15)];
    }
    hex
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
