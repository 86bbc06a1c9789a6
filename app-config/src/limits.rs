//! The most that a config may be. Every limit is checked before memory is taken for what it limits.

use capnp::message::ReaderOptions;

/// Bytes in a config file: 500 KB, the most that a Docker secret may have.
///
/// Source: <https://docs.docker.com/engine/swarm/secrets/>.
pub const MAX_FILE_BYTES: usize = 500 * 1024;

/// Bytes in a file of identities: 64 KiB, hundreds of them.
pub(crate) const MAX_IDENTITIES_BYTES: usize = 64 * 1024;

/// Bytes of packed message that a file may inflate to: 1 MiB.
pub const MAX_PACKED_BYTES: usize = 1024 * 1024;

/// Words (of 8 bytes) in the segments of a message, and words that may be read from it: 1 MiB.
pub const MAX_MESSAGE_WORDS: usize = 131_072;

/// How deeply structs and lists may be nested.
pub const MAX_NESTING: u16 = 16;

/// Words that the segment table of the largest number of segments takes; the table is not part of the message.
pub(crate) const MAX_TABLE_WORDS: usize = capnp::serialize::SEGMENTS_COUNT_LIMIT / 2 + 1;

/// The options with which every config message is read.
#[must_use]
pub fn reader_options() -> ReaderOptions {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(MAX_MESSAGE_WORDS)).nesting_limit(i32::from(MAX_NESTING));
    options
}
