//! The payload of a message: one Cap'n Proto message, packed.
//!
//! Packed zeros unpack 1,023 to 1. So the words are counted before memory is allocated for them, and the segment table is compared
//! with the words that are there.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;

use bytes::Bytes;
use capnp::message::{self, ReaderOptions, TypedReader};
use capnp::schema::StructSchema;
use capnp::serialize::{BufferSegments, SEGMENTS_COUNT_LIMIT};
use capnp::traits::Owned;
use capnp::{Word, any_pointer, word};

/// How many times its packed limit a payload may have unpacked.
const UNPACKED_FACTOR: usize = 8;

/// How deep structs and lists may be nested.
const MAX_NESTING: i32 = 64;

/// How many times a reader may visit each word. Pointers may share what they point to.
const VISITS: usize = 16;

/// The limits of a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Limits {
    packed_bytes: usize,
}

impl Limits {
    /// Limits with this many bytes packed, and eight times as many unpacked.
    pub(crate) const fn new(packed_bytes: usize) -> Self {
        Self { packed_bytes }
    }

    pub(crate) const fn packed_bytes(self) -> usize {
        self.packed_bytes
    }

    const fn words(self) -> usize {
        self.packed_bytes.saturating_mul(UNPACKED_FACTOR) / size_of::<Word>()
    }
}

/// Why bytes are no payload, or a message can't become one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum PayloadError {
    /// It is packed larger than allowed.
    PacksTooFar {
        /// Its size, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// It unpacks to more than allowed.
    UnpacksTooFar {
        /// Its size if it is known, else the first size that was too large, in bytes.
        bytes: usize,
        /// The limit, in bytes.
        limit: usize,
    },
    /// The packed bytes end within a word.
    CutShort,
    /// The segment table and the words do not fit together.
    Table,
    /// The words are no message of the schema.
    Malformed(String),
}

impl fmt::Display for PayloadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PacksTooFar { bytes, limit } => {
                write!(f, "payload: has {bytes} bytes packed, at most {limit} are allowed; send less, or raise maxMessageBytes")
            }
            Self::UnpacksTooFar { bytes, limit } => {
                write!(f, "payload: has {bytes} bytes or more unpacked, at most {limit} are allowed; send less, or raise maxMessageBytes")
            }
            Self::CutShort => f.write_str("payload: ends within a word; send one packed Cap'n Proto message"),
            Self::Table => {
                f.write_str("payload: the segment table does not fit the words; send exactly one packed Cap'n Proto message")
            }
            Self::Malformed(why) => write!(f, "payload: is no message of the schema: {why}"),
        }
    }
}

impl std::error::Error for PayloadError {}

/// Packs a message, within the limits.
pub(crate) fn pack<A: message::Allocator>(
    message: &message::Builder<A>,
    limits: Limits,
) -> Result<Bytes, PayloadError> {
    let segments = message.get_segments_for_output();
    let words = segments.iter().map(|segment| segment.len() / size_of::<Word>()).sum::<usize>();
    let words = words + segments.len() / 2 + 1;
    if words > limits.words() {
        let (bytes, limit) = (words * size_of::<Word>(), limits.words() * size_of::<Word>());
        return Err(PayloadError::UnpacksTooFar { bytes, limit });
    }
    // Packed is seldom larger.
    let mut packed = Vec::with_capacity(words.saturating_mul(size_of::<Word>()).min(limits.packed_bytes));
    capnp::serialize_packed::write_message(&mut packed, message)
        .map_err(|error| PayloadError::Malformed(error.to_string()))?;
    if packed.len() > limits.packed_bytes {
        return Err(PayloadError::PacksTooFar { bytes: packed.len(), limit: limits.packed_bytes });
    }
    Ok(packed.into())
}

/// A payload that was decoded and checked: whole, within the limits, and without a pointer that leads astray. Cheap to clone.
pub struct Payload<S> {
    words: Arc<[Word]>,
    schema: PhantomData<fn() -> S>,
}

impl<S: Owned> Payload<S> {
    /// Decodes packed bytes. Fields that the schema does not have are accepted.
    pub(crate) fn decode(packed: &[u8], limits: Limits) -> Result<Self, PayloadError> {
        if packed.len() > limits.packed_bytes {
            return Err(PayloadError::PacksTooFar { bytes: packed.len(), limit: limits.packed_bytes });
        }
        let count = count_words(packed, limits.words())?;
        let words: Arc<[Word]> = unpack(packed, count)?.into();
        check_table(&words)?;
        let payload = Self { words, schema: PhantomData };
        payload.check().map_err(|error| PayloadError::Malformed(error.to_string()))?;
        Ok(payload)
    }

    /// Follows every pointer once, so that a damaged message is found before a handler runs.
    fn check(&self) -> capnp::Result<()> {
        let segments = BufferSegments::new(self.bytes(), self.options())?;
        let message = message::Reader::new(segments, self.options());
        message.get_root::<capnp::any_pointer::Reader<'_>>()?.target_size()?;
        message.get_root::<S::Reader<'_>>().map(drop)
    }

    /// A reader, with a budget of its own. Call it again to read from the start.
    ///
    /// What it returns can't be held across an `.await`: read the values first.
    ///
    /// # Errors
    /// None for a payload that was decoded. The type is that of Cap'n Proto.
    pub fn read(&self) -> capnp::Result<TypedReader<BufferSegments<&[u8]>, S>> {
        let segments = BufferSegments::new(self.bytes(), self.options())?;
        Ok(TypedReader::new(message::Reader::new(segments, self.options())))
    }

