//! Messages in pieces of any size, and bytes that are not a message.

use capnp::message::{Builder, HeapAllocator, Reader};
use proptest::prelude::*;
use quota_schema::quota_capnp::quota_spec;

use super::*;
use crate::Limits;

/// A message with segments of this many words. Each name is in a segment of its own.
fn message(names: &[String], first_words: u32) -> Builder<HeapAllocator> {
    let allocator = HeapAllocator::new()
        .first_segment_words(first_words)
        .allocation_strategy(capnp::message::AllocationStrategy::FixedSize);
    let mut message = Builder::new(allocator);
    let spec = message.init_root::<quota_spec::Builder<'_>>();
    let mut rules = spec.init_rules(u32::try_from(names.len()).unwrap());
    for (index, name) in (0..).zip(names) {
        rules.reborrow().get(index).set_name(name);
    }
    message
}

fn encoded(message: &Builder<HeapAllocator>) -> Vec<u8> {
    let mut bytes = Vec::new();
    encode(&message.get_segments_for_output(), &mut bytes);
    bytes
}

fn names(segments: Segments) -> Vec<String> {
    let reader = Reader::new(segments, Limits::default().reader_options());
    let spec: quota_spec::Reader<'_> = reader.get_root().unwrap();
    spec.get_rules().unwrap().iter().map(|rule| rule.get_name().unwrap().to_string().unwrap()).collect()
}

proptest! {
    #[test]
    fn messages_come_back_whole_in_whatever_pieces_they_come(
        lists in prop::collection::vec(prop::collection::vec("[a-z]{0,40}", 0..20), 1..4),
        first_words in 1u32..64,
        pieces in prop::collection::vec(1usize..40, 1..20),
    ) {
        let mut stream = Vec::new();
        for list in &lists {
            let message = message(list, first_words);
            let bytes = encoded(&message);
            // The encoding of capnp itself.
            prop_assert_eq!(&bytes, &capnp::serialize::write_message_to_words(&message));
            stream.extend(bytes);
        }
        let mut decoder = Decoder::new(1 << 20);
        let mut found = Vec::new();
        let (mut rest, mut sizes) = (&stream[..], pieces.iter().cycle());
        while !rest.is_empty() {
            let (mut now, later) = rest.split_at(rest.len().min(*sizes.next().unwrap()));
            rest = later;
            while !now.is_empty() {
                if let Some(segments) = decoder.decode(&mut now).unwrap() {
                    found.push(names(segments));
                }
            }
        }
        prop_assert!(!decoder.within_message());
        prop_assert_eq!(found, lists);
    }

    #[test]
    fn whatever_comes_takes_no_more_memory_than_twice_what_came(
        bytes in prop::collection::vec(any::<u8>(), 0..4096),
        count in 0u32..600,
    ) {
        let mut stream = count.to_le_bytes().to_vec();
        stream.extend(bytes);
        let mut decoder = Decoder::new(1 << 20);
        let mut input = &stream[..];
        while !input.is_empty() {
            match decoder.decode(&mut input) {
                Ok(Some(segments)) => prop_assert!(segments.bytes() <= stream.len()),
                Ok(None) => prop_assert!(input.is_empty()),
                Err(_) => return Ok(()),
            }
        }
        if let DecoderState::Body { segments, .. } = &decoder.state {
            prop_assert!(segments.words.capacity() * WORD <= 2 * stream.len() + FIRST_WORDS * WORD);
        }
    }
}

/// The result of a table with these numbers.
fn decode(numbers: &[u32]) -> Result<Option<Segments>, FramingError> {
    let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
    Decoder::new(1 << 20).decode(&mut &bytes[..])
}

#[test]
fn a_claim_beyond_the_limit_is_refused_on_its_table_alone() {
    let refused = |numbers: &[u32]| decode(numbers).err();
    let limit = 1 << 20;
    assert_eq!(refused(&[0, 8 << 20]), Some(FramingError::TooLarge { bytes: 64 << 20, limit }));
    assert_eq!(refused(&[0, (1 << 17) + 1]), Some(FramingError::TooLarge { bytes: (1 << 20) + 8, limit }));
    assert_eq!(refused(&[0, 1 << 17]), None);
    // The sum of many numbers does not wrap around.
    let mut many = vec![511];
    many.extend([u32::MAX; 513]);
    assert_eq!(refused(&many), Some(FramingError::TooLarge { bytes: 512 * u64::from(u32::MAX) * 8, limit }));
    assert_eq!(refused(&[512, 0]), Some(FramingError::TooManySegments(513)));
    assert_eq!(refused(&[u32::MAX, 0]), Some(FramingError::TooManySegments(1 << 32)));
}

#[test]
fn a_table_that_is_not_whole_is_waited_for() {
    let mut decoder = Decoder::new(1 << 20);
    assert!(!decoder.within_message());
    assert!(decoder.decode(&mut &[0, 0, 0][..]).unwrap().is_none());
    assert!(decoder.within_message());
    assert!(decoder.decode(&mut &[0, 0, 0, 0, 0][..]).unwrap().is_some());
    assert!(!decoder.within_message());
}
