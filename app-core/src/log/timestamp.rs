//! The time of a record: RFC 3339, in UTC, with nanoseconds.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::line::PAIRS;

/// `2026-07-01T12:34:56.123456789Z`
pub(super) const LENGTH: usize = 30;

/// The last second of the year 9999. RFC 3339 has no later time.
const LAST_SECOND: u64 = 253_402_300_799;

/// Formats times. In the same second as the last one, only the fraction is written.
#[derive(Debug)]
pub(super) struct Timestamp {
    second: u64,
    text: [u8; LENGTH],
}

impl Timestamp {
    pub(super) fn new() -> Self {
        Timestamp { second: 0, text: *b"1970-01-01T00:00:00.000000000Z" }
    }

    /// Formats a time. A second before 1970 or after 9999 becomes the nearest one of the format.
    pub(super) fn format(&mut self, time: SystemTime) -> &[u8; LENGTH] {
        let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        let second = since_epoch.as_secs().min(LAST_SECOND);
        if second != self.second {
            self.set_second(second);
        }
        let nanos = since_epoch.subsec_nanos();
        let (high, low) = (nanos / 100_000, nanos % 100_000);
        let pair = |number: u32| PAIRS[(number % 100) as usize];
        let [a, b] = pair(high / 100);
        let [c, d] = pair(high);
        let [e, f] = pair(low / 1000);
        let [g, h] = pair(low / 10);
        self.text[20..29].copy_from_slice(&[a, b, c, d, e, f, g, h, b'0' + (low % 10) as u8]);
        &self.text
    }

    #[cold]
    fn set_second(&mut self, second: u64) {
        let whole = humantime::format_rfc3339_seconds(UNIX_EPOCH + Duration::from_secs(second)).to_string();
        if let Some(text) = whole.as_bytes().get(..19) {
            self.text[..19].copy_from_slice(text);
            self.second = second;
        }
    }
}
