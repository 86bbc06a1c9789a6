//! The form of the wire, with vectors that Python's `xxhash` and hand-written bytes give, and with random input.

use std::time::{Duration, SystemTime};

use capnp::message::Builder;
use proptest::prelude::*;
use quota_schema::quota_capnp::quota_spec;

use super::*;

const LIMITS: Limits = Limits::new(64 << 10);

/// From `xxhash.xxh64(key, seed=0).hexdigest()` of Python.
const HASHES: [(&[u8], &str); 6] = [
    (b"", "ef46db3751d8e999"),
    (b"a", "d24ec4f1a98c6e5b"),
    (b"alice@example.com", "c21eb846cc96c11e"),
    ("schlüssel".as_bytes(), "9e8f9d29817e144f"),
    (b"kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk", "ab6293d67b94a938"),
    (b"363", "005cff848095736d"),
];

#[test]
fn the_hash_of_a_key_is_the_one_of_other_languages() {
    for (key, hash) in HASHES {
        assert_eq!(KeyHash::of(key).to_string(), hash, "{key:?}");
    }
    let every_byte: Vec<u8> = (0..=255).collect();
    assert_eq!(KeyHash::of(&every_byte).to_string(), "1facbe8406cd904b");
}

#[test]
fn a_subject_has_ids_without_padding_and_a_hash_with_it() {
    let of = |key| subject(0xd0.into(), 0xce1f_32c6_80e1_ef0b.into(), 0x0af.into(), key);
    assert_eq!(of(None), "op.d0.ce1f32c680e1ef0b.af._._");
    assert_eq!(of(Some(KeyHash::of(b"363"))), "op.d0.ce1f32c680e1ef0b.af.0.05cff848095736d");
    assert_eq!(of(Some(KeyHash::of(b"alice@example.com"))), "op.d0.ce1f32c680e1ef0b.af.c.21eb846cc96c11e");
    assert_eq!(filter(0.into(), 1.into(), 2.into(), None), "op.0.1.2.*.*");
    assert_eq!(filter(0.into(), 1.into(), 2.into(), Some(11)), "op.0.1.2.b.*");
}

#[test]
fn only_the_exact_form_is_a_subject() {
    for bad in [
        "",
        "op",
        "op.1.2.3",
        "op.1.2.3._",
        "op.1.2.3._._._",
        "op.1.2.3._.21eb846cc96c11e",
        "op.1.2.3.c._",
        "op.1.2.3.c.21eb846cc96c11",
        "op.1.2.3.C.21eb846cc96c11e",
        "op.1.2.3.c.+1eb846cc96c11e",
        "op.01.2.3._._",
        "op.1.2.3f3f3f3f3f3f3f3f3._._",
        "op..2.3._._",
        "Op.1.2.3._._",
    ] {
        assert_eq!(Subject::parse(bad), None, "{bad}");
    }
}

#[test]
fn names_are_those_of_the_contract() {
    let (domain, stream) = (0xd0.into(), 0x70f6_f936_7f3d_6cd2.into());
    assert_eq!(stream_name(domain, stream), "OP_d0_70f6f9367f3d6cd2");
    assert_eq!(dead_stream(domain, stream), "OP_d0_70f6f9367f3d6cd2_DEAD");
    assert_eq!(dead_subject(domain, stream, 0xa.into()), "op.d0.dead.70f6f9367f3d6cd2.a");
    assert_eq!(replay_stream(domain), "OP_d0_REPLAY");
    assert_eq!(replay_subject(domain, 0xb.into(), "mailer"), "op.d0.replay.b.mailer");
    assert_eq!(consumer_name(0xce1f_32c6_80e1_ef0b.into(), "refill"), "ce1f32c680e1ef0b_refill");
    assert_eq!(dedup_id(0xa.into(), "x"), "a.x");
    assert_eq!(dead_letter_id("OP_d0_1", "b_mailer", 7, 2), "OP_d0_1.b_mailer.7.2");
}

