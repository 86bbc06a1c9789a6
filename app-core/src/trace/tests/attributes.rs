//! The limits of attributes.

use crate::trace::attributes::{Attributes, MOST_BYTES};
use crate::trace::{AttributeValue, TraceContext};

#[test]
fn at_most_64_attributes_are_kept_and_the_others_counted() {
    let mut attributes = Attributes::new(MOST_BYTES);
    for number in 0..100 {
        attributes.set(format!("key{number}"), AttributeValue::Int(number));
    }
    assert_eq!((attributes.len(), attributes.dropped()), (64, 36));
    assert_eq!(attributes.get("key63"), Some(AttributeValue::Int(63)));
    assert_eq!(attributes.get("key64"), None);
}

#[test]
fn at_most_4_kib_are_kept_and_what_is_cut_is_counted() {
    let mut attributes = Attributes::new(MOST_BYTES);
    attributes.set("a", AttributeValue::Text(&"ä".repeat(1_500)));
    attributes.set("b", AttributeValue::Text(&"ö".repeat(1_500)));
    attributes.set("c", AttributeValue::Text("short"));
    attributes.set("d", AttributeValue::Int(1));
    assert!(attributes.bytes() <= MOST_BYTES, "{}", attributes.bytes());
    assert_eq!(attributes.dropped(), 3, "b is cut, c and d are left out");
    let Some(AttributeValue::Text(cut)) = attributes.get("b") else { panic!("{attributes:?}") };
    assert!(cut.starts_with("öö") && cut.ends_with("ö…") && cut.len() > 1_000, "{}", cut.len());
    assert_eq!((attributes.get("c"), attributes.get("d")), (None, None));
}

#[test]
fn a_later_value_replaces_the_earlier_one_without_growth() {
    let mut attributes = Attributes::new(MOST_BYTES);
    attributes.set("first", AttributeValue::Text("stays"));
    for number in 0..100_000 {
        attributes.set("progress", AttributeValue::Text(&format!("{number} of 100000")));
    }
    assert_eq!(attributes.get("progress"), Some(AttributeValue::Text("99999 of 100000")));
    assert_eq!(attributes.get("first"), Some(AttributeValue::Text("stays")));
    assert_eq!((attributes.len(), attributes.dropped()), (2, 0));
    assert!(attributes.kept_text() <= 5 * MOST_BYTES, "{}", attributes.kept_text());
}

#[test]
fn without_a_span_there_is_no_context() {
    assert_eq!(TraceContext::current(), None);
    assert_eq!(TraceContext::current_sampled(), None);
}
