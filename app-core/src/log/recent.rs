//! The last records of the log, for operators who ask a running process.
//!
//! The writer thread keeps them: code that logs does not pay for it, and never waits for a reader. The ring has a lock of its
//! own, which a reader holds for a moment, without any text being copied.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_ids::ServiceId;

use super::LogLevel;
use super::queue::{Batch, LineTag};
use crate::ring::{Ring, RingSlice};

/// The most bytes of all records that are kept.
const MOST_BYTES: usize = 1024 * 1024;

/// A record of the log as it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentRecord {
    /// Its number. Numbers begin at 1 and have no gaps.
    pub number: u64,
    /// When the writer thread got it: at most some milliseconds after it was logged, unless the sink blocks.
    pub at: SystemTime,
    /// Its level.
    pub level: LogLevel,
    /// The service that logged it; `None` for the app itself.
    pub service: Option<ServiceId>,
    /// Its line, in the format of the log, without line break, colours and the priority for systemd's journal.
    pub line: String,
}

/// Records of the log, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct RecentPage {
    /// The records.
    pub records: Vec<RecentRecord>,
    /// How many records after the asked number are no longer in memory.
    pub missed: u64,
    /// The number of the last record; 0 if there was none.
    pub last: u64,
}

/// The ring of lines.
pub(super) struct RecentLines(Ring<Arc<RecentLine>>);

struct RecentLine {
    at: SystemTime,
    tag: LineTag,
    bytes: Box<[u8]>,
}

impl RecentLines {
    pub(super) fn new() -> Self {
        Self(Ring::new(usize::MAX, MOST_BYTES))
    }

    /// Keeps the lines of a batch. Of a large one only the last lines, because they would displace the earlier ones anyway.
    pub(super) fn keep(&self, batch: &Batch) {
        let at = SystemTime::now();
        let lines = batch.last_lines(MOST_BYTES);
        let skipped = batch.len() - lines.len() as u64;
        self.0.extend(skipped, lines.map(|(line, tag)| item(at, line, tag)));
    }

    pub(super) fn keep_line(&self, line: &[u8], tag: LineTag) {
        let (item, bytes) = item(SystemTime::now(), line, tag);
        self.0.push(item, bytes);
    }

    pub(super) fn after(&self, number: u64, most: usize) -> RecentPage {
        let RingSlice { items, missed, last } = self.0.after(number, most);
        let records = items.into_iter().map(|(number, line)| line.record(number)).collect();
        RecentPage { records, missed, last }
    }

    pub(super) async fn news_after(&self, number: u64) {
        self.0.news_after(number).await;
    }
}

impl fmt::Debug for RecentLines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecentLines").field("last", &self.0.last()).finish_non_exhaustive()
    }
}

fn item(at: SystemTime, line: &[u8], tag: LineTag) -> (Arc<RecentLine>, usize) {
    let line = RecentLine { at, tag, bytes: line.into() };
    let bytes = line.bytes.len() + size_of::<RecentLine>();
    (Arc::new(line), bytes)
}

impl RecentLine {
    fn record(&self, number: u64) -> RecentRecord {
        let Self { at, tag: LineTag { level, service }, bytes } = self;
        let service = Some(ServiceId::new(*service)).filter(|service| !service.is_zero());
        RecentRecord { number, at: *at, level: *level, service, line: text(bytes) }
    }
}

/// The text of a line. Only the log itself writes control characters into lines: colours, and the line break.
fn text(line: &[u8]) -> String {
    let line = match line {
        // The priority for systemd's journal, as `<6>`.
        [b'<', b'0'..=b'7', b'>', rest @ ..] => rest,
        line => line,
    };
    let line = String::from_utf8_lossy(line.strip_suffix(b"\n").unwrap_or(line));
    let mut parts = line.split('\u{1b}');
    let mut text = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        text.push_str(part.split_once('m').map_or("", |(_, rest)| rest));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_and_priorities_are_left_out() {
        assert_eq!(text(b"<6>{\"a\":1}\n"), "{\"a\":1}");
        assert_eq!(text("\u{1b}[2mtime\u{1b}[0m \u{1b}[32mINFO\u{1b}[0m ä\n".as_bytes()), "time INFO ä");
        assert_eq!(text(b"<9>x"), "<9>x");
        assert_eq!(text("cut \u{1b}[3".as_bytes()), "cut ");
    }
}
