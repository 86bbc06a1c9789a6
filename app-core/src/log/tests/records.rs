//! Records in JSON.

use std::fmt;
use std::fmt::Write as _;
use std::io;

use app_errors::errors;
use app_ids::{LogEventId, ServiceId};
use proptest::prelude::*;
use serde_json::{Value, json};
use slog::{debug, error, info, o, warn};

use super::{QUOTA, captured, only};

#[test]
fn a_record_of_a_service_is_exactly_this_line() {
    let (log, captured, _) = captured();
    let event = LogEventId::new(0xa482_715a_50d6_7a5f);
    let logger = log.service_logger(QUOTA, "quota").new(o!("rule" => "default"));
    info!(logger, "granted {}", 3; "permits" => 3, "key" => "k", "event" => %event, "ratio" => 0.5, "ok" => true, "none" => None::<u8>);

    let text = captured.text();
    let (time, rest) = text.strip_prefix("{\"time\":\"").unwrap().split_at(30);
    assert!(humantime::parse_rfc3339(time).is_ok(), "{time}");
    assert_eq!(
        rest,
        "\",\"level\":\"info\",\"domain\":\"d0\",\"app\":\"a1\",\"release\":\"7e\",\"instance\":\"1\",\
         \"svc\":\"ce1f32c680e1ef0b\",\"svc_name\":\"quota\",\"event\":\"a482715a50d67a5f\",\"event_name\":\"app_started\",\"rule\":\"default\",\
         \"permits\":3,\"key\":\"k\",\"ratio\":0.5,\"ok\":true,\"none\":null,\"message\":\"granted 3\"}\n"
    );
    assert_eq!(captured.with_event(event).len(), 1);
    assert_eq!(captured.with_event(LogEventId::new(1)).len(), 0);
}

#[test]
fn levels_are_written_in_lower_case() {
    let (_log, captured, logger) = captured();
    slog::trace!(logger, "a");
    debug!(logger, "a");
    info!(logger, "a");
    warn!(logger, "a");
    error!(logger, "a");
    slog::crit!(logger, "a");
    let levels: Vec<Value> = captured.records().iter().map(|record| record["level"].clone()).collect();
    assert_eq!(levels, ["debug", "debug", "info", "warn", "error", "error"]);
}

