//! The framing of a config file: `zlib(packed(one Cap'n Proto message))`.
//!
//! A file is decoded from the outside in. Each layer must be whole and within its limit before the next one is read:
//!
//! 1. the file, at most [`MAX_FILE_BYTES`];
//! 2. inflated, at most [`MAX_PACKED_BYTES`], with its checksum, and nothing after it;
//! 3. unpacked, at most [`MAX_MESSAGE_WORDS`] and the segment table;
//! 4. the segment table, which must describe exactly the words that follow.
//!
//! A sealed file is opened before it is decoded. This module does not know which files were sealed, so every buffer is overwritten
//! after use.
//!
//! Memory is allocated for bytes that were read, never for a size that the file claims. So the worst file costs the sum of the
//! limits.

mod errors;
mod packed;
#[cfg(test)]
mod tests;

use std::io::{Read, Write};
use std::ops::Deref;

use capnp::Word;
use capnp::message;
use capnp::serialize::{BufferSegments, SEGMENTS_COUNT_LIMIT};
use flate2::{Compression, Decompress, FlushDecompress, Status};

pub use self::errors::{MarshalError, UnmarshalError};
use crate::limits::MAX_TABLE_WORDS;
pub use crate::limits::{MAX_FILE_BYTES, MAX_MESSAGE_WORDS, MAX_NESTING, MAX_PACKED_BYTES, reader_options};
use crate::sealing::is_sealed;
use crate::secret::{SecretBytes, wipe};

/// A config message, as Cap'n Proto reads it.
pub type Message = message::Reader<Segments>;

/// The segments of a decoded message, with the segment table in front.
pub type Segments = BufferSegments<Words>;

/// Words in memory, seen as bytes, with the alignment that Cap'n Proto needs. Overwritten on drop.
pub struct Words(Vec<Word>);

impl Words {
    fn with_capacity(words: usize) -> Self {
        Self(Vec::with_capacity(words))
    }

    /// Makes room for this many words, and for more up to `limit` words in all. The old allocation is overwritten.
    fn make_room(&mut self, words: usize, limit: usize) {
        if self.0.capacity() - self.0.len() < words {
            let mut larger =
                Self::with_capacity((self.0.capacity() * 2).min(limit).max(self.0.len() + words));
            larger.0.extend_from_slice(&self.0);
            *self = larger;
        }
    }
}

impl Drop for Words {
    fn drop(&mut self) {
        wipe(Word::words_to_bytes_mut(&mut self.0));
    }
}

impl Deref for Words {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        Word::words_to_bytes(&self.0)
    }
}

/// Writes a message as the content of a config file.
///
/// [`unmarshal`] can read everything that this function writes: a message beyond the limits is refused. Nothing is written if the
/// message is refused.
///
/// # Errors
/// The message has no root, or is larger than a config may be; or `out` fails.
pub fn marshal<A: message::Allocator>(
    message: &message::Builder<A>,
    out: &mut impl Write,
) -> Result<(), MarshalError> {
    let segments = message.get_segments_for_output();
    let words: usize = segments.iter().map(|segment| segment.len() / size_of::<Word>()).sum();
    if words == 0 {
        return Err(MarshalError::NoRoot);
    }
    if words > MAX_MESSAGE_WORDS {
        return Err(MarshalError::TooManyWords { words });
    }
    if segments.len() >= SEGMENTS_COUNT_LIMIT {
        return Err(MarshalError::TooManySegments { segments: segments.len() });
    }
    // Packing adds at most a tag and a count to every word. With room for that, the buffer does not move.
    let table = segments.len() / 2 + 1;
    let mut packed = SecretBytes::with_capacity((words + table) * (size_of::<Word>() + 2));
    capnp::serialize_packed::write_message(packed.vec_mut(), message).map_err(MarshalError::Message)?;
    if packed.len() > MAX_PACKED_BYTES {
        return Err(MarshalError::PacksTooFar { bytes: packed.len() });
    }
    let mut file =
        flate2::write::ZlibEncoder::new(Vec::with_capacity(packed.len() + 1024), Compression::default());
    let file = file.write_all(&packed).and_then(|()| file.finish()).map_err(MarshalError::Write)?;
    let file = SecretBytes::from(file);
    if file.len() > MAX_FILE_BYTES {
        return Err(MarshalError::FileTooLarge { bytes: file.len() });
    }
    out.write_all(&file).map_err(MarshalError::Write)
}

