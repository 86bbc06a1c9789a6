//! The seam between this crate and what carries messages: exactly what the crate needs of NATS with JetStream.
//!
//! Two rules hold for every transport. They are why the seam has this form:
//!
//! - **Only an answer proves anything.** [`store`](Transport::store) and [`settle`](Transport::settle) end with the answer of the
//!   server, or with [`TransportError::NoAnswer`]: what was asked may have happened. [`publish`](Transport::publish) proves nothing.
//! - **A pull asks for as much as there is room for.** Nothing is fetched ahead: the ack wait of a fetched message runs.
//!
//! Every call ends: by the timeout that it is given, or at once.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::config::StreamStorage;
use crate::wire::Headers;

/// A message on its way out.
#[derive(Debug, Clone)]
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    /// The subject that an answer goes to.
    pub(crate) reply: Option<String>,
    pub(crate) headers: Headers,
    pub(crate) payload: Bytes,
}

/// A message that arrived.
#[derive(Debug, Clone)]
pub(crate) struct Incoming {
    pub(crate) subject: Arc<str>,
    pub(crate) reply: Option<Arc<str>>,
    pub(crate) headers: Arc<Headers>,
    pub(crate) payload: Bytes,
}

/// A message that a stream delivered to a durable consumer.
#[derive(Debug, Clone)]
pub(crate) struct Delivered {
    pub(crate) message: Incoming,
    /// Names the delivery in [`Transport::settle`]. In NATS it is the reply subject.
    pub(crate) token: AckToken,
    pub(crate) sequence: u64,
    /// How many times it was delivered, this one included. Hand-backs raise it, and a crash of a server may lower it.
    pub(crate) deliveries: u64,
    /// When the stream stored it.
    pub(crate) stored_at: SystemTime,
    /// How many messages wait behind it.
    pub(crate) pending: u64,
}

/// What names a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AckToken {
    pub(crate) stream: Arc<str>,
    pub(crate) consumer: Arc<str>,
    pub(crate) sequence: u64,
    /// The subject of the acknowledgement, in NATS.
    pub(crate) reply: Option<Arc<str>>,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settlement {
    /// It was handled.
    Ack,
    /// It is delivered again after this time.
    Nak(Duration),
    /// It is being handled: its ack wait begins again.
    Progress,
    #[cfg_attr(not(test), allow(dead_code, reason = "nothing is given up without a dead letter"))]
    /// It is not delivered again. Without a reason: servers before 2.10.4 ignore one that has it.
    Term,
}

/// What a stream answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StoreAck {
    pub(crate) stream: Arc<str>,
    pub(crate) sequence: u64,
    /// Whether the stream had the message already, by its id.
    pub(crate) duplicate: bool,
}

/// What a stream does with a message beyond its limits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WhenFull {
    /// The oldest messages go.
    DropOldest,
    /// The new message is refused.
    Refuse,
}

/// A stream to provide, or as it is. Messages stay until a limit, or [`Transport::stream_delete`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamConfig {
    pub(crate) name: String,
    pub(crate) subjects: Vec<String>,
    /// Zero means without limit, here and below.
    pub(crate) max_age: Duration,
    pub(crate) max_bytes: u64,
    pub(crate) max_messages: u64,
    pub(crate) duplicate_window: Duration,
    pub(crate) storage: StreamStorage,
    /// How many servers keep a copy. Zero, for a stream to provide, leaves it to the transport: three in a cluster, else one.
    pub(crate) replicas: u8,
    pub(crate) when_full: WhenFull,
    /// The release that provided it last. Zero is unknown. In NATS it is in the description.
    pub(crate) release: u64,
}

/// A stream as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct StreamInfo {
    pub(crate) config: StreamConfig,
    pub(crate) state: StreamState,
    /// What this crate never sets and can't work with, each as `retention is workqueue, and must be limits`.
    pub(crate) unfit: Vec<String>,
}

/// A message that a stream keeps.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) message: Incoming,
    pub(crate) sequence: u64,
    pub(crate) stored_at: SystemTime,
}

/// What a stream holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct StreamState {
    pub(crate) messages: u64,
    pub(crate) bytes: u64,
    pub(crate) first_sequence: u64,
    pub(crate) last_sequence: u64,
}

/// Where a new durable consumer begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DeliverPolicy {
    All,
    FromSequence(u64),
    FromTime(SystemTime),
}

/// A durable consumer to provide. Acks are explicit, and deliveries have no limit of their own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerConfig {
    pub(crate) name: String,
    /// One filter at most: servers before 2.10 ignore a list.
    pub(crate) filter: Option<String>,
    pub(crate) ack_wait: Duration,
    pub(crate) max_ack_pending: usize,
    /// Only for a new consumer. Where an existing one is stays.
    pub(crate) deliver: DeliverPolicy,
    /// The release that provided it last. Zero is unknown. In NATS it is in the description.
    pub(crate) release: u64,
}

