//! The limit of the length of a record.

use std::fmt;
use std::str::FromStr;

/// The most bytes of the line of a record, with its newline.
///
/// Container runtimes cut lines at 16 KiB, so the default is 16,000. Longer records are cut and marked: a text ends with
/// `… (N bytes cut)`, and `cut_keys` names the keys that were left out.
///
/// ```
/// use app_core::log::LogRecordLimit;
///
/// assert_eq!(LogRecordLimit::default().bytes(), 16_000);
/// assert!("65536".parse::<LogRecordLimit>().is_ok());
/// assert!("100".parse::<LogRecordLimit>().is_err());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogRecordLimit(u32);

impl LogRecordLimit {
    /// The lowest limit: 1 KiB. The platform's keys take up to half of it.
    pub const MIN: Self = Self(1024);
    /// The highest limit: 64 KiB.
    pub const MAX: Self = Self(64 * 1024);

    /// A limit of `bytes`. `None` if it is below [`MIN`](Self::MIN) or above [`MAX`](Self::MAX).
    #[must_use]
    pub const fn new(bytes: u32) -> Option<Self> {
        if bytes < Self::MIN.0 || bytes > Self::MAX.0 { None } else { Some(Self(bytes)) }
    }

    /// The number of bytes.
    #[must_use]
    pub const fn bytes(self) -> usize {
        self.0 as usize
    }
}

impl Default for LogRecordLimit {
    fn default() -> Self {
        Self(16_000)
    }
}

impl fmt::Display for LogRecordLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for LogRecordLimit {
    type Err = ParseLogRecordLimitError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().ok().and_then(Self::new).ok_or(ParseLogRecordLimitError(()))
    }
}

/// The error of a text that is not a valid limit of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParseLogRecordLimitError(());

impl fmt::Display for ParseLogRecordLimitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (min, max) = (LogRecordLimit::MIN, LogRecordLimit::MAX);
        write!(f, "expected a number of bytes from {min} to {max}")
    }
}

impl std::error::Error for ParseLogRecordLimitError {}
