//! Answers of JetStream, good and bad.

use proptest::prelude::*;

use super::*;

fn answer(payload: &[u8]) -> Message {
    Message {
        subject: "_INBOX.a".into(),
        reply: None,
        payload: bytes::Bytes::copy_from_slice(payload),
        headers: None,
        status: None,
        description: None,
        length: 0,
    }
}

#[test]
fn an_acknowledgement_is_read_and_an_error_is_typed() {
    let ack = |text: &str| store_ack(&answer(text.as_bytes()), "a.b");
    let good = ack(r#"{"stream":"S", "domain":"hub", "seq":7,"duplicate": true}"#).unwrap();
    assert_eq!((&*good.stream, good.sequence, good.duplicate), ("S", 7, true));
    let good = ack(r#"{"stream":"S","seq":1}"#).unwrap();
    assert_eq!((good.sequence, good.duplicate), (1, false));
    let error = |code: u64, err_code: u64| {
        ack(&format!(
            r#"{{"error":{{"code":{code},"err_code":{err_code},"description":"no\nway"}},"stream":"S","seq":0}}"#
        ))
        .unwrap_err()
    };
    assert_eq!(error(400, 10_071), TransportError::WrongRevision);
    assert_eq!(error(404, 10_059), TransportError::NotFound("a stream with the subject a.b".to_owned()));
    assert_eq!(error(503, 10_077), TransportError::Refused(r"no\nway".to_owned()));
    for nonsense in
        ["", "{}", "null", "7", "{\"stream\":\"S\"}", "{\"seq\":1}", "{\"error\":7,\"seq\":0}", "\u{0}"]
    {
        assert!(matches!(ack(nonsense), Err(TransportError::Refused(_))), "{nonsense}");
    }
}

proptest! {
    #[test]
    fn no_answer_breaks_the_reading(payload in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = store_ack(&answer(&payload), "a.b");
    }

    #[test]
    fn no_json_breaks_the_reading(name in "[a-z_]{1,9}", number in any::<i64>()) {
        let value = serde_json::json!({ &name: number, "stream": number, "seq": -1, "error": { &name: number } });
        let _ = store_ack(&answer(value.to_string().as_bytes()), "a.b");
        let _ = (nanos(&value, &name), limit(&value, &name), word(&value, &name), time_of(value.get(&name)));
    }
}

#[test]
fn durations_and_times_are_those_of_jetstream() {
    let value =
        serde_json::json!({ "age": 2_000_000_000_u64, "none": -1, "time": "2026-01-02T03:04:05.123456789Z" });
    assert_eq!(nanos(&value, "age"), Duration::from_secs(2));
    assert_eq!(
        (nanos(&value, "none"), limit(&value, "none"), limit(&value, "absent")),
        (Duration::ZERO, 0, 0)
    );
    assert_eq!(as_nanos(Duration::from_secs(2)), 2_000_000_000);
    assert_eq!(as_nanos(Duration::MAX), i64::MAX);
    let written = humantime::format_rfc3339_nanos(time_of(value.get("time"))).to_string();
    assert_eq!(written, "2026-01-02T03:04:05.123456789Z");
    assert_eq!(time_of(None), SystemTime::UNIX_EPOCH);
}
