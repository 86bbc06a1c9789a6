//! The framing: everything that is written can be read, and nothing else can.

use capnp::message::{Builder, HeapAllocator};
use flate2::Compression;
use flate2::write::ZlibEncoder;
use proptest::prelude::*;
use quota_schema::quota_capnp::{quota_rule, quota_spec};
use std::io::Write;

use super::*;

fn quota(rules: &[(&str, u32)]) -> Builder<HeapAllocator> {
    let mut message = Builder::new_default();
    let mut list =
        message.init_root::<quota_spec::Builder<'_>>().init_rules(u32::try_from(rules.len()).unwrap());
    for (index, (name, permits)) in (0..).zip(rules) {
        let mut rule: quota_rule::Builder<'_> = list.reborrow().get(index);
        rule.set_name(*name);
        rule.set_permits(*permits);
    }
    message
}

fn rules(message: &Message) -> Vec<(String, u32)> {
    let spec: quota_spec::Reader<'_> = message.get_root().unwrap();
    let rules = spec.get_rules().unwrap();
    rules.iter().map(|rule| (rule.get_name().unwrap().to_string().unwrap(), rule.get_permits())).collect()
}

fn file(rules: &[(&str, u32)]) -> Vec<u8> {
    let mut file = Vec::new();
    marshal(&quota(rules), &mut file).unwrap();
    file
}

fn zlib(packed: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(packed).unwrap();
    encoder.finish().unwrap()
}

fn refusal(file: &[u8]) -> String {
    match decode(file) {
        Ok(_) => "accepted".to_owned(),
        Err(error) => error.to_string(),
    }
}

#[test]
fn what_was_marshalled_is_read_back() {
    let message = unmarshal(&file(&[("a", 1), ("ü", u32::MAX)])[..]).unwrap();
    assert_eq!(rules(&message), [("a".to_owned(), 1), ("ü".to_owned(), u32::MAX)]);
}

#[test]
fn a_message_in_many_segments_is_read_back() {
    let small = HeapAllocator::new()
        .first_segment_words(4)
        .allocation_strategy(message::AllocationStrategy::FixedSize);
    let mut message = Builder::new(small);
    message
        .set_root(
            quota(&[("a", 1), ("b", 2), ("c", 3)]).get_root_as_reader::<quota_spec::Reader<'_>>().unwrap(),
        )
        .unwrap();
    assert!(message.get_segments_for_output().len() > 1);
    let mut file = Vec::new();
    marshal(&message, &mut file).unwrap();
    assert_eq!(rules(&decode(&file).unwrap()).len(), 3);
}

#[test]
fn a_message_without_a_root_is_not_written() {
    let mut file = Vec::new();
    let error = marshal(&Builder::new_default(), &mut file).unwrap_err();
    assert_eq!((error.to_string().as_str(), file.len()), ("the message has no root", 0));
    // A message whose root is null has only defaults.
    let mut message = Builder::new_default();
    message.get_root::<quota_spec::Builder<'_>>().unwrap();
    marshal(&message, &mut file).unwrap();
    assert_eq!(rules(&decode(&file).unwrap()), []);
}

#[test]
fn a_file_that_is_cut_anywhere_is_refused() {
    let whole = file(&[("default", 100), ("other", 7)]);
    for length in 0..whole.len() {
        assert!(decode(&whole[..length]).is_err(), "cut after {length} of {} bytes", whole.len());
    }
    assert_eq!(refusal(&[]), "the file is empty");
    assert_eq!(refusal(&whole[..1]), "the file is cut short: its compressed data has no end");
    let last = whole.len() - 1;
    assert_eq!(refusal(&whole[..last]), "the file is cut short: its compressed data has no end");
}

#[test]
fn a_packed_message_that_is_cut_anywhere_is_refused() {
    let mut packed = Vec::new();
    capnp::serialize_packed::write_message(&mut packed, &quota(&[("default", 100), ("other", 7)])).unwrap();
    assert!(decode(&zlib(&packed)).is_ok());
    for length in 0..packed.len() {
        assert!(decode(&zlib(&packed[..length])).is_err(), "cut after {length} of {}", packed.len());
    }
    assert_eq!(refusal(&zlib(&[])), "the file holds no message");
}

