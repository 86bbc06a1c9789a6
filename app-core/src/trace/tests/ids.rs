//! Random ids.

use std::collections::HashSet;

use crate::trace::{SpanId, TraceId};

#[test]
fn ids_of_many_threads_are_all_different_and_no_bit_is_fixed() {
    let made = std::thread::scope(|scope| {
        let make = || (0..10_000).map(|_| (TraceId::random(), SpanId::random())).collect::<Vec<_>>();
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
    });
    let traces: HashSet<_> = made.iter().map(|(trace, _)| *trace).collect();
    let spans: HashSet<_> = made.iter().map(|(_, span)| *span).collect();
    assert_eq!((traces.len(), spans.len()), (80_000, 80_000));
    for bit in 0..128 {
        let set = traces.iter().filter(|id| u128::from_be_bytes(id.to_bytes()) >> bit & 1 == 1).count();
        assert!((35_000..45_000).contains(&set), "bit {bit} of {set} ids");
    }
    for bit in 0..64 {
        let set = spans.iter().filter(|id| u64::from_be_bytes(id.to_bytes()) >> bit & 1 == 1).count();
        assert!((35_000..45_000).contains(&set), "bit {bit} of {set} ids");
    }
}

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
