//! The form that errors have in messages: whole in a store, bounded from and to a peer.

use app_errors::errors::{APP_NOT_ALIVE, BUG, ILLEGAL_ARGUMENT};
use proptest::prelude::*;
use serde_json::json;

use super::*;

fn record() -> ErrorRecord {
    let cause = BUG.error(ServiceId::new(5)).message("inner").build();
    let raised = ILLEGAL_ARGUMENT.error(ServiceId::new(7)).message("0 permits").cause(cause).tags(["A", "B"]);
    raised.context(json!({ "rule": "x" })).public_context(["rule"]).build().record()
}

fn whole(record: &ErrorRecord) -> ErrorRecord {
    let mut message = Builder::new_default();
    write_error(record, message.init_root());
    read_error(message.get_root_as_reader().unwrap()).unwrap()
}

#[test]
fn a_record_is_read_as_it_was_written() {
    let origin = ErrorOrigin::new(
        DomainId::new(1),
        AppId::new(2),
        ReleaseId::new(3),
        InstanceId::new(4),
        5,
        "host".to_owned(),
    );
    let full = ErrorRecord { stack: vec!["a (x.rs:1)".to_owned(), "b".to_owned()], ..record() };
    for severity in [ErrorSeverity::Low, ErrorSeverity::Medium, ErrorSeverity::High, ErrorSeverity::Fatal] {
        for error_type in [ErrorType::Bug, ErrorType::KnownEdgeCase, ErrorType::Config] {
            for origin in [None, Some(origin.clone())] {
                let full = ErrorRecord { severity, error_type, origin, ..full.clone() };
                assert_eq!(whole(&full), full);
            }
        }
    }
}

#[test]
fn any_time_is_written() {
    for (nanos, expected) in [(0, 0), (-1_500, -1_500), (i64::MAX, i64::MAX)] {
        assert_eq!(super::nanos(time(nanos)), expected);
    }
    assert_eq!(super::nanos(UNIX_EPOCH + Duration::from_secs(u64::from(u32::MAX) * 1000)), i64::MAX);
}

#[test]
fn what_goes_to_a_peer_is_bounded_and_keeps_its_id() {
    let huge = ErrorRecord {
        message: "€".repeat(100_000),
        causes: vec!["\u{1f600}".repeat(10_000); 1000],
        tags: vec!["T".repeat(10_000), "DB".to_owned()],
        context: Some(json!({ "x": "y".repeat(100_000) })),
        ..record()
    };
    let bytes = encode_bounded(huge);
    assert!(bytes.len() <= MAX_ERROR_BYTES, "{}", bytes.len());
    let read = decode_bounded(&bytes).unwrap();
    assert_eq!(
        (read.id, read.causes.len(), read.tags),
        (ILLEGAL_ARGUMENT.id, SENT_CAUSES, vec!["DB".to_owned()])
    );
    assert_eq!(read.context, None);
    // All parts at their limits.
    let full = ErrorRecord {
        message: "m".repeat(SENT_MESSAGE_BYTES),
        causes: vec!["c".repeat(SENT_TEXT_BYTES); SENT_CAUSES],
        tags: vec!["t".repeat(SENT_TAG_BYTES); SENT_TAGS],
        context: Some(json!("x".repeat(SENT_CONTEXT_BYTES - 2))),
        origin: Some(ErrorOrigin::new(
            DomainId::new(u64::MAX),
            AppId::new(u64::MAX),
            ReleaseId::new(1),
            InstanceId::new(1),
            0,
            String::new(),
        )),
        ..record()
    };
    let bytes = encode_bounded(full.clone());
    assert!(bytes.len() <= MAX_ERROR_BYTES, "{}", bytes.len());
    assert_eq!(decode_bounded(&bytes).unwrap().context, full.context);
}

#[test]
fn a_peer_gets_no_stack_and_no_place_accepted() {
    let bytes = encode_bounded(ErrorRecord { stack: vec!["x".to_owned()], ..record() });
    let read = decode_bounded(&bytes).unwrap();
    assert_eq!((read.stack.len(), read.location.as_str()), (0, ""));
    let fatal = encode_bounded(APP_NOT_ALIVE.error(ServiceId::new(0)).build().public_record());
    assert_eq!(decode_bounded(&fatal).unwrap().into_error().severity(), ErrorSeverity::High);
}

#[test]
fn what_is_malformed_is_no_error() {
    let good = encode_bounded(record());
    assert!(decode_bounded(&good).is_some());
    let bad_json = {
        let mut message = Builder::new_default();
        message.init_root::<error::Builder<'_>>().set_context("{");
        let mut bytes = Vec::new();
        encode(&message.get_segments_for_output(), &mut bytes);
        bytes
    };
    for bytes in [&[][..], &[0xff; 64], &good[..good.len() - 8], &bad_json] {
        assert_eq!(decode_bounded(bytes), None);
    }
    // Of nothing, everything is a default.
    assert_eq!(
        decode_bounded(&[0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]).unwrap().id,
        ErrorId::new(0)
    );
}

proptest! {
    #[test]
    fn a_changed_message_is_read_without_a_panic(at in 0_usize..400, value in any::<u8>(), length in 0_usize..500) {
        let mut bytes = encode_bounded(record());
        if let Some(byte) = bytes.get_mut(at) {
            *byte = value;
        }
        bytes.truncate(length);
        if let Some(read) = decode_bounded(&bytes) {
            let text = format!("{:?}", read.into_error());
            prop_assert!(text.len() < 64 * 1024);
        }
    }
}