#[test]
fn every_changed_bit_is_refused_or_harmless() {
    let whole = file(&[("default", 100), ("other", 7)]);
    let expected = rules(&decode(&whole).unwrap());
    for place in 0..whole.len() {
        for bit in 0..8 {
            let mut changed = whole.clone();
            changed[place] ^= 1 << bit;
            // Three bits of the zlib header (the level) do not change the content, but the header's check covers them.
            if let Ok(message) = decode(&changed) {
                assert_eq!(rules(&message), expected, "bit {bit} of byte {place}");
            }
        }
    }
}

#[test]
fn bytes_after_the_end_are_refused() {
    let mut longer = file(&[("default", 100)]);
    longer.extend_from_slice(b"\n\n");
    assert_eq!(refusal(&longer), "the file does not end where its compressed data ends: 2 bytes follow");

    longer.pop();
    assert_eq!(refusal(&longer), "the file does not end where its compressed data ends: 1 byte follows");

    let mut packed = Vec::new();
    capnp::serialize_packed::write_message(&mut packed, &quota(&[("default", 100)])).unwrap();
    packed.extend_from_slice(&[0, 0]);
    assert_eq!(refusal(&zlib(&packed)), "the file does not end where its message ends: 1 word follows");
    packed.pop();
    packed.push(2);
    assert_eq!(refusal(&zlib(&packed)), "the file does not end where its message ends: 3 words follow");
}

#[test]
fn what_is_no_zlib_data_says_so() {
    for foreign in [&b"{\"rules\": []}"[..], b"y", b"\x1f\x8b\x08", b"\x78\x20", b"PK\x03\x04"] {
        assert_eq!(refusal(foreign), "the file is no config: it does not begin as zlib data");
    }
}

#[test]
fn a_sealed_file_is_recognised() {
    for sealed in [&b"age-encryption.org/v1\n-> X25519 "[..], b"-----BEGIN AGE ENCRYPTED FILE-----\n"] {
        assert!(refusal(sealed).contains("the file is sealed (age): open it first"));
    }
}

#[test]
fn a_file_over_the_limit_is_refused_before_it_is_read_further() {
    let endless = std::io::repeat(0x78);
    let Err(error) = unmarshal(endless) else { panic!("accepted") };
    assert_eq!(error.to_string(), "the file is larger than 512000 bytes, the most that a config may have");
}

#[test]
fn a_zlib_bomb_is_refused() {
    // 8 MiB of zeros in 8 KiB.
    let bomb = zlib(&vec![0; 8 << 20]);
    assert!(bomb.len() < 10_000);
    assert_eq!(refusal(&bomb), "the file inflates to more than 1048576 bytes, the most that is allowed");
}

#[test]
fn a_packed_bomb_is_refused() {
    // 1 MiB of packed zeros would be 1 GiB.
    let bomb = zlib(&[0x00, 0xff].repeat(MAX_PACKED_BYTES / 2));
    assert_eq!(refusal(&bomb), "the message unpacks to more than 131072 words, the most that is allowed");
}

#[test]
fn a_header_that_claims_too_much_is_refused() {
    // One segment of 8,388,608 words: 64 MiB.
    let claim = zlib(&[0b0100_0000, 0x80]);
    assert_eq!(refusal(&claim), "the message claims to have more than the 131072 words that are allowed");
    // The claim is the limit, and no words follow.
    let claim = zlib(&[0b0100_0000, 0x02]);
    assert_eq!(refusal(&claim), "the message is cut short: it claims to have more words than it has");
    let segments = zlib(&[0xff, 0xff, 0xff, 0xff, 0xff, 1, 1, 1, 1, 0]);
    assert!(refusal(&segments).starts_with("the message claims to have more segments"));
    let table = zlib(&[0b0000_0001, 9]);
    assert_eq!(refusal(&table), "the message is cut short: its segment table is not whole");
}

