//! A log in memory, for tests: what was logged can be read back as soon as the call returned.

use std::fmt;
use std::sync::Arc;

use app_ids::LogEventId;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::Notify;

use super::LogLevel;
use super::queue::{Counters, Witness};

/// What does not fit any more is dropped and counted.
const MAX_BYTES: usize = 64 * 1024 * 1024;

#[derive(Debug, Default)]
pub(super) struct Memory {
    text: Mutex<String>,
    news: Notify,
    pub(super) counters: Counters,
}

impl Memory {
    pub(super) fn submit(&self, line: &[u8], level: LogLevel, witness: Option<Witness>) {
        let mut text = self.text.lock();
        let fits = text.len() + line.len() <= MAX_BYTES;
        if fits {
            text.push_str(&String::from_utf8_lossy(line));
            self.counters.count_written(level, 1);
            // Nobody may wait for it any more.
            let _ = witness.map(|witness| witness.send(()));
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
    /// Every line so far, as it would have been written.
    #[must_use]
    pub fn text(&self) -> String {
        self.0.text.lock().clone()
    }

    /// Every record so far.
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

    /// The first record that `wanted` says yes to, which may be one that is still to come.
    ///
    /// Never returns if none comes: give it a timeout. Cancel safe.
    pub async fn wait_for(&self, mut wanted: impl FnMut(&Value) -> bool) -> Value {
        let mut seen_bytes = 0;
        loop {
            // Registered before looking, so that no record is missed in between.
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
    // A line that is no JSON would be a fault of ours: it shows as a text rather than vanish.
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| Value::String(line.to_owned())))
        .collect()
}