/// A consumer as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ConsumerInfo {
    /// As provided. `deliver` may be any.
    pub(crate) config: ConsumerConfig,
    pub(crate) state: ConsumerState,
    /// What this crate never sets and can't work with, each as `ack policy is none, and must be explicit`.
    pub(crate) unfit: Vec<String>,
}

/// How far a consumer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct ConsumerState {
    /// Messages that were not delivered yet.
    pub(crate) pending: u64,
    /// Messages that were delivered and not settled.
    pub(crate) ack_pending: u64,
    /// The last sequence of the stream that was delivered, 0 before the first one.
    pub(crate) delivered_sequence: u64,
}

/// An entry of a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RawEntry {
    pub(crate) key: Arc<str>,
    /// `None` for a deleted key.
    pub(crate) value: Option<Bytes>,
    pub(crate) revision: u64,
    /// When the bucket stored it, by the clock of the server.
    pub(crate) stored_at: SystemTime,
}

/// A bucket to provide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct BucketConfig {
    pub(crate) name: String,
    /// How many revisions of a key are kept, 1 to 64.
    pub(crate) history: usize,
    pub(crate) max_value_bytes: usize,
    /// How long an entry is kept. Then its key is as one that never was, and no watch tells of it. Zero means without limit, here and
    /// below.
    pub(crate) max_age: Duration,
    /// Beyond it, new entries are refused.
    pub(crate) max_bytes: u64,
}

/// What has copies.
#[derive(Debug, Clone, Copy)]
pub(crate) enum CopiesOf<'a> {
    Stream(&'a str),
    Bucket(&'a str),
}

impl CopiesOf<'_> {
    pub(crate) fn name(&self) -> &str {
        let (Self::Stream(name) | Self::Bucket(name)) = self;
        name
    }
}

/// On which revision of a key a change is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Any,
    /// The key is absent, or was deleted.
    Absent,
    Revision(u64),
}

/// Why a transport did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum TransportError {
    /// It did not leave the process: there is no connection.
    NotConnected,
    /// It left, and no answer came in time. It may have happened.
    NoAnswer,
    /// Nobody listens on the subject.
    NoResponders,
    /// No stream stores the subject, or the stream, the consumer or the bucket does not exist.
    NotFound(String),
    /// The server refused it, with this reason.
    Refused(String),
    /// The message, headers included, is larger than the server takes. It did not leave the process.
    TooLarge { bytes: usize, limit: usize },
    /// The key has another revision.
    WrongRevision,
}

impl fmt::Display for TransportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotConnected => f.write_str("there is no connection to a server"),
            Self::NoAnswer => f.write_str("no answer came in time"),
            Self::NoResponders => f.write_str("nobody listens on the subject"),
            Self::NotFound(what) => write!(f, "{what} does not exist"),
            Self::Refused(reason) => write!(f, "the server refused it: {reason}"),
            Self::TooLarge { bytes, limit } => {
                write!(
                    f,
                    "it has {bytes} bytes with its headers, and the server takes {limit}; send less, or raise max_payload there"
                )
            }
            Self::WrongRevision => f.write_str("the key has another revision"),
        }
    }
}

/// The result of a call.
pub(crate) type Call<'a, T> = BoxFuture<'a, Result<T, TransportError>>;

/// Messages of a subscription. Dropping it unsubscribes.
pub(crate) struct Subscription {
    pub(crate) messages: mpsc::Receiver<Incoming>,
    /// Messages that were dropped because the queue was full.
    pub(crate) dropped: Arc<AtomicU64>,
    /// Ends the subscription when it is dropped.
    pub(crate) _guard: Box<dyn Send + Sync>,
}

impl Subscription {
    /// How many messages were dropped since the last call.
    pub(crate) fn take_dropped(&self) -> u64 {
        // A count alone: it orders nothing.
        self.dropped.swap(0, Ordering::Relaxed)
    }
}

/// Deliveries that were asked for.
pub(crate) trait Pull: Send {
    /// The next delivery. `None` when all that were asked for came, or the time is over. Cancel safe: a delivery is not lost.
    fn next(&mut self) -> Call<'_, Option<Delivered>>;

    /// Whether the server may send more for it, also after it was closed here.
    fn lingers(&self) -> bool;

    /// Ends the pull, and returns what had arrived and was not taken.
    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<Delivered>>;
}

/// Changes of a bucket, in order.
pub(crate) trait Watch: Send {
    /// The next change. `None` when the bucket is gone. Cancel safe.
    fn next(&mut self) -> Call<'_, Option<RawEntry>>;
}

