//! Arbitrary records. Each line is compared with what serde_json writes for the same keys and values.

use proptest::prelude::*;
use serde_json::{Map, Value, json, value::RawValue};
use slog::{KV, Record, Serializer};

use super::super::line::{BLOCK, Line, decimal};
use super::captured;

/// The text of one of the keys, at another address.
static TWIN: [u8; 4] = *b"twin";

/// Platform keys, keys with the same hash, long keys, and keys with characters to escape.
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
enum AnyValue {
    Text(String),
    Printed(String),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Bool(bool),
    None,
}

impl AnyValue {
    fn expected(&self, key: &str) -> Value {
        match self {
            AnyValue::Text(text) | AnyValue::Printed(text) if key == "err" => json!({ "message": text }),
            AnyValue::Text(text) | AnyValue::Printed(text) => json!(text),
            AnyValue::Unsigned(number) => json!(number),
            AnyValue::Signed(number) => json!(number),
            AnyValue::Float(number) if number.is_finite() => json!(number),
            AnyValue::Float(number) if key == "err" => json!({ "message": text_of(*number) }),
            AnyValue::Float(number) => json!(text_of(*number)),
            AnyValue::Bool(value) => json!(value),
            AnyValue::None => Value::Null,
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

/// Fields in the order of the code. slog wants the last one first.
struct Fields<'a>(&'a [(&'static str, AnyValue)]);

impl KV for Fields<'_> {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        for (key, value) in self.0.iter().rev() {
            match value {
                AnyValue::Text(text) => serializer.emit_str(key, text)?,
                AnyValue::Printed(text) => serializer.emit_arguments(key, &format_args!("{text}"))?,
                AnyValue::Unsigned(number) => serializer.emit_u64(key, *number)?,
                AnyValue::Signed(number) => serializer.emit_i64(key, *number)?,
                AnyValue::Float(number) => serializer.emit_f64(key, *number)?,
                AnyValue::Bool(value) => serializer.emit_bool(key, *value)?,
                AnyValue::None => serializer.emit_none(key)?,
            }
        }
        Ok(())
    }
}

fn key() -> impl Strategy<Value = &'static str> {
    // The cache finds keys by address, but duplicates are found by text.
    (0..=KEYS.len())
        .prop_map(|at| KEYS.get(at).copied().unwrap_or_else(|| std::str::from_utf8(&TWIN).unwrap()))
}

fn value() -> impl Strategy<Value = AnyValue> {
    prop_oneof![
        any::<String>().prop_map(AnyValue::Text),
        "[ -~]{0,40}".prop_map(AnyValue::Text),
        any::<String>().prop_map(AnyValue::Printed),
        any::<u64>().prop_map(AnyValue::Unsigned),
        (0..1000_u64).prop_map(AnyValue::Unsigned),
        any::<i64>().prop_map(AnyValue::Signed),
        any::<f64>().prop_map(AnyValue::Float),
        (-1000..1000_i32).prop_map(|number| AnyValue::Float(f64::from(number) / 100.0)),
        any::<bool>().prop_map(AnyValue::Bool),
        Just(AnyValue::None),
    ]
}

/// The expected fields: platform keys get an underscore, the last of two equal names stays, and `event` comes first.
fn expected(fields: &[(&'static str, AnyValue)], message: &str) -> Vec<(String, Value)> {
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
    /// Several records on one thread, so that keys come from its cache.
    #[test]
    fn a_line_is_what_serde_json_writes_for_the_same_record(
        records in prop::collection::vec((prop::collection::vec((key(), value()), 0..24), any::<String>()), 1..4)
    ) {
        let (_log, captured, logger) = captured();
        for (fields, message) in &records {
            slog::info!(logger, "{message}"; slog::BorrowedKV(&Fields(fields)));
        }
        let text = captured.text();
        prop_assert_eq!(text.lines().count(), records.len());
        for (line, (fields, message)) in text.lines().zip(&records) {
            // The record's own fields are compared in their order.
            let (_, own) = line.split_once(",\"instance\":\"1\"").unwrap();
            let expected = expected(fields, message);
            let mut rest = own;
            for (name, value) in &expected {
                let start = format!(",{}:", serde_json::to_string(name).unwrap().replace('\u{7f}', "\\u007f"));
                prop_assert!(rest.starts_with(&start), "{rest} {start}");
                let json = serde_json::Deserializer::from_str(&rest[start.len()..]);
                let mut values = json.into_iter::<Box<RawValue>>();
                let written = values.next().unwrap().unwrap();
                // Numbers are compared as texts, because serde_json may round a float that it parses.
                if value.is_number() {
                    prop_assert_eq!(written.get(), value.to_string());
                } else {
                    prop_assert_eq!(&serde_json::from_str::<Value>(written.get()).unwrap(), value);
                }
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
fn a_line_grows_as_needed_and_frees_its_memory() {
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
