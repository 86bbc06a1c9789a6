//! Output is aligned, and harmless for terminals whatever the app sends.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::Value;

use super::*;

const HOSTILE: [&str; 9] = [
    "\u{338}over and\u{35c}\u{35c}\u{35c}\u{35c}\u{35c}\u{35c} under",
    "\u{1b}[31mred\u{1b}[0m",
    "two\nlines\r\n",
    "\u{1b}]0;title\u{7}",
    "\u{9b}2J",
    "a\u{202e}b\u{2066}c",
    "zero\u{200b}width\u{feff}",
    "tag\u{e0041}",
    "\u{7f}\u{8}\u{0}",
];

fn is_harmless(text: &str) -> bool {
    app_errors::Hostile::find(&text.replace('\n', " ")).is_none()
}

#[test]
fn hostile_text_is_shown_and_not_obeyed() {
    assert_eq!(one_line("a\u{1b}[2Jb\nc", 100), "a\\u{1b}[2Jb\\nc");
    assert_eq!(one_line("a\u{202e}b", 100), "a\\u{202e}b");
    assert_eq!(one_line("Größe 日本", 100), "Größe 日本");
    assert_eq!(one_line("abcdef", 3), "abc..");
    assert_eq!(many_lines("a\n\tb\u{1b}c\r\n"), "a\n\tb\\u{1b}c\\r\n");
    assert_eq!(replaced("a{l=\"\u{1b}\"} 1\n"), "a{l=\"\u{fffd}\"} 1\n");
}

#[test]
fn hostile_text_is_exact_and_harmless_in_json() {
    for hostile in HOSTILE {
        let line = json_line(&hostile);
        assert!(is_harmless(&line) && !line.contains('\n'), "{line:?}");
        assert_eq!(serde_json::from_str::<Value>(&line).unwrap(), hostile);
    }
}

#[test]
fn columns_stand_under_each_other_whatever_is_in_them() {
    let mut table = Table::new(["NAME", "STATE", "REASON"]);
    for hostile in HOSTILE {
        table.row([
            (hostile.to_owned(), Paint::Plain),
            ("running".to_owned(), Paint::Good),
            (hostile.repeat(100), Paint::Plain),
        ]);
    }
    table.row([
        ("last".to_owned(), Paint::Plain),
        (String::new(), Paint::Plain),
        (String::new(), Paint::Plain),
    ]);
    let text = table.text(false);
    assert!(is_harmless(&text), "{text:?}");
    let lines: Vec<_> = text.lines().collect();
    assert_eq!(lines.len(), 2 + HOSTILE.len());
    let at = lines[0].find("STATE").unwrap();
    for line in &lines[1..=HOSTILE.len()] {
        let cell: String = line.chars().skip(at).take(7).collect();
        assert_eq!(cell, "running", "{line}");
    }
    assert_eq!(*lines.last().unwrap(), "last");
    assert!(!text.contains('\u{1b}') && table.text(true).contains("\u{1b}[32mrunning\u{1b}[0m"));
}

#[test]
fn times_are_said_as_people_do() {
    let cases = [
        (Duration::ZERO, "0us"),
        (Duration::from_micros(250), "250us"),
        (Duration::from_millis(13), "13ms"),
        (Duration::from_millis(1250), "1.2s"),
        (Duration::from_secs(59), "59s"),
        (Duration::from_secs(60), "1m 0s"),
        (Duration::from_secs(125), "2m 5s"),
        (Duration::from_secs(3 * 86_400 + 4 * 3_600 + 5), "3d 4h"),
        (Duration::from_millis(u64::MAX), "213503982334d 14h"),
    ];
    for (duration, said) in cases {
        assert_eq!(human(duration), said);
    }
    assert_eq!(Moment(1_767_225_600_123).to_string(), "2026-01-01T00:00:00.123Z");
}

proptest! {
    #[test]
    fn whatever_the_app_says_no_terminal_obeys_it(said in any::<String>(), moment in any::<i64>()) {
        let mut page = Page::new(false);
        page.line(&said);
        page.facts(&[("fact", said.clone(), Paint::Bad)]);
        let mut table = Table::new(["A", "B"]);
        table.row([(said.clone(), Paint::Plain), (Moment(moment).to_string(), Paint::Plain)]);
        page.table(&table);
        let text = page.text();
        prop_assert!(is_harmless(&text), "{text:?}");
        prop_assert_eq!(text.lines().count(), 4);
        let json = json_line(&said);
        prop_assert!(is_harmless(&json) && !json.contains('\n'));
        prop_assert_eq!(serde_json::from_str::<Value>(&json).unwrap(), Value::from(said));
        let _ = ago(Moment(moment));
    }
}
