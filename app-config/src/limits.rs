//! The limits of a config. Each limit is checked before memory is allocated for what it limits.

use capnp::message::ReaderOptions;

/// Bytes in a config file: 500 KB, the limit of a Docker secret.
///
/// Source: <https://docs.docker.com/engine/swarm/secrets/>.
pub const MAX_FILE_BYTES: usize = 500 * 1024;

/// Bytes in a file of config identities: 64 KiB, room for hundreds.
pub(crate) const MAX_IDENTITIES_BYTES: usize = 64 * 1024;

/// Bytes of packed message that a file may inflate to: 1 MiB.
pub const MAX_PACKED_BYTES: usize = 1024 * 1024;

/// Words (of 8 bytes) in the segments of a message, and words that may be read from it: 1 MiB.
pub const MAX_MESSAGE_WORDS: usize = 131_072;

/// How deeply structs and lists may be nested.
pub const MAX_NESTING: u16 = 16;

/// Bytes in the header of a sealed file.
pub const MAX_HEADER_BYTES: usize = 4096;

/// Recipients of a sealed file. Their stanzas, of 98 bytes each, fit into [`MAX_HEADER_BYTES`]. There is room for the stanzas
/// that age adds at random.
pub const MAX_RECIPIENTS: usize = 32;

/// Words in the segment table of the largest number of segments. The table is not part of the message.
pub(crate) const MAX_TABLE_WORDS: usize = capnp::serialize::SEGMENTS_COUNT_LIMIT / 2 + 1;

/// The options with which every config message is read.
#[must_use]
pub fn reader_options() -> ReaderOptions {
    let mut options = ReaderOptions::new();
    options.traversal_limit_in_words(Some(MAX_MESSAGE_WORDS)).nesting_limit(i32::from(MAX_NESTING));
    options
}
