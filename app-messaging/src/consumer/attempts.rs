//! What is known about earlier deliveries of messages, in this instance and in the others.
//!
//! A message that is delivered for the first time has no entry, so nothing is asked. What is known of a message that failed, or was
//! handed back more than once, is an entry of a bucket. An instance that gets such a message reads it. The entry is forgotten with
//! the message. While the bucket can't be reached, an instance goes on with what it knows itself.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::time::{Instant, sleep, timeout};

use super::feed::Feed;
use crate::ids::ATTEMPTS;
use crate::provision::Streams;
use crate::transport::{BucketConfig, Delivered, Expected, Transport, TransportError};
use crate::wire::bucket_name;
use app_ids::DomainId;

/// The most messages that are remembered here. Beyond it the oldest is forgotten, and the bucket alone knows it.
const MAX_REMEMBERED: usize = 65_536;

/// How many deliveries may have an unknown end before a message runs alone.
const UNKNOWN_ENDS: u64 = 2;

/// How long a call of the bucket may take.
const WITHIN: Duration = Duration::from_secs(2);

/// How long a message that was given back may take to leave.
const LEAVES: Duration = Duration::from_millis(100);

/// How long an entry is kept. It is renewed by every attempt. Entries of messages that their stream dropped end by it.
const MAX_AGE: Duration = Duration::from_secs(7 * 86_400);

/// The most bytes of all entries.
const MAX_BYTES: u64 = 64 << 20;

/// The most bytes of an entry.
const MAX_VALUE_BYTES: usize = 256;

/// The bucket.
pub(crate) fn bucket(domain: DomainId) -> BucketConfig {
    BucketConfig {
        name: bucket_name(domain, ATTEMPTS),
        history: 1,
        max_value_bytes: MAX_VALUE_BYTES,
        max_age: MAX_AGE,
        max_bytes: MAX_BYTES,
    }
}

/// What is known of a message that is not settled.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Known {
    /// Handlers that began and failed.
    pub(super) attempts: u64,
    /// Deliveries whose end is known: attempts, what was handed back, and what was handled without a confirmed acknowledgement.
    pub(super) ends: u64,
    /// Whether it began alone, and its end is not known yet.
    pub(super) alone: bool,
    /// The revision of its entry, if it has one.
    revision: Option<u64>,
}

impl Known {
    /// Counts an attempt that failed.
    pub(super) fn attempted(&mut self) {
        self.attempts += 1;
        self.ended();
    }

    /// Counts a delivery whose end is known, and which was no failed attempt: it was handled, or handed back.
    pub(super) fn ended(&mut self) {
        self.ends += 1;
        self.alone = false;
    }

    /// Whether a message, with this many deliveries in all, was delivered more than twice without a known end.
    pub(super) fn is_suspicious(&self, deliveries: u64) -> bool {
        deliveries.saturating_sub(self.ends) > UNKNOWN_ENDS
    }

    /// When a stream was made anew, its sequences begin again. So the time of the message is part of its entry.
    fn write(&self, stored_at: SystemTime) -> Bytes {
        let Self { attempts, ends, alone, .. } = self;
        format!("attempts={attempts} ends={ends} alone={alone} stored={}", millis(stored_at)).into()
    }

    /// `None` for an entry of another message, or none of ours.
    fn read(value: &[u8], stored_at: SystemTime) -> Option<Self> {
        let mut known = Self::default();
        for part in std::str::from_utf8(value).ok()?.split(' ') {
            let (name, value) = part.split_once('=')?;
            match name {
                "attempts" => known.attempts = value.parse().ok()?,
                "ends" => known.ends = value.parse().ok()?,
                "alone" => known.alone = value.parse().ok()?,
                "stored" => (value.parse() == Ok(millis(stored_at))).then_some(())?,
                _ => {}
            }
        }
        Some(known)
    }
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

/// A message of a feed.
type FeedSequence = (usize, u64);

/// What this instance knows of a message by itself.
#[derive(Debug, Clone, Copy)]
struct KnownHere {
    known: Known,
    /// When the message was stored. A stream that was made anew has another message with this sequence.
    stored_at: SystemTime,
}

/// What is known, and which messages are worked on here.
pub(super) struct Attempts {
    transport: Arc<dyn Transport>,
    streams: Arc<Streams>,
    bucket: String,
    local: Mutex<BTreeMap<FeedSequence, KnownHere>>,
    here: Arc<Mutex<BTreeSet<FeedSequence>>>,
}

/// Says that a message is worked on here, until it is dropped.
pub(super) struct Here(Arc<Mutex<BTreeSet<FeedSequence>>>, FeedSequence);

impl Drop for Here {
    fn drop(&mut self) {
        self.0.lock().remove(&self.1);
    }
}

impl Attempts {
    pub(super) fn new(transport: Arc<dyn Transport>, streams: Arc<Streams>, domain: DomainId) -> Self {
        let bucket = bucket_name(domain, ATTEMPTS);
        Self { transport, streams, bucket, local: Mutex::default(), here: Arc::default() }
    }