#[test]
fn a_consumer_has_a_name_that_fits_a_subject() {
    for good in ["a", "mailer", "a-b_9", &"x".repeat(64)] {
        assert!(is_consumer_name(good), "{good}");
    }
    for bad in ["", "Mailer", "a.b", "a b", "ä", "*", ">", &"x".repeat(65)] {
        assert!(!is_consumer_name(bad), "{bad}");
    }
}

fn envelope() -> Envelope {
    Envelope {
        id: Some("order-7".to_owned()),
        source: Some(Source::new(0xa0.into(), 0x1f.into(), 0x10.into())),
        sent_at: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_700_000_000_123)),
        trace_parent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned()),
        trace_state: Some("a=1".to_owned()),
    }
}

#[test]
fn headers_are_those_of_the_contract() {
    let headers = envelope().write(0xab.into());
    let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    let expected = [
        "Nats-Msg-Id: ab.order-7",
        "Op-Message: ab",
        "Op-App: a0",
        "Op-Instance: 1f",
        "Op-Release: 10",
        "Op-Sent: 2023-11-14T22:13:20.123000000Z",
        "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "tracestate: a=1",
    ];
    assert_eq!(lines, expected);
    let block = format!("NATS/1.0\r\n{}\r\n\r\n", expected.join("\r\n"));
    assert_eq!(headers.wire_bytes(), block.len());
    assert_eq!(Envelope::read(&headers, 0xab.into()), envelope());
}

#[test]
fn a_foreign_message_is_accepted_and_unknown() {
    assert_eq!(Envelope::read(&Headers::new(), 1.into()), Envelope::default());
    let mut odd = Headers::new();
    for (name, value) in [
        ("Nats-Msg-Id", "theirs"),
        ("Op-App", "not hex"),
        ("Op-Instance", "1"),
        ("Op-Sent", "yesterday"),
        ("bad name", "x"),
        ("", "x"),
    ] {
        odd.append(name, value);
    }
    odd.append("Two", "lines\r\nNats-Rollup: all");
    assert_eq!(odd.iter().count(), 4, "{odd:?}");
    assert_eq!(
        Envelope::read(&odd, 1.into()),
        Envelope { id: Some("theirs".to_owned()), ..Envelope::default() }
    );
    odd.set("Nats-Msg-Id", &"x".repeat(129));
    assert_eq!(Envelope::read(&odd, 1.into()).id, None);
}

#[test]
fn ids_are_random_unless_given() {
    let (one, other) = (random_id(), random_id());
    assert_eq!(one.len(), 32);
    assert!(one.bytes().all(|byte| byte.is_ascii_hexdigit()) && one != other);
    assert!(is_good_id("a") && is_good_id(&"x".repeat(128)));
    assert!(!is_good_id("") && !is_good_id("a b") && !is_good_id("ä") && !is_good_id(&"x".repeat(129)));
}

fn letter() -> DeadLetterHeaders {
    DeadLetterHeaders {
        reason: "unknown rule\nfoo".to_owned(),
        error: Some(0xe1.into()),
        consumer: "b_mailer".to_owned(),
        attempts: 8,
        sequence: 41,
        subject: "op.d0.1.2._._".to_owned(),
        id: Some("order-7".to_owned()),
        round: 2,
        left_out_bytes: None,
    }
}

#[test]
fn a_dead_letter_has_the_headers_of_the_message_and_says_why() {
    let mut original = envelope().write(0xab.into());
    original.append("Nats-Expected-Stream", "x");
    original.append("Op-Dead-Reason", "an earlier one");
    original.append("Shop", "7");
    let headers = dead_letter_headers(&original, &Letter { stream: "OP_d0_5", letter: &letter() });
    assert_eq!(headers.get("Nats-Msg-Id"), Some("OP_d0_5.b_mailer.41.2"));
    assert_eq!(headers.get("Op-App"), Some("a0"));
    assert_eq!(headers.get("Shop"), Some("7"));
    assert_eq!(headers.get("Nats-Expected-Stream"), None);
    let read = DeadLetterHeaders::read(&headers).unwrap();
    assert_eq!(read, DeadLetterHeaders { reason: r"unknown rule\nfoo".to_owned(), ..letter() });
    assert_eq!(DeadLetterHeaders::read(&original), None);
}

