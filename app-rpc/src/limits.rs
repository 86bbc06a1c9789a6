//! What one connection may take.

use std::time::Duration;

use capnp::message::ReaderOptions;

/// What one connection may take; capnp-rpc itself has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message in bytes, segment table left out. A larger one closes the connection.
    pub message_bytes: usize,
    /// Calls in flight; those beyond are refused.
    pub calls: usize,
    /// Bytes of the messages of all calls in flight; while it is reached, further calls are refused.
    pub held_bytes: usize,
    /// Bytes that wait to be written. When it is reached, the connection is closed.
    pub queued_bytes: usize,
    /// From the connection of the socket to the end of the handshake.
    pub handshake: Duration,
    /// How long the peer may send nothing of a message that it has begun, or take nothing of what waits for it.
    pub stall: Duration,
    /// How long a connection may be without a message and without a call in flight.
    pub idle: Duration,
    /// How long running calls may go on once the connection is to end: because it is too old, or the server stops.
    pub drain: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1024 * 1024,
            calls: 1024,
            held_bytes: 8 * 1024 * 1024,
            queued_bytes: 16 * 1024 * 1024,
            handshake: Duration::from_secs(5),
            stall: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            drain: Duration::from_secs(8),
        }
    }
}

impl Limits {
    /// How a message within the limits is read: a few times over, so that small messages with many pointers to the same large
    /// thing are no way to make us work.
    pub(crate) fn reader_options(&self) -> ReaderOptions {
        let words = self.message_bytes / size_of::<capnp::Word>();
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(words.saturating_mul(4))).nesting_limit(64);
        options
    }
}