/// Reads a message from the content of a config file, to the end of `input`.
///
/// The result is whole and within the limits. [`ConfigSchema`](crate::ConfigSchema) checks whether it matches a schema.
///
/// # Errors
/// Reading `input` fails, or `input` is not exactly one message within the limits.
pub fn unmarshal(input: impl Read) -> Result<Message, UnmarshalError> {
    let file = SecretBytes::read_from(input, MAX_FILE_BYTES + 1).map_err(UnmarshalError::Read)?;
    decode(&file)
}

/// As [`unmarshal`], from memory.
///
/// # Errors
/// `file` is not exactly one message within the limits.
pub fn decode(file: &[u8]) -> Result<Message, UnmarshalError> {
    if file.len() > MAX_FILE_BYTES {
        return Err(UnmarshalError::FileTooLarge);
    }
    if file.is_empty() {
        return Err(UnmarshalError::Empty);
    }
    if is_sealed(file) {
        return Err(UnmarshalError::Sealed);
    }
    let packed = inflate(file)?;
    let words = packed::unpack(&packed, MAX_MESSAGE_WORDS + MAX_TABLE_WORDS)?;
    check_table(&words.0)?;
    let segments = BufferSegments::new(words, reader_options()).map_err(UnmarshalError::Message)?;
    Ok(message::Reader::new(segments, reader_options()))
}

fn inflate(file: &[u8]) -> Result<SecretBytes, UnmarshalError> {
    if !starts_as_zlib(file) {
        return Err(UnmarshalError::NotZlib);
    }
    let mut state = Decompress::new(true);
    // With one byte more than allowed, "just fits" differs from "too large".
    let limit = MAX_PACKED_BYTES + 1;
    let mut packed = SecretBytes::with_capacity((file.len() * 8).clamp(4096, limit));
    loop {
        let at = usize::try_from(state.total_in()).unwrap_or(file.len());
        let rest = file.get(at..).unwrap_or_default();
        let status = state.decompress_vec(rest, packed.vec_mut(), FlushDecompress::Finish);
        let status = status.map_err(|_| UnmarshalError::Damaged { offset: state.total_in() })?;
        if packed.len() >= limit {
            return Err(UnmarshalError::InflatesTooFar);
        }
        match status {
            Status::StreamEnd => break,
            Status::Ok | Status::BufError if packed.has_room() => {
                return Err(UnmarshalError::CutShort);
            }
            Status::Ok | Status::BufError => {
                packed.grow(packed.len().min(limit - packed.len()));
            }
        }
    }
    match file.len() as u64 - state.total_in() {
        0 => Ok(packed),
        bytes => Err(UnmarshalError::TrailingBytes { bytes }),
    }
}

/// Whether the first bytes are a zlib header without a preset dictionary (RFC 1950, 2.2).
///
/// A file of one byte with the right first half counts: it is a truncated zlib file.
fn starts_as_zlib(file: &[u8]) -> bool {
    match file {
        [method] => method & 0x0f == 8,
        [method, flags, ..] => {
            method & 0x0f == 8 && u16::from_be_bytes([*method, *flags]) % 31 == 0 && flags & 0x20 == 0
        }
        [] => false,
    }
}

/// Compares the segment table with the words that follow. Allocates nothing.
fn check_table(words: &[Word]) -> Result<(), UnmarshalError> {
    let bytes = Word::words_to_bytes(words);
    let entry = |index: usize| {
        let entry = bytes.get(index * 4..).and_then(|rest| rest.first_chunk::<4>());
        entry.map(|entry| u32::from_le_bytes(*entry) as usize)
    };
    let Some(last) = entry(0) else { return Err(UnmarshalError::NoMessage) };
    let count = last.saturating_add(1);
    if count >= SEGMENTS_COUNT_LIMIT {
        return Err(UnmarshalError::TooManySegments { segments: count });
    }
    let table = count / 2 + 1;
    let mut claimed: usize = 0;
    for index in 1..=count {
        let Some(segment) = entry(index) else { return Err(UnmarshalError::TableCutShort) };
        claimed = claimed.saturating_add(segment);
    }
    if claimed > MAX_MESSAGE_WORDS {
        return Err(UnmarshalError::ClaimsTooMuch { words: claimed });
    }
    match words.len().checked_sub(table) {
        None => Err(UnmarshalError::TableCutShort),
        Some(present) if present < claimed => Err(UnmarshalError::MessageCutShort { claimed, present }),
        Some(present) if present > claimed => Err(UnmarshalError::TrailingWords { words: present - claimed }),
        Some(_) => Ok(()),
    }
}