#[test]
fn numbers_stay_exact_and_those_that_json_lacks_become_text() {
    let (_log, captured, logger) = captured();
    info!(logger, "numbers"; "u64" => u64::MAX, "i64" => i64::MIN, "u128" => u128::MAX, "small" => 7_u128, "nan" => f64::NAN,
        "inf" => f32::INFINITY, "f32" => 0.1_f32, "char" => '"', "unit" => (), "bytes" => vec![1_u8, 255]);
    let text = captured.text();
    assert!(text.contains(r#""u64":18446744073709551615,"i64":-9223372036854775808,"u128":"340282366920938463463374607431768211455","small":7,"nan":"NaN","inf":"inf","f32":0.1,"char":"\"","unit":null,"bytes":"0x01FF","#), "{text}");
    only(&captured);
}

#[test]
fn no_key_is_written_twice_and_the_most_specific_wins() {
    let (_log, captured, logger) = captured();
    let logger = logger.new(o!("who" => "outer", "outer" => 1)).new(o!("who" => "inner"));
    info!(logger, "{who}", who = "argument"; "what" => 1, "who" => "record");
    let text = captured.text();
    assert_eq!(text.matches("\"who\":").count(), 1, "{text}");
    assert_eq!(only(&captured)["who"], "record");
    assert_eq!(only(&captured)["outer"], json!(1));
    assert_eq!(only(&captured)["message"], "argument");
}

#[test]
fn keys_of_the_platform_cannot_be_taken() {
    let (_log, captured, logger) = captured();
    info!(logger, "real"; "message" => "forged", "level" => "error", "time" => 0, "domain" => 1, "app" => 2, "release" => 3,
        "instance" => 4, "svc" => 5, "svc_name" => 6, "cut_keys" => 7, "message_" => "second");
    let text = captured.text();
    let record = only(&captured);
    assert_eq!(record["message"], "real");
    assert_eq!(record["level"], "info");
    assert_eq!(record["domain"], "d0");
    for key in
        ["level_", "time_", "domain_", "app_", "release_", "instance_", "svc_", "svc_name_", "cut_keys_"]
    {
        assert!(!record[key].is_null(), "{key} in {text}");
        assert_eq!(text.matches(&format!("\"{key}\":")).count(), 1);
    }
    assert_eq!(text.matches("\"message_\":").count(), 1);
}

#[test]
fn an_error_of_the_platform_is_an_object_with_its_stack_at_level_error_only() {
    let (_log, captured, logger) = captured();
    let failure = errors::BUG.error(QUOTA).message("no such file").cause(io::Error::other("ENOENT")).build();
    error!(logger, "start failed"; "err" => #&failure);
    warn!(logger, "start failed"; "err" => #&failure);
    let records = captured.records();
    let mut with_stack = records[0]["err"].clone();
    let stack = with_stack.as_object_mut().unwrap().remove("stack");
    assert!(stack.is_some_and(|stack| !stack.as_array().unwrap().is_empty()), "{}", records[0]);
    assert_eq!(with_stack, failure.to_json_without_stack());
    assert_eq!(records[1]["err"], failure.to_json_without_stack());
    assert_eq!(records[1]["err"]["message"], "no such file");
}

#[test]
fn any_other_error_is_an_object_with_its_causes() {
    #[derive(Debug)]
    struct Outer(io::Error);
    impl fmt::Display for Outer {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("outer")
        }
    }
    impl std::error::Error for Outer {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let (_log, captured, logger) = captured();
    warn!(logger, "a"; "err" => #Outer(io::Error::other("inner")), "other" => io::Error::other("alone"));
    warn!(logger, "b"; "err" => "just a text");
    warn!(logger, "c"; "err" => %"a displayed\ntext");
    let records = captured.records();
    assert_eq!(records[0]["err"], json!({"message": "outer", "causes": ["inner"]}));
    assert_eq!(records[0]["other"], json!({"message": "alone"}));
    assert_eq!(records[1]["err"], json!({"message": "just a text"}));
    assert_eq!(records[2]["err"], json!({"message": "a displayed\ntext"}));
}

struct Panics;

impl fmt::Display for Panics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("begun \"")?;
        panic!("Display panics");
    }
}

impl slog::Value for Panics {
    fn serialize(&self, _: &slog::Record<'_>, _: slog::Key, _: &mut dyn slog::Serializer) -> slog::Result {
        panic!("Value panics");
    }
}

struct Fails;

impl fmt::Display for Fails {
    fn fmt(&self, _: &mut fmt::Formatter<'_>) -> fmt::Result {
        Err(fmt::Error)
    }
}

#[test]
fn a_value_that_panics_loses_only_that_value() {
    let (_log, captured, logger) = captured();
    info!(logger, "before"; "a" => 1, "bad" => %Panics, "b" => 2, "failing" => %Fails);
    info!(logger, "message {}", Panics; "a" => 1);
    info!(logger, "value"; "earlier" => 1, "bad" => Panics, "later" => 2);
    info!(logger, "after"; "err" => %Panics);
    let records = captured.records();
    assert_eq!(
        (&records[0]["a"], &records[0]["bad"], &records[0]["b"], &records[0]["failing"]),
        (&json!(1), &json!("<panicked>"), &json!(2), &json!("<failed>"))
    );
    assert_eq!((&records[1]["message"], &records[1]["a"]), (&json!("<panicked>"), &json!(1)));
    // slog goes from the last field to the first, so the fields in front of it are lost.
    assert_eq!((&records[2]["later"], &records[2]["log_field_lost"]), (&json!(2), &json!("<panicked>")));
    assert_eq!(records[3]["message"], "after");
}

#[test]
fn a_value_that_logs_while_it_is_printed_neither_deadlocks_nor_recurses() {
    struct Logs(slog::Logger);
    impl fmt::Display for Logs {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            info!(self.0, "inside"; "again" => %Logs(self.0.clone()));
            f.write_str("printed")
        }
    }
    let (log, captured, logger) = captured();
    info!(logger, "outside"; "value" => %Logs(logger.clone()));
    let records = captured.records();
    assert_eq!(records.last().unwrap()["message"], "outside");
    assert_eq!(records.last().unwrap()["value"], "printed");
    assert!(records.len() < 10, "{captured:?}");
    assert_eq!(log.dropped(), 1, "the record that was nested too deeply");
    assert!(captured.text().contains("inside"));
}

#[test]
fn serde_values_keep_their_structure_and_have_their_separators_escaped() {
    let (_log, captured, logger) = captured();
    let value = json!({"list": [1, "two\n", null], "nested": {"sep": "\u{2028}\u{7f}\u{85}é"}});
    info!(logger, "structure"; "value" => slog::Serde(value.clone()));
    assert!(captured.text().contains(r"\u2028\u007f\u0085é"), "{captured:?}");
    assert_eq!(only(&captured)["value"], value);
}

#[test]
fn a_time_before_1970_or_after_9999_becomes_the_nearest_one_of_the_format() {
    use std::time::{Duration, UNIX_EPOCH};
    let mut timestamp = super::super::timestamp::Timestamp::new();
    let mut text = |time| String::from_utf8(timestamp.format(time).to_vec()).unwrap();
    assert_eq!(text(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000000Z");
    assert_eq!(text(UNIX_EPOCH + Duration::from_secs(1 << 40)), "9999-12-31T23:59:59.000000000Z");
    assert_eq!(text(UNIX_EPOCH + Duration::new(1_785_000_000, 120)), "2026-07-25T17:20:00.000000120Z");
    assert_eq!(
        text(UNIX_EPOCH + Duration::new(1_785_000_000, 999_999_999)),
        "2026-07-25T17:20:00.999999999Z"
    );
}

proptest! {
    #[test]
    fn any_text_anywhere_gives_one_line_that_parses_back(
        message in any::<String>(), key in any::<String>(), value in any::<String>(), tail in "[\u{0}-\u{ff}\u{2020}-\u{2030}\"\\\\]*", name in any::<String>()
    ) {
        let (log, captured, _) = captured();
        let logger = log.service_logger(ServiceId::new(1), &name);
        // Keys are `'static` in slog, so the test leaks them.
        let key: &'static str = Box::leak(format!("{key}.").into_boxed_str());
        let mut displayed = String::new();
        write!(displayed, "{value}{tail}").unwrap();
        info!(logger, "{message}{tail}"; key => &value, "displayed" => %displayed, "err" => &value);
        let text = captured.text();
        prop_assert_eq!(text.matches('\n').count(), 1);
        prop_assert!(text.ends_with('\n'));
        let breaks_lines = |c: char| c.is_control() || c == '\u{2028}' || c == '\u{2029}';
        prop_assert!(!text.trim_end_matches('\n').chars().any(breaks_lines));
        let record: Value = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(&record["message"], &json!(format!("{message}{tail}")));
        prop_assert_eq!(&record[key], &json!(value));
        prop_assert_eq!(&record["displayed"], &json!(displayed));
        prop_assert_eq!(&record["err"]["message"], &json!(value));
        prop_assert_eq!(&record["svc_name"], &json!(name));
    }
}

/// Texts are checked eight bytes at a time, so each position counts.
#[test]
fn every_character_is_escaped_at_every_position() {
    use super::super::escape::{is_plain, push_json};
    for length in 0..40 {
        for at in 0..length {
            for c in (0..0x100).filter_map(char::from_u32).chain([
                '\u{2027}',
                '\u{2028}',
                '\u{2029}',
                '\u{202a}',
                '\u{1f600}',
            ]) {
                let text: String = (0..length).map(|index| if index == at { c } else { 'x' }).collect();
                let mut json = vec![b'"'];
                push_json(&mut json, &text);
                json.push(b'"');
                assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
                let harmless = matches!(c, ' '..='~') && c != '"' && c != '\\';
                assert_eq!(is_plain(text.as_bytes()), harmless, "{text:?}");
            }
        }
    }
}
