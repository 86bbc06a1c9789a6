//! Records for people.

use slog::{error, info, o};

use super::super::term;
use super::sinks::TestSink;
use super::{DEADLINE, QUOTA, identity};
use crate::log::{Log, LogFormat, LogLevel};

fn line(logged: impl FnOnce(&Log)) -> String {
    let sink = TestSink::default();
    let log = Log::to_writer(&identity(), LogFormat::Term, LogLevel::Debug, Box::new(sink.clone())).unwrap();
    logged(&log);
    assert!(log.shut_down(DEADLINE));
    sink.text()
}

#[test]
fn a_line_has_time_level_service_message_and_fields_in_the_order_of_the_code() {
    let text = line(|log| {
        let event = crate::events::APP_STARTED.hex();
        let logger = log.service_logger(QUOTA, "quota").new(o!("event" => event, "rule" => "default"));
        info!(logger, "granted"; "permits" => 3, "key" => "k", "none" => None::<u8>);
    });
    let (time, rest) = text.split_once(' ').unwrap();
    assert!(humantime::parse_rfc3339(time).is_ok(), "{text}");
    assert_eq!(
        rest,
        "INFO  quota: granted, rule: default, permits: 3, key: k, none: none, event: a482715a50d67a5f, event_name: app_started\n"
    );
}

#[test]
fn control_characters_and_text_that_reorders_are_escaped_everywhere() {
    let text = line(|log| {
        let logger = log.service_logger(QUOTA, "qu\nota");
        let bad = "a\nb\x1b[31m\u{202e}\u{200b}\u{9b}é";
        info!(logger, "{bad}"; "key\n" => bad, "display" => %bad, "serde" => slog::Serde(serde_json::json!(bad)));
    });
    assert_eq!(text.matches('\n').count(), 1, "{text}");
    assert!(!text.trim_end().chars().any(app_errors::is_hostile), "{text:?}");
    assert!(
        text.contains(r#"INFO  qu\nota: a\nb\u{1b}[31m\u{202e}\u{200b}\u{9b}é, "key\n": "a\nb"#),
        "{text}"
    );
}

#[test]
fn values_that_panic_or_fail_lose_only_those_values() {
    struct Panics;
    impl std::fmt::Display for Panics {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            panic!("Display panics");
        }
    }
    struct Fails;
    impl std::fmt::Display for Fails {
        fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            Err(std::fmt::Error)
        }
    }
    let text = line(
        |log| error!(log.logger(), "it {}", Panics; "a" => 1, "bad" => %Panics, "b" => 2, "fails" => %Fails),
    );
    assert!(text.ends_with("ERROR <panicked>, a: 1, bad: <panicked>, b: 2, fails: <failed>\n"), "{text}");
}

#[test]
fn a_value_that_could_pass_for_more_is_quoted() {
    let text = line(|log| {
        info!(log.logger(), "m"; "plain" => "a-b:c[1]", "sign" => "a=b", "marks" => "\u{338}", "spaces" => "a, b: c", "quote" => "a\"b", "slash" => r"a\n",
            "empty" => "", "hidden" => "ad\u{200b}min", "serde" => slog::Serde(serde_json::json!({"a": 1})), "a key" => 1);
    });
    let expected = r#"m, plain: a-b:c[1], sign: "a=b", marks: "\u{338}", spaces: "a, b: c", quote: "a\"b", slash: "a\\n", empty: "", hidden: "ad\u{200b}min", serde: "{\"a\":1}", "a key": 1"#;
    assert!(text.ends_with(&format!("{expected}\n")), "{text}");
}

#[test]
fn a_message_that_reads_like_fields_is_quoted() {
    let said = |message: &str| {
        let text = line(|log| info!(log.logger(), "{message}"; "names" => "mallory"));
        text.split_once("INFO  ").unwrap().1.trim_end().to_owned()
    };
    let forged = said("refused: no, names: admin");
    assert_eq!(forged, r#""refused: no, names: admin", names: mallory"#);
    assert_eq!(said(r#""a", b"#), r#""\"a\", b", names: mallory"#);
    assert_eq!(
        said("refused: it is of another release"),
        "refused: it is of another release, names: mallory"
    );
    let zalgo = said(&format!("a{}", "\u{35c}".repeat(100)));
    assert_eq!(zalgo.matches(r"\u{35c}").count(), 96, "{zalgo}");
    let long = said(&format!("no, names: admin{}", "x".repeat(100_000)));
    assert!(
        long.starts_with("\"no, names: admin") && long.contains("bytes cut)\", names: mallory"),
        "{long}"
    );
}

#[test]
fn a_cause_is_said_once() {
    #[derive(Debug)]
    struct Repeats(std::io::Error);
    impl std::fmt::Display for Repeats {
        fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "can't read: {}", self.0)
        }
    }
    impl std::error::Error for Repeats {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }
    let failure = Repeats(std::io::Error::other("disk full"));
    let text = line(|log| {
        error!(log.logger(), "stopped"; "err" => #&failure);
        error!(log.logger(), "stopped: {failure}"; "err" => #&failure);
    });
    let lines: Vec<_> = text.lines().map(|line| line.split_once("ERROR ").unwrap().1).collect();
    assert_eq!(lines, ["stopped, err: \"can't read: disk full\"", "stopped: can't read: disk full"]);
}

#[test]
fn colours_are_codes_around_the_text_that_are_all_reset() {
    let mut out = Vec::new();
    term::write(
        &mut out,
        term::LineStyle { name: Some("oven"), colours: true },
        16_000,
        &slog::record!(slog::Level::Warning, "", &format_args!("hot"), slog::b!("degrees" => 90)),
        &slog::OwnedKVList::from(o!()),
    );
    let text = String::from_utf8(out).unwrap();
    assert!(
        text.contains(
            "\x1b[33mWARN \x1b[0m \x1b[35moven\x1b[0m: \x1b[1mhot\x1b[0m, \x1b[36mdegrees\x1b[0m: 90"
        ),
        "{text:?}"
    );
    let codes = text.matches("\x1b[").count();
    assert_eq!(text.matches("\x1b[0m").count() * 2, codes);
}
