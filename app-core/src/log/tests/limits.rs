//! The limit of a record: no line is longer, each is complete, and marks show what was cut.

use std::{collections::BTreeMap, sync::LazyLock};

use app_errors::errors;
use proptest::prelude::*;
use serde_json::{Map, Value, json, value::RawValue};
use slog::{KV, OwnedKVList, Record, Serializer, error, info};

use super::super::drain::{LineFormat, TextFormat};
use super::super::{LogRecordLimit, json, term};
use super::{QUOTA, captured, identity, only};
use crate::events::APP_STARTED;

const LIMIT: usize = 16_000;

/// Short keys, long keys that begin alike, and keys with characters to escape. Leaked, because keys are `'static`.
static KEYS: LazyLock<Vec<&'static str>> = LazyLock::new(|| {
    let short = (0..40).map(|number| format!("key_{number}"));
    let long = (0..6).map(|number| format!("{}{number}", "long".repeat(300)));
    let odd = (0..6).map(|number| "\u{1}\"\\é\u{202e}".repeat(40 * number));
    short.chain(long).chain(odd).map(|key| &*Box::leak(key.into_boxed_str())).collect()
});

#[derive(Debug, Clone)]
enum AnyValue {
    Text(String),
    Printed(String),
    Serde(Value),
    Failure(String, Value),
    Number(u64),
    /// A number of any length.
    Digits(usize),
}

impl AnyValue {
    fn failure(message: &str, context: &Value) -> app_errors::Error {
        let cause = std::io::Error::other(message.to_owned());
        errors::BUG.error(QUOTA).message(message).cause(cause).context(context.clone()).build()
    }

    /// Whether the JSON is this value, or has the mark of a cut. An error differs each time, but is an object.
    fn is_whole_or_marked(&self, json: &str) -> bool {
        let parsed = || serde_json::from_str::<Value>(json).unwrap();
        let shows = |whole: Value| parsed() == whole || has_cut_mark(&parsed());
        match self {
            AnyValue::Text(text) | AnyValue::Printed(text) => shows(json!(text)),
            AnyValue::Serde(value) => shows(value.clone()),
            AnyValue::Failure(..) => parsed().is_object(),
            AnyValue::Number(number) => shows(json!(number)),
            // `Value` cannot hold a number with that many digits.
            AnyValue::Digits(digits) => json == "7".repeat(*digits) || has_cut_mark(&parsed()),
        }
    }
}

struct Fields<'a>(&'a [(&'static str, AnyValue)]);

impl KV for Fields<'_> {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        for (key, value) in self.0.iter().rev() {
            match value {
                AnyValue::Text(text) => serializer.emit_str(key, text)?,
                AnyValue::Printed(text) => serializer.emit_arguments(key, &format_args!("{text}"))?,
                AnyValue::Serde(value) => serializer.emit_serde(key, &slog::Serde(value.clone()))?,
                AnyValue::Failure(message, context) => {
                    serializer.emit_error(key, &AnyValue::failure(message, context))?;
                }
                AnyValue::Number(number) => serializer.emit_u64(key, *number)?,
                AnyValue::Digits(digits) => {
                    serializer.emit_serde(key, &slog::Serde(raw("7".repeat(*digits))))?;
                }
            }
        }
        Ok(())
    }
}

fn raw(json: String) -> Box<RawValue> {
    RawValue::from_string(json).unwrap()
}

fn text() -> impl Strategy<Value = String> {
    let characters =
        ["a", "é", "\u{1}", "\u{2028}", "🦀", "\"", "\\", "\u{202e}", "\u{7f}", "ab\n", "… (7 bytes cut)"];
    let piece = (prop::sample::select(characters.to_vec()), prop_oneof![0..40_usize, 0..9_000_usize])
        .prop_map(|(character, times)| character.repeat(times));
    prop::collection::vec(prop_oneof![piece, any::<String>()], 0..3).prop_map(|pieces| pieces.concat())
}

