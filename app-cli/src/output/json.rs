//! JSON: one object on one line, without characters that control a terminal.

use std::fmt;
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::{Serialize, Serializer};
use serde_json::ser::Formatter;

use app_errors::json_text;

/// Escapes characters that JSON allows but that are unsafe on a terminal: DEL, the C1 control characters, and characters that
/// reverse or hide text.
struct EscapeAll;

impl Formatter for EscapeAll {
    fn write_string_fragment<W: io::Write + ?Sized>(
        &mut self,
        writer: &mut W,
        fragment: &str,
    ) -> io::Result<()> {
        write!(writer, "{}", json_text(fragment))
    }
}

/// The value as JSON on one line, without a line break.
pub(crate) fn json_line<T: Serialize>(value: &T) -> String {
    let mut bytes = Vec::new();
    // The values are strings, numbers, lists and structs. Their serialization does not fail.
    let _ = value.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, EscapeAll));
    String::from_utf8(bytes).unwrap_or_default()
}

/// An id, shown as `0x..`, the form that flags take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Hex(pub(crate) u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{:#x}", self.0))
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A moment in milliseconds since 1970 (UTC), shown as RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Moment(pub(crate) i64);

impl Moment {
    /// `None` for 0, which means "never".
    pub(crate) fn known(millis: i64) -> Option<Self> {
        (millis != 0).then_some(Self(millis))
    }

    /// `None` before 1970 and after the year 9999, because the format cannot express these.
    pub(crate) fn time(self) -> Option<SystemTime> {
        let millis = u64::try_from(self.0).ok().filter(|millis| *millis < YEAR_10000_MILLIS)?;
        UNIX_EPOCH.checked_add(Duration::from_millis(millis))
    }
}

/// The first moment of the year 10000, in milliseconds since 1970.
const YEAR_10000_MILLIS: u64 = 253_402_300_800_000;

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.time() {
            Some(time) => f.pad(&humantime::format_rfc3339_millis(time).to_string()),
            None => write!(f, "{} ms", self.0),
        }
    }
}

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Milliseconds as seconds, for keys that end in `_seconds`.
#[expect(clippy::cast_precision_loss, reason = "exact up to 2^53 ms, 285,000 years")]
pub(crate) fn seconds(millis: u64) -> f64 {
    millis as f64 / 1000.0
}