#[test]
fn a_dead_letter_has_its_description_when_the_message_had_a_hundred_headers() {
    let mut original = Headers::new();
    (0..100).for_each(|number| original.append(&format!("X-{number}"), "v"));
    let long = DeadLetterHeaders { reason: "ä".repeat(5_000), ..letter() };
    let headers = dead_letter_headers(&original, &Letter { stream: "S", letter: &long });
    let read = DeadLetterHeaders::read(&headers).unwrap();
    assert!(read.reason.len() < 1_100 && read.reason.ends_with(".."), "{}", read.reason.len());
    assert_eq!(read.round, 2);
}

fn packed(rules: u32) -> bytes::Bytes {
    let mut message = Builder::new_default();
    let mut list = message.init_root::<quota_spec::Builder<'_>>().init_rules(rules);
    for index in 0..rules {
        list.reborrow().get(index).set_name("default");
    }
    pack(&message, LIMITS).unwrap()
}

fn decode(packed: &[u8]) -> Result<Payload<quota_spec::Owned>, PayloadError> {
    Payload::decode(packed, LIMITS)
}

#[test]
fn a_payload_reads_back_as_often_as_wanted() {
    let payload = decode(&packed(3)).unwrap();
    for _ in 0..100 {
        let reader = payload.read().unwrap();
        let rules = reader.get().unwrap().get_rules().unwrap();
        assert_eq!(rules.len(), 3);
        assert_eq!(rules.get(2).get_name().unwrap(), "default");
    }
    assert!(!format!("{payload:?}").contains("default"));
}

#[test]
fn packed_zeros_are_counted_before_they_are_allocated() {
    // 64 KiB of these unpack to 64 MiB.
    let zeros = [0x00, 0xff].repeat(32 << 10);
    let refused = decode(&zeros).unwrap_err();
    assert!(matches!(refused, PayloadError::UnpacksTooFar { limit: 524_288, .. }), "{refused}");
    assert!(matches!(decode(&[1; (64 << 10) + 1]).unwrap_err(), PayloadError::PacksTooFar { .. }));
}

#[test]
fn a_payload_that_is_cut_or_has_more_is_refused() {
    let whole = packed(2);
    assert!(decode(&whole).is_ok());
    for end in 0..whole.len() {
        assert!(decode(&whole[..end]).is_err(), "cut after {end} of {}", whole.len());
    }
    let more = [&whole[..], &[0x01, 0x01]].concat();
    assert_eq!(decode(&more).unwrap_err(), PayloadError::Table);
    assert_eq!(decode(b"").unwrap_err(), PayloadError::Table);
}

#[test]
fn a_table_that_claims_more_words_than_there_are_costs_nothing() {
    // One segment of 2^32 - 1 words: unpacked 00 00 00 00 ff ff ff ff.
    assert_eq!(decode(&[0xf0, 0xff, 0xff, 0xff, 0xff]).unwrap_err(), PayloadError::Table);
    // 2^32 segments.
    assert_eq!(decode(&[0x0f, 0xff, 0xff, 0xff, 0xff]).unwrap_err(), PayloadError::Table);
}

#[test]
fn a_pointer_that_leads_out_of_the_message_is_found_before_a_handler_reads_it() {
    let mut message = Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0).set_name("default");
    let mut flat = capnp::serialize::write_message_to_words(&message);
    let text = flat.windows(7).position(|bytes| bytes == b"default").unwrap();
    // The pointer to the text: let it say 1,000 bytes.
    let pointer = (0..text).step_by(8).rev().find(|at| flat[at + 4] & 7 == 2).unwrap();
    flat[pointer + 4..pointer + 8].copy_from_slice(&(1_000_u32 << 3 | 2).to_le_bytes());
    let mut packed = Vec::new();
    pack_bytes(&flat, &mut packed);
    assert!(matches!(decode(&packed).unwrap_err(), PayloadError::Malformed(_)));
}

