//! The text of ids.

use crate::trace::{SpanId, TraceId};

#[test]
fn an_id_shows_as_its_digits() {
    let trace = TraceId::from_bytes([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]).unwrap();
    assert_eq!(trace.to_string(), "000102030405060708090a0b0c0d0eff");
    assert_eq!(trace.hex(), *b"000102030405060708090a0b0c0d0eff");
    let span = SpanId::from_bytes([0, 0, 0, 0, 0, 0, 0, 255]).unwrap();
    assert_eq!((span.to_string().as_str(), span.hex()), ("00000000000000ff", *b"00000000000000ff"));
    assert_eq!((trace.to_bytes()[15], span.to_bytes()[7]), (255, 255));
    assert_eq!((TraceId::from_bytes([0; 16]), SpanId::from_bytes([0; 8])), (None, None));
}