#[test]
fn the_largest_message_is_read_back_and_a_larger_one_not_written() {
    let text = |bytes: usize| {
        let one_segment =
            HeapAllocator::new().first_segment_words(u32::try_from(MAX_MESSAGE_WORDS).unwrap() + 1);
        let mut message = Builder::new(one_segment);
        message.init_root::<quota_rule::Builder<'_>>().set_name(&*"x".repeat(bytes));
        message
    };
    // Besides the text: the root pointer, three words of data, the pointer to the text, its closing zero.
    let fits = (MAX_MESSAGE_WORDS - 5) * 8 - 1;
    let (mut file, mut none) = (Vec::new(), Vec::new());
    let written = marshal(&text(fits), &mut file);
    // The packed message has a limit of its own.
    assert!(matches!(written, Err(MarshalError::PacksTooFar { .. })), "{written:?}");
    marshal(&text(fits - 8 * 1024), &mut file).unwrap();
    assert!(decode(&file).is_ok());
    let error = marshal(&text(fits + 1), &mut none).unwrap_err();
    assert_eq!(error.to_string(), "the message has 131073 words, more than the 131072 that are allowed");
    assert!(none.is_empty());
}

#[test]
fn a_message_nested_too_deeply_is_refused_when_it_is_read() {
    let lists = |depth: usize| {
        // A chain of structs with a single pointer, each to the next.
        let mut words = vec![0_u64; 0];
        words.extend((0..depth).map(|_| 0x0001_0000_0000_0000_u64));
        words.push(0);
        let count = u64::try_from(words.len()).unwrap();
        words.insert(0, count << 32);
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut packed = Vec::new();
        for word in bytes.chunks(8) {
            packed.push(0xff);
            packed.extend_from_slice(word);
            packed.push(0);
        }
        decode(&zlib(&packed)).unwrap()
    };
    let depth = |message: &Message| {
        let mut pointer = message.get_root::<capnp::any_pointer::Reader<'_>>().unwrap();
        let mut depth = 0;
        while let Ok(inner) = pointer.get_as::<capnp::schema_capnp::brand::Reader<'_>>() {
            if pointer.is_null() {
                break;
            }
            pointer = capnp::raw::get_struct_pointer_section(inner).get(0);
            depth += 1;
        }
        depth
    };
    assert_eq!(depth(&lists(10)), 10);
    assert_eq!(depth(&lists(100)), usize::from(crate::limits::MAX_NESTING));
}

#[test]
fn a_run_that_goes_on_from_the_table_into_the_message_is_read() {
    // Two segments, the second empty: the table is [1, n] [0, padding]; its zero word and the message's first share a run.
    let mut plain = vec![1_u32, 3, 0, 0].into_iter().flat_map(u32::to_le_bytes).collect::<Vec<_>>();
    plain.extend_from_slice(&[0; 24]);
    let packed = [0b0001_0001, 1, 3, 0x00, 0x03];
    let words = packed::unpack(&packed, 100).unwrap();
    assert_eq!(&*words, plain);
    assert!(decode(&zlib(&packed)).is_ok());
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = decode(&bytes);
        let _ = decode(&zlib(&bytes));
    }

    #[test]
    fn any_message_survives(rules_of in prop::collection::vec((".{0,40}", any::<u32>()), 0..12)) {
        let given: Vec<_> = rules_of.iter().map(|(name, permits)| (name.as_str(), *permits)).collect();
        prop_assert_eq!(rules(&decode(&file(&given)).unwrap()), rules_of);
    }

    #[test]
    fn unpacking_undoes_packing(words in prop::collection::vec(prop_oneof![Just(0_u64), any::<u64>(), 0..9_u64], 1..600)) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let mut message = Builder::new_default();
        let data = message.init_root::<capnp::any_pointer::Builder<'_>>().initn_as::<capnp::data::Builder<'_>>(u32::try_from(bytes.len()).unwrap());
        data.copy_from_slice(&bytes);
        let mut file = Vec::new();
        marshal(&message, &mut file).unwrap();
        let read = decode(&file).unwrap();
        prop_assert_eq!(read.get_root::<capnp::any_pointer::Reader<'_>>().unwrap().get_as::<capnp::data::Reader<'_>>().unwrap(), &bytes[..]);
    }
}
