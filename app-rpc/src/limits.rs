//! What one connection may take.

use std::time::Duration;

use capnp::message::ReaderOptions;

/// What one connection may take; capnp-rpc itself has no bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The largest message in bytes, segment table left out. A larger one closes the connection.
    pub message_bytes: usize,
    /// Calls in flight; those beyond are refused. All connections of one peer may have four times as many together.
    pub calls: usize,
    /// Bytes of the messages of all calls in flight; while it is reached, further calls are refused.
    pub held_bytes: usize,
    /// Bytes that wait to be written. When it is reached, the connection is closed.
    pub queued_bytes: usize,
    /// Bytes of memory that all connections of one peer may take together, whatever it sends. Further calls are refused; a peer
    /// that goes on with something else loses its connection.
    pub peer_memory_bytes: usize,
    /// Bytes of memory that the connections of all peers may take together.
    pub memory_bytes: usize,
    /// Capabilities that a message of the peer may bring. A server's [`Bootstrap`](crate::Bootstrap) says how many.
    pub capabilities: usize,
    /// Steps of the path from an answer to the capability in it that is called.
    pub transform_steps: usize,
    /// From the connection of the socket to the end of the handshake.
    pub handshake: Duration,
    /// How long the peer may send nothing of a message that it has begun, or take nothing of what waits for it.
    pub stall: Duration,
    /// How long a connection may be without a message and without a call in flight.
    pub idle: Duration,
    /// How long running calls may go on once the connection is to end: because it is too old, or the server stops.
    pub drain: Duration,
}

/// Memory of one peer, where nothing else is said.
const PEER_MEMORY_BYTES: usize = 24 * 1024 * 1024;

/// How many peers may take all of their memory at a time, where nothing else is said.
const PEERS: usize = 8;

/// How many times the calls of one connection all connections of a peer may have in flight.
const CALLS_OF_PEER: usize = 4;

/// Words that may be read of a message of any size. The parts that each reader passes through count each time.
const SPARE_WORDS: usize = 8 * 1024;

/// A message of the largest size is there as often while it is read and answered.
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

    /// The memory of one peer where its config says nothing of it: enough for a message of this size.
    pub(crate) fn default_peer_memory(message_bytes: usize) -> usize {
        PEER_MEMORY_BYTES.max(Self::least_peer_memory(message_bytes))
    }

    /// The least memory with which a message of this size can be read and answered.
    pub(crate) fn least_peer_memory(message_bytes: usize) -> usize {
        message_bytes.saturating_mul(MESSAGES)
    }

    /// The memory of all peers where the config says nothing of it.
    pub(crate) fn default_memory(peer_memory_bytes: usize) -> usize {
        peer_memory_bytes.saturating_mul(PEERS)
    }

    /// How much of the memory of all peers is kept for peers with a grant, in bytes, if there are such: that of one peer. The others
    /// have that of one peer at least.
    pub(crate) fn kept_memory(&self, any_granted: bool) -> usize {
        let spare = self.memory_bytes.saturating_sub(self.peer_memory_bytes);
        if any_granted { spare.min(self.peer_memory_bytes) } else { 0 }
    }

    /// How a message of so many bytes is read: a few times over. A message without content can still claim a list of many elements,
    /// so what may be read goes by its own size.
    pub(crate) fn options_for(message_bytes: usize) -> ReaderOptions {
        let words = message_bytes / size_of::<capnp::Word>();
        let mut options = ReaderOptions::new();
        options.traversal_limit_in_words(Some(words.saturating_mul(4) + SPARE_WORDS)).nesting_limit(64);
        options
    }

    /// How a message within the limits is read: a few times over, so that small messages with many pointers to the same large
    /// thing are no way to make us work.
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
