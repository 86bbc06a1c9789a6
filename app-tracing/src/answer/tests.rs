//! Answers of collectors, good and bad.

use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_str(value).unwrap())).collect()
}

const PROTOBUF: (&str, &str) = ("content-type", "application/x-protobuf");

#[test]
fn a_partial_success_has_its_number() {
    let of = |content_type, body: &[u8]| Answer::of(StatusCode::OK, &headers(&[content_type]), body);
    let accepted = |rejected, said: &str| Answer::Accepted { rejected, said: said.to_owned() };
    assert_eq!(of(PROTOBUF, b""), accepted(0, ""));
    // partial_success { rejected_spans: 300, error_message: "no" }
    assert_eq!(of(PROTOBUF, &[0x0a, 7, 0x08, 0xac, 0x02, 0x12, 2, b'n', b'o']), accepted(300, "\"no\""));
    let json = ("content-type", "application/json; charset=utf-8");
    assert_eq!(of(json, b"{}"), accepted(0, ""));
    let body = br#"{"partialSuccess":{"rejectedSpans":"3","errorMessage":"no"}}"#;
    assert_eq!(of(json, body), accepted(3, "\"no\""));
}

#[test]
fn a_good_status_with_nonsense_is_no_acceptance() {
    for (content_type, body) in [
        ("text/html", "<html>log in, please</html>"),
        ("application/x-protobuf", "<html>"),
        ("application/json", "[1"),
        ("application/json", "7"),
    ] {
        let answer = Answer::of(StatusCode::OK, &headers(&[("content-type", content_type)]), body.as_bytes());
        assert!(matches!(&answer, Answer::Refused(why) if why.contains("not one of OTLP")), "{answer:?}");
    }
}

#[test]
fn only_four_statuses_may_be_asked_again() {
    for status in 300..600_u16 {
        let answer = Answer::of(StatusCode::from_u16(status).unwrap(), &HeaderMap::new(), b"");
        let again = matches!(answer, Answer::Later { .. });
        assert_eq!(again, [429, 502, 503, 504].contains(&status), "{status}: {answer:?}");
    }
}

#[test]
fn a_collector_says_when_and_not_for_too_long() {
    let now = humantime::parse_rfc3339("1994-11-06T08:49:00Z").unwrap();
    for (text, after) in [
        ("0", Some(0)),
        ("7", Some(7)),
        ("86400", Some(30)),
        ("Sun, 06 Nov 1994 08:49:27 GMT", Some(27)),
        ("Sun, 06 Nov 1994 08:48:37 GMT", Some(0)),
        ("Sun, 06 Nov 2094 08:48:37 GMT", Some(30)),
        ("soon", None),
        ("-1", None),
    ] {
        let after = after.map(Duration::from_secs);
        assert_eq!(retry_after(&headers(&[("retry-after", text)]), now), after, "{text}");
    }
    let busy = Answer::of(StatusCode::SERVICE_UNAVAILABLE, &headers(&[("retry-after", "2")]), b"");
    assert!(matches!(busy, Answer::Later { after: Some(after), .. } if after.as_secs() == 2), "{busy:?}");
}

#[test]
fn what_a_collector_says_is_shortened_and_escaped() {
    let mut status = vec![0x08, 0x03, 0x12, 100];
    status.extend([b'x'; 99]);
    status.push(b'\n');
    let answer = Answer::of(StatusCode::BAD_REQUEST, &headers(&[PROTOBUF]), &status);
    let Answer::Refused(why) = answer else { panic!("{answer:?}") };
    assert!(
        why.ends_with("said \"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx..\""),
        "{why}"
    );
    let plain = Answer::of(StatusCode::FORBIDDEN, &headers(&[("content-type", "text/plain")]), b"bad\ntoken");
    assert!(matches!(&plain, Answer::Refused(why) if why.contains("\"bad\\ntoken\"")), "{plain:?}");
}

proptest! {
    #[test]
    fn any_answer_is_read(
        status in 200..600_u16,
        content_type in "application/(x-protobuf|json)|text/plain|.{0,9}",
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let mut headers = HeaderMap::new();
        if let Ok(value) = HeaderValue::from_bytes(content_type.as_bytes()) {
            headers.insert(CONTENT_TYPE, value);
        }
        let _ = Answer::of(StatusCode::from_u16(status).unwrap(), &headers, &body);
    }
}
