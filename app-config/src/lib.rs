//! app-config.

mod codec;
mod limits;

pub use self::codec::{MarshalError, Message, Segments, UnmarshalError, Words, decode, marshal, unmarshal};
pub use self::limits::{MAX_FILE_BYTES, MAX_MESSAGE_WORDS, MAX_NESTING, MAX_PACKED_BYTES, reader_options};
