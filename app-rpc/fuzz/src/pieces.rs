//! The decoder against a parser that has all bytes and needs no state.

use capnp::message::ReaderSegments;

use crate::framing::{Decoder, FramingError};
use crate::memory::within;

/// The largest message in bytes. It is small, so that inputs reach it.
pub const LIMIT_BYTES: usize = 64 << 10;

/// What the decoder may take beyond twice what came: a table, where its segments end, and the first words of a body, each twice
/// while they grow.
const BESIDES_BYTES: usize = 24 << 10;

/// The meaning of bytes.
#[derive(Debug, PartialEq, Eq)]
enum Parsed<'a> {
    /// A message of these segments, and the rest of the bytes.
    Message(Vec<&'a [u8]>, &'a [u8]),
    /// The bytes are refused for this reason.
    Refused(FramingError),
    /// The beginning of a message.
    Within,
    Nothing,
}

/// The format of the specification, word for word.
fn parse(bytes: &[u8]) -> Parsed<'_> {
    let number = |place: usize| {
        let bytes = bytes.get(place * 4..place * 4 + 4)?;
        Some(u64::from(u32::from_le_bytes(bytes.try_into().expect("four bytes"))))
    };
    if bytes.is_empty() {
        return Parsed::Nothing;
    }
    // The first word must be complete, even if its first half is enough to refuse it.
    let Some(segments) = number(0).map(|last| last + 1).filter(|_| bytes.len() >= 8) else {
        return Parsed::Within;
    };
    if segments > 512 {
        return Parsed::Refused(FramingError::TooManySegments(segments));
    }
    let segments = segments as usize;
    let table = (segments + 2) / 2 * 8;
    if bytes.len() < table {
        return Parsed::Within;
    }
    let sizes: Vec<u64> = (1..=segments).map(|place| number(place).expect("it is there") * 8).collect();
    let total: u64 = sizes.iter().sum();
    if total > LIMIT_BYTES as u64 {
        return Parsed::Refused(FramingError::TooLarge { bytes: total, limit: LIMIT_BYTES });
    }
    let mut rest = &bytes[table..];
    if rest.len() < total as usize {
        return Parsed::Within;
    }
    let segments = sizes.into_iter().map(|size| {
        let (segment, after) = rest.split_at(size as usize);
        rest = after;
        segment
    });
    Parsed::Message(segments.collect(), rest)
}

/// Gives the bytes to the decoder in pieces of these sizes, repeatedly, and compares the results.
pub fn check(bytes: &[u8], sizes: &[u8]) {
    within(2 * bytes.len() + BESIDES_BYTES, || compare(bytes, sizes));
}

fn compare(bytes: &[u8], sizes: &[u8]) {
    let mut decoder = Decoder::new(LIMIT_BYTES);
    let mut sizes = sizes.iter().cycle().map(|size| usize::from(*size) + 1);
    let (mut to_come, mut expected) = (bytes, bytes);
    while !to_come.is_empty() {
        let (mut piece, later) = to_come.split_at(to_come.len().min(sizes.next().unwrap_or(usize::MAX)));
        to_come = later;
        while !piece.is_empty() {
            let decoded = decoder.decode(&mut piece);
            match (decoded, parse(expected)) {
                (Ok(Some(found)), Parsed::Message(segments, after)) => {
                    assert_eq!(found.len(), segments.len(), "segments");
                    for (id, segment) in (0..).zip(&segments) {
                        assert_eq!(found.get_segment(id), Some(*segment), "segment {id}");
                    }
                    assert_eq!(found.get_segment(segments.len() as u32), None);
                    assert_eq!(found.bytes(), segments.iter().map(|segment| segment.len()).sum::<usize>());
                    assert_eq!(piece.len() + to_come.len(), after.len(), "bytes after the message");
                    assert!(!decoder.within_message());
                    expected = after;
                }
                (Err(error), Parsed::Refused(why)) => return assert_eq!(error, why),
                (Ok(None), _) => assert!(piece.is_empty(), "bytes were left, and no message"),
                (decoded, parsed) => {
                    panic!("{:?}, where the parser says {parsed:?}", decoded.map(|_| "a message"))
                }
            }
        }
    }
    // The decoder has returned every message, and holds nothing back.
    match parse(expected) {
        Parsed::Nothing => assert!(!decoder.within_message()),
        Parsed::Within => assert!(decoder.within_message()),
        parsed => panic!("it waits, where the parser says {parsed:?}"),
    }
}