/// What carries messages. See the module for its two rules.
pub(crate) trait Transport: Send + Sync + 'static {
    /// Takes the connection away for a time, where a test can.
    #[cfg(test)]
    fn cut_off(&self, _: Duration) {}

    /// How many calls there were, where a test can tell.
    #[cfg(test)]
    fn calls(&self) -> u64 {
        0
    }

    /// Loses a stream or a bucket, where a test can.
    #[cfg(test)]
    fn lose_stream(&self, _: &str) {}

    /// Loses the answers to settlements for a time, where a test can.
    #[cfg(test)]
    fn lose_answers(&self, _: Duration) {}

    /// Sends to the subscribers of this moment. A stream with the subject stores it too.
    fn publish(&self, message: Outgoing) -> Call<'_, ()>;

    /// Sends, and waits for the first answer.
    fn request(&self, message: Outgoing, timeout: Duration) -> Call<'_, Incoming>;

    /// Listens. Members of one `queue` share messages. `capacity` bounds what waits; newer messages are dropped and counted.
    fn subscribe(&self, subject: String, queue: Option<String>, capacity: usize) -> Call<'_, Subscription>;

    /// Sends to the stream of the subject, once, and waits for its acknowledgement. The header `Nats-Msg-Id` finds duplicates.
    fn store(&self, message: Outgoing, timeout: Duration) -> Call<'_, StoreAck>;

    /// The most bytes of a message with its headers. A message that is larger fails with [`TransportError::TooLarge`].
    fn max_bytes(&self) -> usize;

    /// The time on the clock that stamps what is stored.
    fn wall_clock(&self) -> SystemTime {
        SystemTime::now()
    }

    /// Makes a stream, or sets the config of one that exists. Refuses subjects of another stream. `provision` decides what to set.
    fn put_stream(&self, config: StreamConfig, exists: bool) -> Call<'_, ()>;

    /// Raises the copies of a stream or a bucket to the number for new ones, if it may `change` it. Servers that were away
    /// when it was made may be there now. Returns why it has fewer, or `None`.
    fn raise_copies(&self, _of: CopiesOf<'_>, _change: bool) -> Call<'_, Option<String>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// A stream as it is.
    fn stream_info(&self, name: &str) -> Call<'_, StreamInfo>;

    /// What a stream holds.
    fn stream_state(&self, name: &str) -> Call<'_, StreamState>;

    /// The first message with this sequence or a later one, whose subject the filter covers. `None` if there is none.
    fn stream_next(&self, stream: &str, from: u64, filter: Option<&str>) -> Call<'_, Option<Record>>;

    /// Removes a message, so that no consumer gets it any more. Returns whether it was there.
    fn stream_delete(&self, stream: &str, sequence: u64) -> Call<'_, bool>;

    /// Makes a durable consumer, or changes its ack wait, its limit and its release. Where it is stays.
    fn ensure_consumer(&self, stream: &str, config: ConsumerConfig) -> Call<'_, ConsumerState>;

    /// How far a consumer is.
    fn consumer_state(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerState>;

    /// A consumer as it is.
    fn consumer_info(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerInfo>;

    /// The consumers of a stream by name, at most 1,024.
    fn consumers(&self, stream: &str) -> Call<'_, Vec<ConsumerInfo>>;

    #[cfg_attr(not(test), allow(dead_code, reason = "consumers are never deleted by the program"))]
    /// Deletes a consumer. Pulls of it end with [`TransportError::NotFound`].
    fn delete_consumer(&self, stream: &str, consumer: &str) -> Call<'_, ()>;

    /// Asks for up to `batch` deliveries within a time.
    fn pull(&self, stream: &str, consumer: &str, batch: usize, expires: Duration) -> Call<'_, Box<dyn Pull>>;

    /// Says what becomes of a delivery, and waits until the server confirms it. A delivery that was settled before is confirmed too.
    fn settle(&self, token: AckToken, settlement: Settlement, timeout: Duration) -> Call<'_, ()>;

    /// Makes a bucket, or raises its `max_age`, which is never lowered.
    fn ensure_bucket(&self, config: BucketConfig) -> Call<'_, ()>;

    /// The last entry of a key, if there is one. A deleted key has an entry without a value.
    fn bucket_get(&self, bucket: &str, key: &str) -> Call<'_, Option<RawEntry>>;

    /// Sets a key, or deletes it without a value. Returns the new revision.
    fn bucket_put(
        &self,
        bucket: &str,
        key: &str,
        value: Option<Bytes>,
        expected: Expected,
        timeout: Duration,
    ) -> Call<'_, u64>;

    /// Removes the entry of a key with this revision, if it is still there, without an entry for the deletion. Watches are not told.
    fn bucket_forget(&self, bucket: &str, key: &str, revision: u64) -> Call<'_, ()>;

    /// The kept entries of a key, oldest first.
    fn bucket_history(&self, bucket: &str, key: &str) -> Call<'_, Vec<RawEntry>>;

    /// The last entry of every key that has a value, then every change. `key` limits it to one key.
    fn bucket_watch(&self, bucket: &str, key: Option<&str>) -> Call<'_, Box<dyn Watch>>;
}