    /// The payload, packed again.
    pub(crate) fn pack(&self, limits: Limits) -> Result<Bytes, PayloadError> {
        let malformed = |error: capnp::Error| PayloadError::Malformed(error.to_string());
        let reader = self.read().map_err(malformed)?;
        let mut message = message::Builder::new_default();
        message.set_root(reader.get().map_err(malformed)?).map_err(malformed)?;
        pack(&message, limits)
    }

    /// How many bytes it has unpacked.
    #[must_use]
    pub fn unpacked_bytes(&self) -> usize {
        self.words.len() * size_of::<Word>()
    }

    fn bytes(&self) -> &[u8] {
        Word::words_to_bytes(&self.words)
    }

    fn options(&self) -> ReaderOptions {
        let mut options = ReaderOptions::new();
        options
            .traversal_limit_in_words(Some(self.words.len().saturating_mul(VISITS) + 64))
            .nesting_limit(MAX_NESTING);
        options
    }
}

/// A payload as JSON, by the struct of its type: for operators.
///
/// # Errors
/// Why it can't be shown.
pub(crate) fn payload_json(packed: &[u8], schema: StructSchema, limits: Limits) -> Result<String, String> {
    // Any struct will do here: the type decides how it is read.
    let payload = Payload::<any_pointer::Owned>::decode(packed, limits).map_err(|error| error.to_string())?;
    let mut options = ReaderOptions::new();
    // Pointers may share what they point to. Shown, it is there as often.
    options
        .traversal_limit_in_words(Some(payload.words.len().saturating_mul(2) + 64))
        .nesting_limit(MAX_NESTING);
    let segments = BufferSegments::new(payload.bytes(), options).map_err(|error| error.to_string())?;
    let message = message::Reader::new(segments, options);
    app_config::author::reader_to_json(schema, &message).map_err(|problems| problems.to_string())
}

impl<S> Clone for Payload<S> {
    fn clone(&self) -> Self {
        Self { words: Arc::clone(&self.words), schema: PhantomData }
    }
}

/// Shows the size. A message may hold what logs should not show.
impl<S> fmt::Debug for Payload<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Payload({} bytes)", self.words.len() * size_of::<Word>())
    }
}

/// One step of packed input: how many words it is, and how many bytes after the tag.
struct Run {
    words: usize,
    bytes: usize,
}

fn run(tag: u8, after: &[u8]) -> Option<Run> {
    match tag {
        0x00 => after.first().map(|&zeros| Run { words: 1 + usize::from(zeros), bytes: 1 }),
        0xff => after.get(8).map(|&raw| Run { words: 1 + usize::from(raw), bytes: 9 + usize::from(raw) * 8 }),
        _ => Some(Run { words: 1, bytes: tag.count_ones() as usize }),
    }
}

/// How many words the packed bytes have. Allocates nothing.
fn count_words(packed: &[u8], limit: usize) -> Result<usize, PayloadError> {
    let (mut rest, mut words) = (packed, 0_usize);
    while let Some((&tag, after)) = rest.split_first() {
        let run = run(tag, after).ok_or(PayloadError::CutShort)?;
        words += run.words;
        if words > limit {
            let size = size_of::<Word>();
            return Err(PayloadError::UnpacksTooFar { bytes: words * size, limit: limit * size });
        }
        rest = after.get(run.bytes..).ok_or(PayloadError::CutShort)?;
    }
    Ok(words)
}

/// Unpacks what was counted.
fn unpack(packed: &[u8], count: usize) -> Result<Vec<Word>, PayloadError> {
    let mut words = Vec::with_capacity(count);
    let mut rest = packed;
    while let Some((&tag, after)) = rest.split_first() {
        let run = run(tag, after).ok_or(PayloadError::CutShort)?;
        let (body, next) = after.split_at_checked(run.bytes).ok_or(PayloadError::CutShort)?;
        match tag {
            0x00 => words.resize(words.len() + run.words, word(0, 0, 0, 0, 0, 0, 0, 0)),
            0xff => {
                let raw = body[..8].as_chunks::<8>().0.iter().chain(body[9..].as_chunks::<8>().0);
                words.extend(raw.map(whole));
            }
            _ => words.push(spread(tag, body)),
        }
        rest = next;
    }
    Ok(words)
}

fn whole(&[b0, b1, b2, b3, b4, b5, b6, b7]: &[u8; 8]) -> Word {
    word(b0, b1, b2, b3, b4, b5, b6, b7)
}

/// The word whose bytes at the bits of the tag are `bytes`, in order.
fn spread(tag: u8, bytes: &[u8]) -> Word {
    let (mut spread, mut bytes) = ([0; 8], bytes.iter());
    for (place, byte) in spread.iter_mut().enumerate() {
        if tag >> place & 1 == 1 {
            *byte = bytes.next().copied().unwrap_or_default();
        }
    }
    whole(&spread)
}

/// Compares the segment table with the words that follow. There must be exactly as many as it says.
fn check_table(words: &[Word]) -> Result<(), PayloadError> {
    let bytes = Word::words_to_bytes(words);
    let entry = |index: usize| {
        let entry = bytes.get(index * 4..).and_then(|rest| rest.first_chunk::<4>());
        entry.map(|entry| u32::from_le_bytes(*entry) as usize).ok_or(PayloadError::Table)
    };
    let segments = entry(0)?.saturating_add(1);
    if segments >= SEGMENTS_COUNT_LIMIT {
        return Err(PayloadError::Table);
    }
    let mut claimed = segments / 2 + 1;
    for index in 1..=segments {
        claimed = claimed.saturating_add(entry(index)?);
    }
    if claimed == words.len() { Ok(()) } else { Err(PayloadError::Table) }
}
