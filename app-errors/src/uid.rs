//! The unique id of one occurrence of an error.

use std::fmt;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Serialize, Serializer};

/// The unique id of one occurrence of an error. Prints as lower-case hexadecimal.
///
/// Ids do not repeat within a process. Each process starts from a random number, so ids of different processes almost
/// certainly differ, too.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorUid(u64);

impl ErrorUid {
    pub(crate) fn next() -> Self {
        /// 2^64 divided by the golden ratio. It is odd, so all 2^64 numbers come before one repeats. It is large, so that
        /// successive ids look different to a reader.
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        static NEXT: LazyLock<AtomicU64> = LazyLock::new(|| AtomicU64::new(app_ids::random_u64()));
        // Relaxed: the counter publishes no other data.
        Self(NEXT.fetch_add(STEP, Ordering::Relaxed))
    }

    /// The id with this number, of an error that another process raised or that was stored.
    #[must_use]
    pub const fn from_u64(uid: u64) -> Self {
        Self(uid)
    }

    /// The id as a number.
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

/// As a hexadecimal string, like all ids.
impl Serialize for ErrorUid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests;
