//! Arbitrary records: each line is what serde_json makes of the same keys and values.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use slog::{KV, Record, Serializer};

use super::super::line::{BLOCK, Line, decimal};
use super::captured;

/// Some of ours, some that look alike to a hash, long ones, ones with something to escape, one text at two addresses.
static TWIN: [u8; 4] = *b"twin";
const KEYS: [&str; 25] = [
    "a",
    "b",
    "",
    "key",
    "kay",
    "permits",
    "permit",
    "twin",
    "event",
    "err",
    "time",
    "message",
    "message_",
    "svc",
    "retry_after",
    "quote\"d",
    "back\\slash",
    "new\nline",
    "ünï",
    "del\u{7f}",
    "exactly_twenty_bytes",
    "a_key_of_21_bytes_tot",
    "a_key_that_is_longer_than_a_block_of_the_line",
    "cut_keys",
    "event_name",
];

#[derive(Debug, Clone)]
enum Any {
    Text(String),
    Printed(String),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    None,
}

impl Any {
    fn expected(&self, key: &str) -> Value {
        match self {
            Any::Text(text) | Any::Printed(text) if key == "err" => json!({ "message": text }),
            Any::Text(text) | Any::Printed(text) => json!(text),
            Any::Unsigned(number) => json!(number),
            Any::Signed(number) => json!(number),
            Any::Float(number) if number.is_finite() => json!(number),
            Any::Float(number) if key == "err" => json!({ "message": text_of(*number) }),
            Any::Float(number) => json!(text_of(*number)),
            Any::Bool(value) => json!(value),
            Any::None => Value::Null,
        }
    }
}

fn text_of(number: f64) -> &'static str {
    match number {
        number if number.is_nan() => "NaN",
        number if number > 0.0 => "inf",
        _ => "-inf",
    }
}

/// In the order of the code: slog asks for the last one first.
struct Fields<'a>(&'a [(&'static str, Any)]);

impl KV for Fields<'_> {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        for (key, value) in self.0.iter().rev() {
            match value {
                Any::Text(text) => serializer.emit_str(key, text)?,
                Any::Printed(text) => serializer.emit_arguments(key, &format_args!("{text}"))?,
                Any::Unsigned(number) => serializer.emit_u64(key, *number)?,
                Any::Signed(number) => serializer.emit_i64(key, *number)?,
                Any::Float(number) => serializer.emit_f64(key, *number)?,
                Any::Bool(value) => serializer.emit_bool(key, *value)?,
                Any::None => serializer.emit_none(key)?,
            }
        }
        Ok(())
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    // Another address with the text of one of the keys: keys are known by address, and told apart by text.
    (0..=KEYS.len())
        .prop_map(|at| KEYS.get(at).copied().unwrap_or_else(|| std::str::from_utf8(&TWIN).unwrap()))
}

fn value() -> impl Strategy<Value = Any> {
    prop_oneof![
        any::<String>().prop_map(Any::Text),
        "[ -~]{0,40}".prop_map(Any::Text),
        any::<String>().prop_map(Any::Printed),
        any::<u64>().prop_map(Any::Unsigned),
        (0..1000_u64).prop_map(Any::Unsigned),
        any::<i64>().prop_map(Any::Signed),
        any::<f64>().prop_map(Any::Float),
        (-1000..1000_i32).prop_map(|number| Any::Float(f64::from(number) / 100.0)),
        any::<bool>().prop_map(Any::Bool),
        Just(Any::None),
    ]
}

/// The platform's keys get an underscore; of two with one name the last one stays; `event` comes first.
fn expected(fields: &[(&'static str, Any)], message: &str) -> Vec<(String, Value)> {
    let mut kept: Vec<(String, Value)> = Vec::new();
    for (key, value) in fields.iter().rev() {
        let taken = ["time", "message", "svc", "cut_keys", "event_name"].contains(key);
        let name = if taken { format!("{key}_") } else { (*key).to_owned() };
        if kept.iter().all(|(known, _)| *known != name) {
            kept.push((name, value.expected(key)));
        }
    }
    kept.reverse();
    let event = kept.iter().position(|(name, _)| name == "event").map(|at| kept.remove(at));
    event.into_iter().chain(kept).chain([("message".to_owned(), json!(message))]).collect()
}

proptest! {
    /// Several from one thread, which keeps what it learnt of keys.
    #[test]
    fn a_line_is_what_serde_json_makes_of_the_same_record(
        records in prop::collection::vec((prop::collection::vec((key(), value()), 0..24), any::<String>()), 1..4)
    ) {
        let (_log, captured, logger) = captured();
        for (fields, message) in &records {
            slog::info!(logger, "{message}"; slog::BorrowedKV(&Fields(fields)));
        }
        let text = captured.text();
        prop_assert_eq!(text.lines().count(), records.len());
        for (line, (fields, message)) in text.lines().zip(&records) {
            // As far as the keys of the platform; of the rest also the order counts.
            let (_, own) = line.split_once(",\"instance\":\"1\"").unwrap();
            let expected = expected(fields, message);
            let mut rest = own;
            for (name, value) in &expected {
                let start = format!(",{}:", serde_json::to_string(name).unwrap().replace('\u{7f}', "\\u007f"));
                prop_assert!(rest.starts_with(&start), "{rest} {start}");
                let mut values = serde_json::Deserializer::from_str(&rest[start.len()..]).into_iter::<Value>();
                prop_assert_eq!(&values.next().unwrap().unwrap(), value);
                rest = &rest[start.len() + values.byte_offset()..];
            }
            prop_assert_eq!(rest, "}");
            let whole: Map<String, Value> = serde_json::from_str(line).unwrap();
            prop_assert_eq!(whole.len(), expected.len() + 6);
        }
    }

    #[test]
    fn numbers_are_written_as_itoa_would(number in any::<i64>(), shift in 0..64_u32) {
        for number in [number, number >> shift, -(number >> shift).saturating_abs()] {
            let (block, length) = decimal(number.unsigned_abs(), number < 0);
            prop_assert_eq!(std::str::from_utf8(&block[BLOCK - length..]).unwrap(), number.to_string());
        }
    }
}

#[test]
fn numbers_at_the_bounds() {
    for number in (0..200).chain([999, 1000, 1001, 9_999, 10_000, u64::MAX / 10, u64::MAX - 1, u64::MAX]) {
        let (block, length) = decimal(number, false);
        assert_eq!(std::str::from_utf8(&block[BLOCK - length..]).unwrap(), number.to_string());
    }
    let (block, length) = decimal(i64::MIN.unsigned_abs(), true);
    assert_eq!(std::str::from_utf8(&block[BLOCK - length..]).unwrap(), i64::MIN.to_string());
}

#[test]
fn a_line_takes_the_room_that_it_needs_and_gives_it_back() {
    let (mut line, text) = (Line::default(), vec![b'x'; 16 * 1024]);
    for _ in 0..3 {
        line.clear();
        line.push(b"end");
        assert!(line.push_plain_text(&text) && line.push_plain_text(&text));
        assert!(!line.push_plain_text(b"a\nb"));
        for _ in 0..100 {
            line.push_block(&decimal(7, false).0, 1);
        }
        assert_eq!(line.len(), 3 + 2 * (text.len() + 2) + 100);
        assert!(line.bytes().starts_with(b"777") && line.bytes().ends_with(b"x\"end"));
    }
}
