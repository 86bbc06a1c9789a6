//! Characters that are escaped for a terminal, and those that are not.

use proptest::prelude::*;

use super::*;

/// At least one character of each hostile kind.
const HOSTILE: [char; 40] = [
    '\0',
    '\u{7}',
    '\u{8}',
    '\t',
    '\n',
    '\r',
    '\u{1b}',
    '\u{7f}',
    '\u{80}',
    '\u{85}',
    '\u{9b}',
    '\u{ad}',
    '\u{34f}',
    '\u{600}',
    '\u{61c}',
    '\u{115f}',
    '\u{17b4}',
    '\u{180e}',
    '\u{200b}',
    '\u{200d}',
    '\u{200e}',
    '\u{200f}',
    '\u{2028}',
    '\u{2029}',
    '\u{202a}',
    '\u{202e}',
    '\u{2060}',
    '\u{2066}',
    '\u{2069}',
    '\u{206a}',
    '\u{2800}',
    '\u{3164}',
    '\u{e000}',
    '\u{fe0f}',
    '\u{feff}',
    '\u{fffb}',
    '\u{fffe}',
    '\u{378}',
    '\u{e0041}',
    '\u{10ffff}',
];

#[test]
fn each_kind_of_character_that_misleads_is_an_escape() {
    for c in HOSTILE {
        assert!(is_hostile(c), "{c:?}");
        let shown = one_line(&format!("a{c}b")).to_string();
        assert_eq!(shown, format!("a{}b", c.escape_default()));
    }
}

#[test]
fn ordinary_text_of_any_script_is_not_escaped() {
    for text in [
        "Größe 日本 \u{3000}全角",
        "e\u{301}t\u{e9}",
        "Tiê\u{301}ng Việt",
        "שָׁלוֹם",
        "नमस्ते हिन्दी",
        "กำลัง",
        "🦀 → ≤ €",
        r"C:\Users",
        "",
    ] {
        assert_eq!(one_line(text).to_string(), text);
    }
}

#[test]
fn marks_need_a_character_before_them_and_are_four_at_most() {
    assert_eq!(one_line("\u{338}a").to_string(), r"\u{338}a");
    let zalgo = format!("a{}b", "\u{35c}".repeat(1000));
    assert_eq!(one_line(&zalgo).to_string(), format!("a{}{}b", "\u{35c}".repeat(4), r"\u{35c}".repeat(996)));
}

#[test]
fn text_with_lines_keeps_them_and_nothing_else() {
    assert_eq!(many_lines("a\n\tb\r\u{1b}[2J\u{2028}\n").to_string(), "a\n\tb\\r\\u{1b}[2J\\u{2028}\n");
    assert_eq!(Hostile::find("a\u{301}b\u{200b}"), Some("a\u{301}b".len()));
    assert_eq!(Hostile::find("all is well"), None);
}

proptest! {
    #[test]
    fn nothing_hostile_is_left_of_any_text(text in any::<String>()) {
        let shown = one_line(&text).to_string();
        prop_assert!(!shown.chars().any(is_hostile), "{shown:?}");
        prop_assert_eq!(Hostile::find(&shown), None);
        // Escapes are not escaped again.
        prop_assert_eq!(one_line(&shown).to_string(), shown);
    }
}
