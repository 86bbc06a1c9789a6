//! Contradictions among declarations are refused, each with both places and a cure.

use std::time::Duration;

use super::*;

const OF: ServiceId = ServiceId::new(5);

const fn message(id: u64, kind: MessageKind, line: u32) -> MessageInfo {
    MessageInfo::new(MessageId::new(id), OF, "order", kind, "shop.rs", line)
}

const ORDER: MessageInfo = message(1, MessageKind::Stored, 10);
const TICK: MessageInfo = message(2, MessageKind::Event, 11);

const fn stream(id: u64, stores: &'static [&'static MessageInfo], line: u32) -> StreamSpec {
    StreamSpec::new(StreamId::new(id), OF, "orders", stores, "shop.rs", line)
}

fn refused(messages: &[MessageInfo], streams: &[StreamSpec]) -> String {
    Catalog::of(messages.to_vec(), streams.to_vec()).unwrap_err().join("\n")
}

#[test]
fn a_stored_type_has_the_stream_that_stores_it() {
    let catalog = Catalog::of(vec![ORDER, TICK], vec![stream(9, &[&ORDER], 20)]).unwrap();
    assert_eq!(catalog.stream_of(ORDER.id()).unwrap().id(), StreamId::new(9));
    assert!(catalog.stream_of(TICK.id()).is_none());
    assert_eq!(catalog.streams().count(), 1);
}

#[test]
fn a_stored_type_without_a_stream_is_refused() {
    let told = refused(&[ORDER, TICK], &[]);
    assert!(told.starts_with("message order (1) (shop.rs:10): is stored by no stream; name it"), "{told}");
}

#[test]
fn a_stored_type_in_two_streams_is_refused() {
    let told = refused(&[ORDER], &[stream(9, &[&ORDER], 20), stream(8, &[&ORDER], 21)]);
    assert!(told.contains("is stored by 2 streams, 8 and 9; leave it in one of them"), "{told}");
}

#[test]
fn two_declarations_with_one_id_are_refused_with_both_places() {
    let told = refused(&[TICK, message(2, MessageKind::Request, 30)], &[]);
    assert!(told.contains("is declared twice, at shop.rs:11 and at shop.rs:30; give one"), "{told}");
    let told = refused(&[], &[stream(9, &[], 20), stream(9, &[], 21)]);
    assert!(told.starts_with("stream orders (9): is declared twice"), "{told}");
}

#[test]
fn the_id_zero_and_a_window_beyond_the_age_are_refused() {
    assert!(refused(&[message(0, MessageKind::Event, 1)], &[]).contains("has the id 0"));
    assert!(refused(&[], &[stream(0, &[], 1)]).contains("has the id 0"));
    let short = stream(9, &[], 20).max_age(Duration::from_secs(60));
    assert!(refused(&[], &[short]).contains("remembers ids for longer than it keeps messages"));
    assert!(Catalog::of(vec![], vec![short.duplicate_window(Duration::from_secs(60))]).is_ok());
}
