//! The framing of messages on a connection: a segment table, then the segments.
//!
//! Memory is allocated for received bytes, never for a size that the peer claims. A table beyond the limits is refused before the
//! first byte of the body, and the body grows as its bytes come.
//!
//! Format: <https://capnproto.org/encoding.html#serialization-over-a-stream>.

use std::fmt;

use capnp::Word;
use capnp::message::ReaderSegments;

/// The most segments of a message. Other implementations have the same limit.
pub(crate) const MAX_SEGMENTS: usize = 512;

const WORD: usize = size_of::<Word>();

/// The words that are allocated for a body before its bytes come.
const FIRST_WORDS: usize = 512;

/// Why bytes are not a message within the limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum FramingError {
    /// The message claims this many segments.
    TooManySegments(u64),
    /// The message claims this many bytes.
    TooLarge { bytes: u64, limit: usize },
    /// The peer closed the connection within a message.
    Truncated,
}

impl fmt::Display for FramingError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManySegments(found) => {
                write!(f, "a message with {found} segments, where at most {MAX_SEGMENTS} are accepted")
            }
            Self::TooLarge { bytes, limit } => {
                write!(f, "a message of {bytes} bytes, where at most {limit} are accepted")
            }
            Self::Truncated => f.write_str("the connection was closed within a message"),
        }
    }
}

/// The segments of a complete message.
#[derive(Default)]
pub(crate) struct Segments {
    words: Vec<Word>,
    /// The end of each segment, in words.
    ends: Vec<usize>,
}

impl Segments {
    /// Its length in bytes.
    pub(crate) fn bytes(&self) -> usize {
        self.words.len() * WORD
    }

    /// Its memory in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.words.capacity() * WORD + self.ends.capacity() * size_of::<usize>()
    }
}

impl ReaderSegments for Segments {
    fn get_segment(&self, id: u32) -> Option<&[u8]> {
        let id = usize::try_from(id).ok()?;
        let end = *self.ends.get(id)?;
        let begin = id.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(Word::words_to_bytes(&self.words[begin..end]))
    }

    fn len(&self) -> usize {
        self.ends.len()
    }
}

/// The position of the decoder in a message.
enum DecoderState {
    /// Within the segment table. Its first four bytes give its length.
    Table { table: Vec<u8>, length: usize },
    /// Within the body. `filled` of its bytes have come.
    Body { segments: Segments, total_words: usize, filled: usize },
}

/// Decodes messages from pieces of any size.
pub(crate) struct Decoder {
    state: DecoderState,
    limit_bytes: usize,
}

impl Decoder {
    /// A decoder of messages of at most this many bytes.
    pub(crate) fn new(limit_bytes: usize) -> Self {
        Self { state: Self::start(), limit_bytes }
    }

    fn start() -> DecoderState {
        DecoderState::Table { table: Vec::new(), length: WORD }
    }

    /// Whether it has the beginning of a message without the end.
    pub(crate) fn within_message(&self) -> bool {
        !matches!(&self.state, DecoderState::Table { table, .. } if table.is_empty())
    }

    /// The memory of the incomplete message in bytes.
    pub(crate) fn memory(&self) -> usize {
        match &self.state {
            DecoderState::Table { table, .. } => table.capacity(),
            DecoderState::Body { segments, .. } => segments.memory(),
        }
    }

    /// Takes bytes from `input`, up to the end of a message. `None` if the message is not complete yet.
    pub(crate) fn decode(&mut self, input: &mut &[u8]) -> Result<Option<Segments>, FramingError> {
        loop {
            match &mut self.state {
                DecoderState::Table { table, length } => {
                    take(table, *length, input);
                    if table.len() < *length {
                        return Ok(None);
                    }
                    let segments = segment_count(table)?;
                    // The count and the lengths of the segments have four bytes each, padded to whole words.
                    *length = (segments / 2 + 1) * WORD;
                    if table.len() == *length {
                        self.state = body(table, segments, self.limit_bytes)?;
                    }
                }
                DecoderState::Body { segments, total_words, filled } => {
                    fill(&mut segments.words, *total_words, filled, input);
                    if *filled < *total_words * WORD {
                        return Ok(None);
                    }
                    let whole = std::mem::take(segments);
                    self.state = Self::start();
                    return Ok(Some(whole));
                }
            }
        }
    }
}

/// Moves bytes to `to` until it has `length` bytes, or `input` is empty.
fn take(to: &mut Vec<u8>, length: usize, input: &mut &[u8]) {
    let count = length.saturating_sub(to.len()).min(input.len());
    let (now, rest) = input.split_at(count);
    to.extend_from_slice(now);
    *input = rest;
}

fn segment_count(table: &[u8]) -> Result<usize, FramingError> {
    let count = u64::from(number(table, 0)) + 1;
    match usize::try_from(count) {
        Ok(count) if count <= MAX_SEGMENTS => Ok(count),
        _ => Err(FramingError::TooManySegments(count)),
    }
}

/// The number at this index of the table.
fn number(table: &[u8], place: usize) -> u32 {
    let mut bytes = [0; 4];
    bytes.copy_from_slice(&table[place * 4..place * 4 + 4]);
    u32::from_le_bytes(bytes)
}

fn body(table: &[u8], segments: usize, limit_bytes: usize) -> Result<DecoderState, FramingError> {
    let words: u64 = (1..=segments).map(|place| u64::from(number(table, place))).sum();
    let bytes = words * WORD as u64;
    let total_words = match usize::try_from(bytes) {
        Ok(bytes) if bytes <= limit_bytes => bytes / WORD,
        _ => return Err(FramingError::TooLarge { bytes, limit: limit_bytes }),
    };
    let mut end = 0;
    // The sum of all lengths fits, so each length does.
    let ends = (1..=segments).map(|place| {
        end += number(table, place) as usize;
        end
    });
    let ends = ends.collect();
    let words = Vec::with_capacity(total_words.min(FIRST_WORDS));
    Ok(DecoderState::Body { segments: Segments { words, ends }, total_words, filled: 0 })
}

fn fill(words: &mut Vec<Word>, total_words: usize, filled: &mut usize, input: &mut &[u8]) {
    let count = (total_words * WORD - *filled).min(input.len());
    let (now, rest) = input.split_at(count);
    let needed = (*filled + count).div_ceil(WORD);
    if needed > words.capacity() {
        // At most twice the received bytes, and never more than the whole body.
        let room = (words.capacity() * 2).max(needed).min(total_words);
        words.reserve_exact(room - words.len());
    }
    words.resize(needed, capnp::word(0, 0, 0, 0, 0, 0, 0, 0));
    Word::words_to_bytes_mut(words)[*filled..*filled + count].copy_from_slice(now);
    *filled += count;
    *input = rest;
}

/// Appends a message with its segment table.
pub(crate) fn encode(segments: &[&[u8]], out: &mut Vec<u8>) {
    let table_words = segments.len() / 2 + 1;
    out.reserve(table_words * WORD + segments.iter().map(|segment| segment.len()).sum::<usize>());
    let end = out.len() + table_words * WORD;
    // A message that is built here has at least one segment, and no segment of 2^32 words.
    let number = |value: usize| u32::try_from(value).unwrap_or(u32::MAX).to_le_bytes();
    out.extend_from_slice(&number(segments.len().saturating_sub(1)));
    for segment in segments {
        out.extend_from_slice(&number(segment.len() / WORD));
    }
    out.resize(end, 0);
    for segment in segments {
        out.extend_from_slice(segment);
    }
}

#[cfg(test)]
mod tests;
