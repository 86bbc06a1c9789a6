//! A stream: messages by sequence, within limits, each id once within the duplicate window.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::SystemTime;

use tokio::time::Instant;

use super::consumer::Durable;
use super::subjects::covers;
use crate::transport::{Incoming, Record, StreamConfig, StreamInfo, StreamState, TransportError, WhenFull};

/// The most ids that a stream remembers. Beyond it the oldest is forgotten.
const MAX_IDS: usize = 1 << 20;

/// A message of a stream.
pub(super) struct Kept {
    pub(super) message: Incoming,
    pub(super) stored: Instant,
    pub(super) stored_at: SystemTime,
    bytes: u64,
}

/// A stream.
pub(super) struct Stream {
    pub(super) name: Arc<str>,
    config: StreamConfig,
    pub(super) messages: BTreeMap<u64, Kept>,
    pub(super) durables: HashMap<Arc<str>, Durable>,
    pub(super) last_sequence: u64,
    bytes: u64,
    ids: HashMap<Arc<str>, u64>,
    /// The ids by age.
    remembered: VecDeque<(Instant, Arc<str>)>,
}

impl Stream {
    pub(super) fn new(config: StreamConfig) -> Self {
        Self {
            name: config.name.as_str().into(),
            config,
            messages: BTreeMap::new(),
            durables: HashMap::new(),
            last_sequence: 0,
            bytes: 0,
            ids: HashMap::new(),
            remembered: VecDeque::new(),
        }
    }

    /// Sets the config.
    pub(super) fn set(&mut self, config: StreamConfig, now: Instant) {
        self.config = config;
        self.expire(now);
    }

    pub(super) fn info(&self) -> StreamInfo {
        StreamInfo { config: self.config.clone(), state: self.state(), unfit: Vec::new() }
    }

    /// Whether there is room for the message, in a stream that refuses what is beyond its limits.
    pub(super) fn takes(&self, message: &Incoming) -> Result<(), TransportError> {
        let StreamConfig { max_bytes, max_messages, when_full, .. } = self.config;
        let full = match when_full {
            WhenFull::DropOldest => None,
            WhenFull::Refuse if max_messages > 0 && self.messages.len() as u64 >= max_messages => {
                Some("messages")
            }
            WhenFull::Refuse if max_bytes > 0 && self.bytes + weight(message) > max_bytes => Some("bytes"),
            WhenFull::Refuse => None,
        };
        full.map_or(Ok(()), |what| Err(TransportError::Refused(format!("maximum {what} exceeded"))))
    }

    /// The first message with this sequence or a later one, whose subject the filter covers.
    pub(super) fn next(&self, from: u64, filter: Option<&str>) -> Option<Record> {
        let wanted = |kept: &Kept| filter.is_none_or(|filter| covers(filter, &kept.message.subject));
        let found = self.messages.range(from..).find(|(_, kept)| wanted(kept));
        found.map(|(&sequence, kept)| Record {
            message: kept.message.clone(),
            sequence,
            stored_at: kept.stored_at,
        })
    }

    /// Removes a message. Returns whether it was there.
    pub(super) fn delete(&mut self, sequence: u64) -> bool {
        let removed = self.messages.remove(&sequence);
        self.bytes -= removed.as_ref().map_or(0, |kept| kept.bytes);
        removed.is_some()
    }

    pub(super) fn stores(&self, subject: &str) -> bool {
        self.config.subjects.iter().any(|pattern| covers(pattern, subject))
    }

    /// Another stream may not store what this one stores.
    pub(super) fn subjects(&self) -> &[String] {
        &self.config.subjects
    }

    /// The sequence of a message with this id, if it is remembered.
    pub(super) fn sequence_of(&mut self, id: &str, now: Instant) -> Option<u64> {
        while let Some((when, _)) = self.remembered.front() {
            if now.saturating_duration_since(*when) < self.config.duplicate_window
                && self.ids.len() <= MAX_IDS
            {
                break;
            }
            if let Some((_, forgotten)) = self.remembered.pop_front() {
                self.ids.remove(&forgotten);
            }
        }
        self.ids.get(id).copied()
    }

    /// Adds a message. Returns its sequence.
    pub(super) fn add(
        &mut self,
        message: Incoming,
        id: Option<&str>,
        now: Instant,
        stored_at: SystemTime,
    ) -> u64 {
        self.last_sequence += 1;
        let sequence = self.last_sequence;
        if let Some(id) = id.filter(|_| !self.config.duplicate_window.is_zero()) {
            let id: Arc<str> = id.into();
            self.ids.insert(Arc::clone(&id), sequence);
            self.remembered.push_back((now, id));
        }
        let bytes = weight(&message);
        self.bytes += bytes;
        self.messages.insert(sequence, Kept { message, stored: now, stored_at, bytes });
        self.expire(now);
        for durable in self.durables.values() {
            durable.changed.notify_waiters();
        }
        sequence
    }

    /// Removes what is beyond the limits: the oldest first.
    pub(super) fn expire(&mut self, now: Instant) {
        let StreamConfig { max_age, max_bytes, max_messages, .. } = self.config;
        while let Some(first) = self.messages.first_entry() {
            let old = !max_age.is_zero() && now.saturating_duration_since(first.get().stored) >= max_age;
            let much = max_bytes > 0 && self.bytes > max_bytes;
            if !old && !much && (max_messages == 0 || self.messages.len() as u64 <= max_messages) {
                break;
            }
            if let Some((_, removed)) = self.messages.pop_first() {
                self.bytes -= removed.bytes;
            }
        }
    }

    pub(super) fn state(&self) -> StreamState {
        StreamState {
            messages: self.messages.len() as u64,
            bytes: self.bytes,
            first_sequence: self.messages.keys().next().copied().unwrap_or(self.last_sequence + 1),
            last_sequence: self.last_sequence,
        }
    }
}

/// What a message counts for.
pub(super) fn weight(message: &Incoming) -> u64 {
    (message.payload.len() + message.headers.wire_bytes() + message.subject.len()) as u64
}