fn structure() -> impl Strategy<Value = Value> {
    let leaf =
        prop_oneof![text().prop_map(Value::from), any::<i64>().prop_map(Value::from), Just(Value::Null)];
    let grown = leaf.prop_recursive(4, 64, 40, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..40).prop_map(Value::from),
            prop::collection::hash_map("[a-z\"é]{0,30}", inner, 0..40)
                .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>())),
        ]
    });
    let deep = (1..300_usize).prop_map(|depth| (0..depth).fold(json!("deep"), |inner, _| json!([inner])));
    let many = (0..5_000_usize).prop_map(|count| json!((0..count).collect::<Vec<_>>()));
    prop_oneof![4 => grown, 1 => deep, 1 => many]
}

fn value() -> impl Strategy<Value = AnyValue> {
    prop_oneof![
        3 => text().prop_map(AnyValue::Text),
        3 => text().prop_map(AnyValue::Printed),
        2 => structure().prop_map(AnyValue::Serde),
        1 => (text(), structure()).prop_map(|(message, context)| AnyValue::Failure(message, context)),
        3 => any::<u64>().prop_map(AnyValue::Number),
        1 => (1..30_000_usize).prop_map(AnyValue::Digits),
    ]
}

fn limit() -> impl Strategy<Value = usize> {
    prop_oneof![
        Just(LogRecordLimit::MIN.bytes()),
        Just(LIMIT),
        Just(LogRecordLimit::MAX.bytes()),
        LogRecordLimit::MIN.bytes()..LogRecordLimit::MAX.bytes()
    ]
}