    /// Gives a message a moment to leave: it may have come again before the handler that gave it back knew of that.
    pub(super) async fn leaves(&self, feed: &Feed, sequence: u64) {
        let until = Instant::now() + LEAVES;
        while self.here.lock().contains(&(feed.index, sequence)) && Instant::now() < until {
            sleep(LEAVES / 20).await;
        }
    }

    /// Enters a message. `None` if it is worked on here already: then it was delivered twice.
    pub(super) fn enter(&self, feed: &Feed, delivered: &Delivered) -> Option<Here> {
        let place = (feed.index, delivered.sequence);
        let new = self.here.lock().insert(place);
        if new {
            return Some(Here(Arc::clone(&self.here), place));
        }
        self.remember(feed, delivered, |known| known.ends += 1);
        None
    }

    /// What is known of a message that was delivered.
    pub(super) async fn of(&self, feed: &Feed, delivered: &Delivered) -> Known {
        let place = (feed.index, delivered.sequence);
        let local = self.local.lock().get(&place).copied();
        let local = local.filter(|local| local.stored_at == delivered.stored_at).map(|local| local.known);
        if delivered.deliveries <= 1 && local.is_none() {
            return Known::default();
        }
        let local = local.unwrap_or_default();
        let key = key(feed, delivered.sequence);
        let found = timeout(WITHIN, self.transport.bucket_get(&self.bucket, &key)).await;
        if let Ok(found) = &found {
            self.look_for(found);
        }
        let Ok(Ok(Some(entry))) = found else { return local };
        let read = entry.value.and_then(|value| Known::read(&value, delivered.stored_at));
        read.map_or(local, |shared| Known {
            attempts: shared.attempts.max(local.attempts),
            ends: shared.ends.max(local.ends),
            // An end that is known here, and whose note was lost, is no crash.
            alone: shared.alone && shared.ends >= local.ends,
            revision: Some(entry.revision),
        })
    }

    /// Notes what is known, for this instance and for the others.
    pub(super) async fn note(&self, feed: &Feed, delivered: &Delivered, known: &mut Known) {
        let value = known.write(delivered.stored_at);
        let key = key(feed, delivered.sequence);
        let put = self.transport.bucket_put(&self.bucket, &key, Some(value), Expected::Any, WITHIN);
        if let Ok(put) = timeout(WITHIN, put).await {
            self.look_for(&put);
            known.revision = put.ok().or(known.revision);
        }
        self.note_here(feed, delivered, known);
    }

    /// Notes what is known, for this instance alone.
    pub(super) fn note_here(&self, feed: &Feed, delivered: &Delivered, known: &Known) {
        self.remember(feed, delivered, |kept| *kept = *known);
    }

    /// A bucket that is lost is made again.
    fn look_for<T>(&self, answer: &Result<T, TransportError>) {
        if let Err(TransportError::NotFound(_)) = answer {
            self.streams.missed();
        }
    }

    /// Forgets a message that is settled.
    pub(super) async fn forget(&self, feed: &Feed, sequence: u64, known: &Known) {
        self.local.lock().remove(&(feed.index, sequence));
        if let Some(revision) = known.revision {
            let key = key(feed, sequence);
            // What stays ends by its age.
            let _ = timeout(WITHIN, self.transport.bucket_forget(&self.bucket, &key, revision)).await;
        }
    }

    fn remember(&self, feed: &Feed, delivered: &Delivered, change: impl FnOnce(&mut Known)) {
        let place = (feed.index, delivered.sequence);
        let new = KnownHere { known: Known::default(), stored_at: delivered.stored_at };
        let mut all = self.local.lock();
        if all.len() >= MAX_REMEMBERED && !all.contains_key(&place) {
            all.pop_first();
        }
        let kept = all.entry(place).or_insert(new);
        if kept.stored_at != delivered.stored_at {
            *kept = new;
        }
        change(&mut kept.known);
    }
}

/// The key of a message in the bucket.
fn key(feed: &Feed, sequence: u64) -> String {
    crate::wire::hex_of(&format!("{}.{}.{sequence}", feed.stream, feed.config.name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_whose_deliveries_all_have_a_known_end_is_not_suspicious() {
        let mut known = Known::default();
        for delivery in 1..20 {
            assert!(!known.is_suspicious(delivery), "{delivery}");
            if delivery % 2 == 0 { known.ended() } else { known.attempted() }
        }
        assert_eq!(known.attempts, 10, "a hand-back is no attempt");
    }

    #[test]
    fn the_third_delivery_without_a_known_end_is_suspicious() {
        let mut known = Known::default();
        assert!(!known.is_suspicious(2));
        assert!(known.is_suspicious(3));
        known.attempted();
        assert!(!known.is_suspicious(3));
    }

    #[test]
    fn an_entry_is_that_of_its_message_alone() {
        let stored = UNIX_EPOCH + Duration::from_millis(1_700_000_000_123);
        let known = Known { attempts: 3, ends: 5, alone: true, revision: None };
        let written = known.write(stored);
        assert_eq!(Known::read(&written, stored), Some(known));
        assert_eq!(Known::read(&written, stored + Duration::from_millis(1)), None, "another message");
        assert_eq!(Known::read(b"attempts=x", stored), None);
        assert_eq!(Known::read(b"\xff", stored), None);
    }
}
