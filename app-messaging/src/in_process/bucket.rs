//! A bucket: keys with revisions, their history, and who watches.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::transport::{BucketConfig, Expected, RawEntry, TransportError};

/// How many changes a watcher may be behind. Beyond it the watcher gets the present state.
const MAX_BEHIND: usize = 1024;

/// The most bytes of a bucket.
const MAX_BUCKET_BYTES: usize = 64 << 20;

/// A bucket.
pub(super) struct KeptBucket {
    config: BucketConfig,
    last_revision: u64,
    keys: BTreeMap<Arc<str>, VecDeque<RawEntry>>,
    bytes: usize,
    changes: broadcast::Sender<RawEntry>,
    /// When entries were put, oldest first, if they end with their age.
    ages: VecDeque<(Instant, Arc<str>, u64)>,
}

impl KeptBucket {
    pub(super) fn new(config: BucketConfig) -> Self {
        let changes = broadcast::Sender::new(MAX_BEHIND);
        Self { config, last_revision: 0, keys: BTreeMap::new(), bytes: 0, changes, ages: VecDeque::new() }
    }

    /// Raises the age. Entries that were put before there was one keep what they have: no limit.
    pub(super) fn extend(&mut self, max_age: Duration) {
        let present = self.config.max_age;
        let unlimited = present.is_zero() || max_age.is_zero();
        self.config.max_age = if unlimited { Duration::ZERO } else { present.max(max_age) };
    }

    /// Removes entries that are too old.
    pub(super) fn expire(&mut self, now: Instant) {
        let max_age = self.config.max_age;
        while !max_age.is_zero()
            && let Some((when, ..)) = self.ages.front()
            && now.saturating_duration_since(*when) >= max_age
        {
            let Some((_, key, revision)) = self.ages.pop_front() else { break };
            self.forget(&key, revision);
        }
    }

    /// Removes one entry, if it is there.
    pub(super) fn forget(&mut self, key: &str, revision: u64) {
        let Some(entries) = self.keys.get_mut(key) else { return };
        let mut freed = 0;
        entries.retain(|entry| {
            let goes = entry.revision == revision;
            freed += if goes { entry.value.as_ref().map_or(0, Bytes::len) + key.len() } else { 0 };
            !goes
        });
        self.bytes -= freed;
        if entries.is_empty() {
            self.keys.remove(key);
        }
    }

    pub(super) fn get(&self, key: &str) -> Option<RawEntry> {
        self.keys.get(key).and_then(VecDeque::back).cloned()
    }

    pub(super) fn history(&self, key: &str) -> Vec<RawEntry> {
        self.keys.get(key).into_iter().flatten().cloned().collect()
    }

    /// The last entry of each key that has a value, newer than this revision, by revision.
    pub(super) fn present(&self, key: Option<&str>, after: u64) -> VecDeque<RawEntry> {
        let wanted = self.keys.iter().filter(|(name, _)| key.is_none_or(|key| key == &***name));
        let last = wanted.filter_map(|(_, entries)| entries.back().cloned());
        // Before anything was seen, a deleted key is as one that never was.
        let mut present: Vec<_> =
            last.filter(|entry| entry.revision > after && (after > 0 || entry.value.is_some())).collect();
        present.sort_by_key(|entry| entry.revision);
        present.into()
    }

    pub(super) fn watch(&self) -> broadcast::Receiver<RawEntry> {
        self.changes.subscribe()
    }

    pub(super) fn put(
        &mut self,
        key: &str,
        value: Option<Bytes>,
        expected: Expected,
        (now, wall): (Instant, SystemTime),
    ) -> Result<u64, TransportError> {
        let last = self.keys.get(key).and_then(VecDeque::back);
        let as_expected = match expected {
            Expected::Any => true,
            Expected::Absent => last.is_none_or(|entry| entry.value.is_none()),
            Expected::Revision(revision) => last.is_some_and(|entry| entry.revision == revision),
        };
        if !as_expected {
            return Err(TransportError::WrongRevision);
        }
        let size = value.as_ref().map_or(0, Bytes::len);
        if size > self.config.max_value_bytes {
            let limit = self.config.max_value_bytes;
            return Err(TransportError::Refused(format!(
                "the value has {size} bytes, at most {limit} are allowed"
            )));
        }
        let limit = match usize::try_from(self.config.max_bytes) {
            Ok(0) | Err(_) => MAX_BUCKET_BYTES,
            Ok(bytes) => bytes.min(MAX_BUCKET_BYTES),
        };
        if self.bytes + size + key.len() > limit {
            return Err(TransportError::Refused(format!(
                "the bucket in this process is full: it holds {limit} bytes; delete keys, or name a server"
            )));
        }
        self.last_revision += 1;
        let entry = RawEntry { key: key.into(), value, revision: self.last_revision, stored_at: wall };
        let entries = self.keys.entry(Arc::clone(&entry.key)).or_default();
        self.bytes += size + key.len();
        entries.push_back(entry.clone());
        if !self.config.max_age.is_zero() {
            self.ages.push_back((now, Arc::clone(&entry.key), entry.revision));
        }
        while entries.len() > self.config.history.max(1) {
            let Some(old) = entries.pop_front() else { break };
            self.bytes -= old.value.map_or(0, |value| value.len()) + key.len();
        }
        // Without a watcher nobody gets it.
        let _ = self.changes.send(entry);
        Ok(self.last_revision)
    }
}