fn line(
    format: &LineFormat,
    level: slog::Level,
    message: &str,
    fields: &[(&'static str, AnyValue)],
    with_event: bool,
) -> String {
    let event: OwnedKVList =
        if with_event { slog::o!("event" => APP_STARTED.hex()).into() } else { slog::o!().into() };
    let location = slog::RecordLocation { file: "", line: 0, column: 0, function: "", module: "" };
    let fixed = slog::RecordStatic { location: &location, tag: "", level };
    let fields = Fields(fields);
    let line =
        format.to_line(&Record::new(&fixed, &format_args!("{message}"), slog::BorrowedKV(&fields)), &event);
    String::from_utf8(line).unwrap()
}

fn json_format(limit: usize, for_journal: bool, name: &str) -> LineFormat {
    let prefix = json::prefix(&identity(), Some((QUOTA, name))).into();
    LineFormat { limit, for_journal, text: TextFormat::Json { prefix } }
}

/// Whether a value has the mark of a cut.
fn has_cut_mark(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains("cut"),
        Value::Array(values) => values.iter().any(has_cut_mark),
        Value::Object(members) => {
            members.iter().any(|(key, value)| (key == "…" && has_cut_mark(value)) || has_cut_mark(value))
        }
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_is_longer_than_the_limit_and_what_is_cut_says_so(
        fields in prop::collection::vec((0..KEYS.len(), value()), 0..60),
        message in text(), limit in limit(), for_journal in any::<bool>(), with_event in any::<bool>(), name in text()
    ) {
        let fields: Vec<_> = fields.into_iter().map(|(key, value)| (KEYS[key], value)).collect();
        let line = line(&json_format(limit, for_journal, &name), slog::Level::Error, &message, &fields, with_event);
        prop_assert!(line.len() <= limit, "{} > {limit}", line.len());
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        let json = if for_journal { line.strip_prefix("<3>").unwrap() } else { &line };
        let record: BTreeMap<String, Box<RawValue>> = serde_json::from_str(json).unwrap();
        let shown = |key: &str| serde_json::from_str::<Value>(record[key].get()).unwrap();
        for key in ["time", "level", "domain", "app", "release", "instance", "svc", "svc_name", "message"] {
            prop_assert!(record.contains_key(key), "{key} is missing");
        }
        prop_assert_eq!(shown("svc"), QUOTA.hex());
        if with_event {
            prop_assert_eq!(shown("event"), APP_STARTED.hex());
            prop_assert_eq!(shown("event_name"), "app_started");
        }
        prop_assert!(shown("message") == message || has_cut_mark(&shown("message")));
        for (at, (key, value)) in fields.iter().enumerate() {
            if fields[at + 1..].iter().any(|(later, _)| later == key) {
                continue;
            }
            match record.get(*key) {
                Some(shown) => prop_assert!(value.is_whole_or_marked(shown.get()), "{shown}"),
                // The key was shortened, or the field was removed.
                None => prop_assert!(key.len() > 100 || record.contains_key("cut_keys"), "{key}: {json}"),
            }
        }
    }

    #[test]
    fn no_line_for_people_is_longer_than_the_limit_either(
        fields in prop::collection::vec((0..KEYS.len(), value()), 0..60),
        message in text(), limit in limit(), for_journal in any::<bool>(), colours in any::<bool>(), name in text()
    ) {
        let fields: Vec<_> = fields.into_iter().map(|(key, value)| (KEYS[key], value)).collect();
        let name = Some(term::shown_name(&name).into());
        let format = LineFormat { limit, for_journal, text: TextFormat::Term { name, colours } };
        let line = line(&format, slog::Level::Warning, &message, &fields, true);
        prop_assert!(line.len() <= limit, "{} > {limit}", line.len());
        prop_assert_eq!(line.find('\n'), Some(line.len() - 1));
        prop_assert_eq!(line.starts_with("<4>"), for_journal);
        prop_assert!(line.contains(&APP_STARTED.hex()) && line.contains("app_started"));
        let hostile = |c: char| app_errors::is_hostile(c) && !matches!(c, '\n' | '\x1b');
        prop_assert!(!line.chars().any(hostile), "hostile: {:?}", line);
        // An error is left out when the message ends with its text.
        let is_in_message = |value: &AnyValue| matches!(value, AnyValue::Failure(text, _) if message.ends_with(text));
        let mut expected = fields.iter().filter(|(key, value)| key.len() < 10 && !is_in_message(value));
        let all = expected.all(|(key, _)| line.contains(key));
        prop_assert!(all || line.contains("cut_keys"), "{line}");
    }
}

#[test]
fn two_values_of_ten_thousand_bytes_make_one_record_below_the_limit() {
    let (_log, captured, logger) = captured();
    let (first, second) = ("a".repeat(10_000), "b".repeat(10_000));
    info!(logger, "two"; "first" => &first, "second" => &second, "small" => 1);
    assert!(
        captured.text().len() <= LIMIT && captured.text().len() > LIMIT - 100,
        "{}",
        captured.text().len()
    );
    let record = only(&captured);
    for (key, letter) in [("first", 'a'), ("second", 'b')] {
        let text = record[key].as_str().unwrap();
        let kept = text.chars().take_while(|c| *c == letter).count();
        assert_eq!(text, format!("{}… ({} bytes cut)", letter.to_string().repeat(kept), 10_000 - kept));
        assert!(kept > 7_000, "{kept}");
    }
    assert_eq!((&record["small"], &record["message"]), (&json!(1), &json!("two")));
}

#[test]
fn the_longest_values_are_cut_first() {
    let (_log, captured, logger) = captured();
    let middle = "m".repeat(3_000);
    let failure = AnyValue::failure("short", &json!({"text": "c".repeat(4_000)}));
    info!(logger, "{middle}"; "long" => "l".repeat(100_000), "middle" => &middle, "err" => #&failure);
    let record = only(&captured);
    assert_eq!((&record["message"], &record["middle"]), (&json!(middle), &json!(middle)));
    assert_eq!(record["err"]["context"]["text"].as_str().unwrap().len(), 4_000);
    let long = record["long"].as_str().unwrap();
    assert!(long.ends_with(" bytes cut)") && long.len() > 3_000, "{}", long.len());
}

#[test]
fn ten_thousand_keys_make_one_record_that_says_how_many_are_missing() {
    let keys: Vec<_> = (0..10_000)
        .map(|number| (&*Box::leak(format!("k{number}").into_boxed_str()), AnyValue::Number(number)))
        .collect();
    for limit in [LogRecordLimit::MIN.bytes(), LIMIT, LogRecordLimit::MAX.bytes()] {
        let line = line(&json_format(limit, false, "quota"), slog::Level::Info, "many", &keys, true);
        assert!(line.len() <= limit && line.len() > limit.min(LIMIT) / 3, "{}", line.len());
        let record: Map<String, Value> = serde_json::from_str(&line).unwrap();
        assert_eq!(record["event_name"], "app_started");
        let cut = record["cut_keys"].as_str().unwrap();
        let (names, more) = cut.split_once(" and ").unwrap();
        let more: usize = more.strip_suffix(" more").unwrap().parse().unwrap();
        let kept = record.keys().filter(|key| key.starts_with('k')).count();
        assert_eq!(kept + names.split(' ').count() + more, 10_000, "{cut}");
    }
}

#[test]
fn long_keys_that_begin_alike_stay_apart() {
    let fields: Vec<_> = KEYS[40..43].iter().map(|key| (*key, AnyValue::Number(7))).collect();
    let line = line(&json_format(LIMIT, false, "quota"), slog::Level::Info, "m", &fields, false);
    let record: Map<String, Value> = serde_json::from_str(&line).unwrap();
    assert_eq!(record.values().filter(|value| **value == json!(7)).count(), 3, "{line}");
}

#[test]
fn numbers_in_a_structure_that_is_cut_keep_their_digits() {
    let digits = "7".repeat(309);
    let numbers = format!(
        "{},{},{},{digits},0.30000000000000004,1.7976931348623157e+308,[-0.0]",
        u128::MAX,
        i128::MIN,
        u64::MAX
    );
    let structure = format!("{{ \"numbers\" : [{numbers}], \"text\": \"{}\" }}", "x".repeat(20_000));
    let (_log, captured, logger) = captured();
    info!(logger, "cut"; "value" => slog::Serde(raw(structure)), "whole" => slog::Serde(raw(digits.clone())));
    let text = captured.text();
    assert!(text.contains(&format!("\"value\":{{\"numbers\":[{numbers}],\"text\":\"xxx")), "{text}");
    assert!(text.contains(" bytes cut)\"}") && text.contains(&format!("\"whole\":{digits},")), "{text}");
}

#[test]
fn an_error_too_large_keeps_what_it_says_and_its_ids() {
    let (_log, captured, logger) = captured();
    let context = json!({ "rows": (0..20_000).map(|row| format!("row {row}")).collect::<Vec<_>>() });
    let failure = AnyValue::failure("disk full", &context);
    error!(logger, "failed"; "err" => #&failure);
    assert!(captured.text().len() <= LIMIT);
    let err = &only(&captured)["err"];
    assert_eq!((&err["message"], &err["id"]), (&json!("disk full"), &json!(errors::BUG.id.hex())));
    let rows = err["context"]["rows"].as_array().unwrap();
    assert!(rows.last().unwrap().as_str().unwrap().ends_with(" values cut)"), "{rows:?}");
    assert!(err["stack"].as_array().is_some_and(|stack| !stack.is_empty()));
}

#[test]
fn values_nested_too_deeply_say_so_and_take_no_stack() {
    let (_log, captured, logger) = captured();
    let mut deep = json!("bottom");
    for _ in 0..5_000 {
        deep = Value::Array(vec![deep]);
    }
    let deep = slog::Serde(deep);
    info!(logger, "deep"; "value" => &deep);
    let record = only(&captured);
    assert!(record["value"].as_str().unwrap().ends_with("… (cut: nested too deeply)"), "{record}");
    let slog::Serde(mut deep) = deep;
    // Dropped level by level, because the recursive drop would overflow the stack.
    while let Value::Array(mut inner) = deep {
        deep = inner.pop().unwrap_or_default();
    }
}

#[test]
fn a_value_that_fails_to_serialize_is_replaced_by_the_reason() {
    #[derive(Clone)]
    struct Refuses;
    impl serde::Serialize for Refuses {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no \"form\""))
        }
    }
    let (_log, captured, logger) = captured();
    info!(logger, "refused"; "value" => slog::Serde(Refuses));
    assert_eq!(only(&captured)["value"], "… (cut: no \"form\")");
}
