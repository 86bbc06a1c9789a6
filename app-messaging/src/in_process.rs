//! The transport inside of this process: what NATS with JetStream does, for one process, in memory, within limits.
//!
//! It is gone with the process. So it serves where nothing can be lost by that. Time is tokio's, so paused time works. No task
//! and no timer of its own runs: what is due is found when someone asks for it.
//!
//! Bounds: 100,000 subscriptions; 1,000,000 stored messages and 256 MiB of them; 65 MiB of a message; 1,048,576 remembered ids
//! of a stream; 64 MiB of a bucket. Beyond the bounds of messages and buckets it refuses, and says so.

mod bucket;
mod calls;
mod consumer;
mod faults;
mod open;
mod stream;
mod subjects;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use app_core::duration::WallTime;
use parking_lot::{Mutex, MutexGuard};
use tokio::time::Instant;

use self::bucket::KeptBucket;
use self::consumer::Durable;
pub use self::faults::Faults;
use self::faults::{AckFate, Dice};
use self::stream::{Kept, Stream, weight};
use self::subjects::{Listeners, MAX_SUBSCRIPTIONS};
pub(crate) use self::subjects::{is_pattern, is_subject};
use crate::transport::{Incoming, Outgoing, StoreAck, TransportError};
use crate::wire::header;

/// The most messages of all streams.
const MAX_MESSAGES: u64 = 1_000_000;

/// The most bytes of all streams.
const MAX_BYTES: u64 = 256 << 20;

/// The most bytes of a message with its headers: the largest `maxMessageBytes`, and room for headers.
const MAX_MESSAGE_BYTES: usize = 65 << 20;

/// The transport. Clones are one transport.
#[derive(Clone)]
pub(crate) struct InProcess {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Follows paused time.
    clock: WallTime,
    max_message_bytes: usize,
}

struct State {
    listeners: Listeners,
    streams: Vec<Stream>,
    buckets: HashMap<String, KeptBucket>,
    dice: Dice,
    inboxes: u64,
    max_bytes: u64,
    #[cfg(test)]
    calls: u64,
}

impl InProcess {
    pub(crate) fn new(faults: Faults) -> Self {
        let max_message_bytes = faults.message_bytes.unwrap_or(MAX_MESSAGE_BYTES);
        let state = State {
            listeners: Listeners::default(),
            streams: Vec::new(),
            buckets: HashMap::new(),
            max_bytes: faults.memory_bytes.unwrap_or(MAX_BYTES),
            dice: Dice::new(faults),
            inboxes: 0,
            #[cfg(test)]
            calls: 0,
        };
        let clock = WallTime::new();
        Self { inner: Arc::new(Inner { state: Mutex::new(state), clock, max_message_bytes }) }
    }
}

impl Inner {
    fn wall(&self, now: Instant) -> SystemTime {
        self.clock.at(now)
    }

    /// Does something with the state, if there is a connection.
    fn with<T>(
        &self,
        act: impl FnOnce(&mut State, Instant) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        let now = Instant::now();
        let mut state = self.state.lock();
        state.dice.roll(now);
        Self::connected(state, now, act)
    }

    /// As [`with`](Self::with), and the connection does not go away by this call: a start must get through.
    fn with_calm<T>(
        &self,
        act: impl FnOnce(&mut State, Instant) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        Self::connected(self.state.lock(), Instant::now(), act)
    }

    fn connected<T>(
        mut state: MutexGuard<'_, State>,
        now: Instant,
        act: impl FnOnce(&mut State, Instant) -> Result<T, TransportError>,
    ) -> Result<T, TransportError> {
        #[cfg(test)]
        {
            state.calls += 1;
        }
        if !state.dice.connected(now) {
            return Err(TransportError::NotConnected);
        }
        act(&mut state, now)
    }

    /// A message that is larger does not leave the process.
    fn fits(&self, message: &Outgoing) -> Result<(), TransportError> {
        let (bytes, limit) = (message.payload.len() + message.headers.wire_bytes(), self.max_message_bytes);
        if bytes > limit { Err(TransportError::TooLarge { bytes, limit }) } else { Ok(()) }
    }
}

