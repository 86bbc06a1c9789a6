//! A log in memory, for tests. You can read a record as soon as the call that logs it returns.

use std::fmt;
use std::sync::Arc;

use app_ids::LogEventId;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::queue::{Counters, LineTag, ReceiptSender};
use super::recent::RecentLines;

/// Records beyond this are dropped and counted.
const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(super) struct Memory {
    recent: Arc<RecentLines>,
    text: Mutex<String>,
    news: Notify,
    pub(super) counters: Counters,
}

impl Memory {
    pub(super) fn new(recent: Arc<RecentLines>) -> Self {
        Self { recent, text: Mutex::default(), news: Notify::new(), counters: Counters::default() }
    }

    pub(super) fn submit(&self, line: &[u8], tag: LineTag, receipt: Option<ReceiptSender>) {
        let mut text = self.text.lock();
        let fits = text.len() + line.len() <= MAX_BYTES;
        if fits {
            text.push_str(&String::from_utf8_lossy(line));
            self.counters.count_written(tag.level, 1);
            self.recent.keep_line(line, tag);
            // Fails when the receipt was dropped.
            let _ = receipt.map(|receipt| receipt.send(()));
        } else {
            self.counters.count_dropped(1);
        }
        drop(text);
        self.news.notify_waiters();
    }
}

/// The records of a log made by [`Log::captured`](super::Log::captured).
#[derive(Clone)]
pub struct CapturedLog(pub(super) Arc<Memory>);

impl CapturedLog {
    /// All lines so far.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text.lock().clone()
    }

    /// All records so far.
    #[must_use]
    pub fn records(&self) -> Vec<Value> {
        parse(&self.text())
    }

    /// The records so far whose `event` is `id`.
    #[must_use]
    pub fn with_event(&self, id: LogEventId) -> Vec<Value> {
        let id = id.hex();
        self.records().into_iter().filter(|record| record["event"] == *id).collect()
    }

    /// Waits for the first record for which `wanted` returns `true`. Earlier records count, too.
    ///
    /// Waits for ever if there is no such record, so put a timeout around it. Cancel safe.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut seen_bytes = 0;
        loop {
            // Registered before the search, so that no record in between is missed.
            let mut news = std::pin::pin!(self.0.news.notified());
            news.as_mut().enable();
            let fresh = {
                let text = self.0.text.lock();
                let fresh = text.get(seen_bytes..).unwrap_or_default().to_owned();
                seen_bytes = text.len();
                fresh
            };
            if let Some(found) = parse(&fresh).into_iter().find(|record| wanted(record)) {
                return found;
            }
            news.await;
        }
    }
}

impl fmt::Debug for CapturedLog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text())
    }
}

fn parse(text: &str) -> Vec<Value> {
    // A line that is not JSON would be a fault of the log. It shows up as a text, instead of being lost.
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned())))
        .collect()
}
