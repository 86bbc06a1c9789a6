//! What is read, what is refused, and what the refusal says.

use super::*;
use crate::{IdKind, ServiceId};

fn refusal(text: &str) -> String {
    text.parse::<ServiceId>().unwrap_err().to_string()
}

#[test]
fn decimal_digits_are_read() {
    for (text, id) in [("0", 0), ("7", 7), ("007", 7), ("18446744073709551615", u64::MAX)] {
        assert_eq!(text.parse(), Ok(ServiceId::new(id)), "{text}");
    }
}

#[test]
fn hexadecimal_digits_of_either_case_are_read_after_0x() {
    for (text, id) in [
        ("0x0", 0),
        ("0xab", 0xab),
        ("0XAB", 0xab),
        ("0x00Ab", 0xab),
        ("0xffffffffffffffff", u64::MAX),
        ("0x0000000000000000000000000001", 1),
    ] {
        assert_eq!(text.parse(), Ok(ServiceId::new(id)), "{text}");
    }
}

#[test]
fn a_refusal_names_the_text_and_the_reason() {
    assert_eq!(refusal(""), r#""" is no service id: it is empty"#);
    assert_eq!(refusal("0x"), r#""0x" is no service id: no digits follow 0x"#);
    assert_eq!(refusal("12f"), r#""12f" is no service id: hexadecimal digits need the prefix 0x"#);
    assert_eq!(refusal("1e3"), r#""1e3" is no service id: hexadecimal digits need the prefix 0x"#);
    assert_eq!(refusal("quota"), r#""quota" is no service id: 'q' is no digit"#);
    assert_eq!(refusal("0x12g4"), r#""0x12g4" is no service id: 'g' is no digit"#);
    assert_eq!(
        refusal("18446744073709551616"),
        r#""18446744073709551616" is no service id: it takes more than 64 bits"#
    );
    assert_eq!(
        refusal("0x10000000000000000"),
        r#""0x10000000000000000" is no service id: it takes more than 64 bits"#
    );
}

#[test]
fn signs_blanks_and_underscores_are_refused() {
    for text in [
        "+1", "-1", "0x+1", "0x-1", " 1", "1 ", "1\n", "\t0x1", "0x 1", "1_000", "0x1_0", "1.0", "0o7",
        "00x1", "x1", "0x0x1", "١", "1\0",
    ] {
        let refused = text.parse::<ServiceId>().unwrap_err();
        assert!(matches!(refused.flaw(), IdFlaw::Character(_)), "{text}: {refused}");
    }
}

#[test]
fn an_empty_hexadecimal_string_says_what_is_missing() {
    assert_eq!(hex(IdKind::Service, "").unwrap_err().flaw(), IdFlaw::Empty);
    assert_eq!(hex(IdKind::Service, "0x").unwrap_err().flaw(), IdFlaw::NoDigits);
    assert_eq!(hex(IdKind::Service, "10"), Ok(0x10));
}

#[test]
fn a_refusal_knows_the_kind_that_was_expected() {
    assert_eq!("x".parse::<crate::HealthCheckId>().unwrap_err().kind(), IdKind::HealthCheck);
}

#[test]
fn control_characters_of_a_refused_text_are_escaped() {
    assert_eq!(refusal("1\n\u{1b}[2J"), r#""1\n\u{1b}[2J" is no service id: '\n' is no digit"#);
    assert_eq!(refusal("\"\u{202e}"), r#""\"\u{202e}" is no service id: '\"' is no digit"#);
}

#[test]
fn a_long_text_that_is_refused_is_shortened() {
    let refused = refusal(&"9".repeat(1_000_000));
    assert_eq!(refused, format!("\"{}..\" is no service id: it takes more than 64 bits", "9".repeat(40)));
    assert!(refusal(&"9".repeat(40)).starts_with(&format!("\"{}\" ", "9".repeat(40))));
}