/// What a message reached.
struct Reached {
    listeners: usize,
    stored: Option<StoreAck>,
}

impl State {
    fn stream(&mut self, name: &str) -> Result<&mut Stream, TransportError> {
        let found = self.streams.iter_mut().find(|stream| &*stream.name == name);
        found.ok_or_else(|| TransportError::NotFound(format!("stream {name}")))
    }

    fn durable(
        &mut self,
        stream: &str,
        consumer: &str,
    ) -> Result<(&mut Durable, &KeptMessages), TransportError> {
        let stream = self.stream(stream)?;
        let Stream { durables, messages, name, .. } = stream;
        let durable = durables.get_mut(consumer);
        let durable = durable
            .ok_or_else(|| TransportError::NotFound(format!("consumer {consumer} of stream {name}")))?;
        Ok((durable, messages))
    }

    fn bucket(&mut self, name: &str, now: Instant) -> Result<&mut KeptBucket, TransportError> {
        let found = self.buckets.get_mut(name);
        let bucket = found.ok_or_else(|| TransportError::NotFound(format!("bucket {name}")))?;
        bucket.expire(now);
        Ok(bucket)
    }

    /// Stores the message, if a stream has its subject, and gives it to who listens.
    fn send(&mut self, message: Outgoing, now: Instant, wall: SystemTime) -> Result<Reached, TransportError> {
        if !is_subject(&message.subject) {
            return Err(TransportError::Refused(format!("{:?} is no subject", message.subject)));
        }
        let incoming = Incoming {
            subject: message.subject.into(),
            reply: message.reply.map(Arc::from),
            headers: Arc::new(message.headers),
            payload: message.payload,
        };
        let stored = self.keep(&incoming, now, wall)?;
        let listeners = self.listeners.route(&incoming, &mut self.dice);
        Ok(Reached { listeners, stored })
    }

    /// Stores the message, if a stream has its subject.
    fn keep(
        &mut self,
        message: &Incoming,
        now: Instant,
        wall: SystemTime,
    ) -> Result<Option<StoreAck>, TransportError> {
        let Some(at) = self.streams.iter().position(|stream| stream.stores(&message.subject)) else {
            return Ok(None);
        };
        let id = message.headers.get(header::MSG_ID).map(str::to_owned);
        let stream = &mut self.streams[at];
        stream.expire(now);
        let name = Arc::clone(&stream.name);
        if let Some(sequence) = id.as_deref().and_then(|id| stream.sequence_of(id, now)) {
            return Ok(Some(StoreAck { stream: name, sequence, duplicate: true }));
        }
        if !self.has_room(message) {
            self.streams.iter_mut().for_each(|stream| stream.expire(now));
        }
        if !self.has_room(message) {
            return Err(TransportError::Refused(format!(
                "the streams in this process are full: they hold 1,000,000 messages and {} bytes; limit them, or name a server",
                self.max_bytes
            )));
        }
        self.streams[at].takes(message)?;
        let mut kept = message.clone();
        kept.reply = None;
        let sequence = self.streams[at].add(kept, id.as_deref(), now, wall);
        Ok(Some(StoreAck { stream: name, sequence, duplicate: false }))
    }
}

impl State {
    fn has_room(&self, message: &Incoming) -> bool {
        let states = self.streams.iter().map(Stream::state);
        let (messages, bytes) =
            states.fold((0, 0), |(messages, bytes), state| (messages + state.messages, bytes + state.bytes));
        messages < MAX_MESSAGES && bytes + weight(message) <= self.max_bytes
    }
}

/// The messages of a stream.
type KeptMessages = std::collections::BTreeMap<u64, Kept>;

/// How long a call waits whose answer is lost.
async fn lost(timeout: Duration) -> TransportError {
    tokio::time::sleep(timeout).await;
    TransportError::NoAnswer
}

/// Ends a subscription when it is dropped.
struct Unsubscribe {
    inner: Weak<Inner>,
    pattern: String,
    id: u64,
}

impl Drop for Unsubscribe {
    fn drop(&mut self) {
        if let Some(inner) = self.inner.upgrade() {
            inner.state.lock().listeners.remove(&self.pattern, self.id);
        }
    }
}
