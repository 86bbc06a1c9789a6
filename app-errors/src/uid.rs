//! The unique id of one error that happened.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

/// Names one error that happened, to look it up with; prints as lower-case hexadecimal.
///
/// No two errors of a process share one. Two processes start from random numbers, so that theirs differ too but for an
/// accident of one in billions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorUid(u64);

impl ErrorUid {
    pub(crate) fn next() -> Self {
        /// 2^64 divided by the golden ratio: odd, so that every number comes once before any comes again; and steps so
        /// wide that neighbours don't look alike to a reader.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(app_ids::random_u64()));
        // Relaxed: only the counter itself must not repeat, nothing is published with it.
        Self(NEXT.fetch_add(STEP, Ordering::Relaxed))
    }

    /// The number.
    #[must_use]
    pub const fn as_u64(self) -> u64 {
        self.0
    }

    /// Lower-case hexadecimal, without prefix or padding.
    #[must_use]
    pub fn hex(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for ErrorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

impl fmt::Debug for ErrorUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorUid({:#x})", self.0)
    }
}

/// As a hexadecimal string, like every id.
impl Serialize for ErrorUid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
