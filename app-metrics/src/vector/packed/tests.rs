//! Tests of packed values.

use super::{PackedValue, SHORT};
use proptest::prelude::*;

fn bytes(word: PackedValue) -> Vec<u8> {
    [word.low.to_le_bytes(), word.high.to_le_bytes()].concat()
}

#[test]
fn a_short_value_is_its_bytes_and_their_number() {
    let text = "abcdefghijklmno";
    assert_eq!(text.len(), SHORT);
    for length in 0..=SHORT {
        let mut expected = text.as_bytes()[..length].to_vec();
        expected.resize(SHORT, 0);
        expected.push(length as u8);
        assert_eq!(bytes(PackedValue::of(&text[..length])), expected, "{length} bytes");
    }
}

#[test]
fn what_differs_in_zeros_alone_differs() {
    assert!(!PackedValue::of("a").is(PackedValue::of("a\0")));
    assert!(!PackedValue::of("").is(PackedValue::of("\0")));
}

#[test]
fn longer_values_are_long_and_no_short_one_is() {
    assert!(PackedValue::of("abcdefghijklmnop").is_long());
    assert!(!PackedValue::of("abcdefghijklmno").is_long());
    assert!(!PackedValue::of("").is_long());
}

proptest! {
    #[test]
    fn short_values_have_the_same_word_only_if_they_are_the_same(one in "[a\0\u{7f}é]{0,7}", other in "[a\0\u{7f}é]{0,7}") {
        prop_assert_eq!(PackedValue::of(&one).is(PackedValue::of(&other)), one == other);
    }
}