/// Packs each word as a literal, which is valid and simple.
fn pack_bytes(flat: &[u8], packed: &mut Vec<u8>) {
    for word in flat.chunks(8) {
        packed.push(0xff);
        packed.extend_from_slice(word);
        packed.push(0);
    }
}

#[test]
fn what_is_too_large_is_not_packed() {
    let mut message = Builder::new_default();
    message.init_root::<quota_spec::Builder<'_>>().init_rules(100_000);
    let refused = pack(&message, LIMITS).unwrap_err();
    assert!(matches!(refused, PayloadError::UnpacksTooFar { .. }), "{refused}");
    let mut noise = Builder::new_default();
    let text: String =
        (0..70_000_u32).map(|n| char::from(b'!' + (n.wrapping_mul(7919) % 90) as u8)).collect();
    noise.init_root::<quota_spec::Builder<'_>>().init_rules(1).get(0).set_name(&text[..]);
    let refused = pack(&noise, LIMITS).unwrap_err();
    assert!(matches!(refused, PayloadError::PacksTooFar { limit: 65_536, .. }), "{refused}");
}

proptest! {
    #[test]
    fn every_subject_reads_back(domain: u64, service: u64, message: u64, key: Option<u64>) {
        let text = subject(domain.into(), service.into(), message.into(), key.map(KeyHash::new));
        let read = Subject::parse(&text).unwrap();
        prop_assert_eq!(read.to_string(), text);
        prop_assert_eq!((read.domain.as_u64(), read.service.as_u64()), (domain, service));
        prop_assert_eq!((read.message.as_u64(), read.key.map(KeyHash::as_u64)), (message, key));
    }

    #[test]
    fn a_text_that_is_a_subject_is_the_only_form_of_it(text in "op\\.[0-9a-f]{1,3}\\.[0-9a-fA-F]{1,2}\\.[0-9]{1,2}\\.[_0-9a-f]\\.([0-9a-f]{14,16}|_)") {
        if let Some(subject) = Subject::parse(&text) {
            prop_assert_eq!(subject.to_string(), text);
        }
    }

    #[test]
    fn no_bytes_make_decoding_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Ok(payload) = decode(&bytes) {
            prop_assert!(payload.read().unwrap().get().is_ok());
        }
    }

    #[test]
    fn a_damaged_payload_is_refused_or_reads_safely(at: prop::sample::Index, with: u8, rules in 1..20_u32) {
        let mut bytes = packed(rules).to_vec();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(payload) = decode(&bytes) {
            let reader = payload.read().unwrap();
            if let Ok(rules) = reader.get().unwrap().get_rules() {
                for rule in rules {
                    let _ = rule.get_name().map(|name| name.len());
                }
            }
        }
    }

    #[test]
    fn headers_of_any_text_are_read_without_a_panic(lines in proptest::collection::vec((".*", ".*"), 0..80), message: u64) {
        let mut headers = Headers::new();
        for (name, value) in &lines {
            headers.append(name, value);
        }
        prop_assert!(headers.iter().count() <= 64);
        prop_assert!(headers.iter().all(|(name, value)| !name.contains([':', '\n', '\r', ' ']) && !value.contains(['\n', '\r'])));
        let read = Envelope::read(&headers, message.into());
        prop_assert_eq!(Envelope::read(&read.write(message.into()), message.into()), read);
        let _ = DeadLetterHeaders::read(&headers);
    }

    #[test]
    fn a_dead_letter_reads_back(reason in ".{0,40}", attempts: u64, sequence: u64, round: u64) {
        let letter = DeadLetterHeaders { reason, attempts, sequence, round, ..letter() };
        let headers = dead_letter_headers(&Headers::new(), &Letter { stream: "S", letter: &letter });
        let read = DeadLetterHeaders::read(&headers).unwrap();
        prop_assert_eq!((read.attempts, read.sequence, read.round), (attempts, sequence, round));
        prop_assert!(!read.reason.is_empty() && !read.reason.contains('\n'));
    }
}
