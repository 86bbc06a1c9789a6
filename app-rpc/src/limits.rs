//! The limits of a connection.

use std::time::Duration;

use capnp::message::ReaderOptions;

/// The limits of one connection. capnp-rpc itself has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message in bytes, without its segment table. A larger one closes the connection.
    pub message_bytes: usize,
    /// Calls in flight. Further calls are refused. All connections of one peer may have four times as many together.
    pub calls: usize,
    /// Bytes of the messages of all calls in flight. While they are beyond this limit, further calls are refused.
    pub held_bytes: usize,
    /// Bytes that wait to be written. Beyond this limit the connection is closed.
    pub queued_bytes: usize,
    /// Bytes of memory of all connections of one peer together. Further calls are refused. A peer that sends other messages then
    /// loses its connection.
    pub peer_memory_bytes: usize,
    /// Bytes of memory of the connections of all peers together.
    pub memory_bytes: usize,
    /// Capabilities in one message of the peer. For a server, its [`Bootstrap`](crate::Bootstrap) sets this.
    pub capabilities: usize,
    /// Steps of the path from an answer to the called capability in it.
    pub transform_steps: usize,
    /// The time from accepting the socket to the end of the handshake.
    pub handshake: Duration,
    /// How long the peer may pause within a message, or not read waiting bytes.
    pub stall: Duration,
    /// How long a connection may be without messages and without calls in flight.
    pub idle: Duration,
    /// How long running calls may continue when the connection has to end, because it is too old or the server stops.
    pub drain: Duration,
}

/// The default memory of one peer.
const PEER_MEMORY_BYTES: usize = 24 * 1024 * 1024;

/// By default, this many peers can use all their memory at the same time.
const PEERS: usize = 8;

/// All connections of a peer together may have this many times the calls of one connection.
const CALLS_OF_PEER: usize = 4;

/// Words that may be read of a message of any size. A part counts each time that a reader passes through it.
const SPARE_WORDS: usize = 8 * 1024;

/// While a message of the largest size is read and answered, it is in memory this many times.
const MESSAGES: usize = 4;

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_bytes: 1024 * 1024,
            calls: 1024,
            held_bytes: 8 * 1024 * 1024,
            queued_bytes: 16 * 1024 * 1024,
            peer_memory_bytes: PEER_MEMORY_BYTES,
            memory_bytes: PEER_MEMORY_BYTES * PEERS,
            capabilities: 0,
            transform_steps: 16,
            handshake: Duration::from_secs(5),
            stall: Duration::from_secs(10),
            idle: Duration::from_secs(600),
            drain: Duration::from_secs(8),
        }
    }
}

impl Limits {
    /// Calls in flight on all connections of one peer together.
    pub(crate) fn calls_of_peer(&self) -> usize {
        self.calls.saturating_mul(CALLS_OF_PEER)
    }

    /// The default memory of one peer: enough for a message of this size.
    pub(crate) fn default_peer_memory(message_bytes: usize) -> usize {
        PEER_MEMORY_BYTES.max(Self::least_peer_memory(message_bytes))
    }

    /// The least memory with which a message of this size can be read and answered.
    pub(crate) fn least_peer_memory(message_bytes: usize) -> usize {
        message_bytes.saturating_mul(MESSAGES)
    }

    /// The default memory of all peers.
    pub(crate) fn default_memory(peer_memory_bytes: usize) -> usize {
        peer_memory_bytes.saturating_mul(PEERS)
    }

    /// The bytes of the memory of all peers that are kept for peers with a grant, if there are any: the memory of one peer. The others
    /// have at least the memory of one peer.
    pub(crate) fn kept_memory(&self, any_granted: bool) -> usize {
        let spare = self.memory_bytes.saturating_sub(self.peer_memory_bytes);
        if any_granted { spare.min(self.peer_memory_bytes) } else { 0 }
    }

    /// The reader options for a message of this many bytes. It may be read a few times over. The limit depends on its own size,
    /// because a message without content can still claim a list of many elements.
    pub(crate) fn options_for(message_bytes: usize) -> ReaderOptions {
        let words = message_bytes / size_of::<capnp::Word>();
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(words.saturating_mul(4) + SPARE_WORDS)).nesting_limit(64);
        options
    }

    /// The reader options for every message within the limits. It may be read a few times over. So a small message with many pointers
    /// to the same large object can't cause much work.
    pub(crate) fn reader_options(&self) -> ReaderOptions {
        let words = self.message_bytes / size_of::<capnp::Word>();
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(words.saturating_mul(4))).nesting_limit(64);
        options
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_kept_where_a_peer_has_a_grant_and_the_others_have_that_of_one() {
        let of = |all| Limits { memory_bytes: all, peer_memory_bytes: 24, ..Limits::default() };
        assert_eq!(of(192).kept_memory(false), 0);
        assert_eq!([192, 48, 30, 24, 10].map(|all| of(all).kept_memory(true)), [24, 24, 6, 0, 0]);
    }
}
