//! Prints JSON: always the same text for the same value, and easy to read and to compare.

use app_errors::Hostile;

use super::tree::Tree;
use crate::secret::SecretText;

/// The value on several lines, with a newline at the end. Lists of plain values stay on one line.
pub(crate) fn pretty(tree: &Tree) -> String {
    let mut out = SecretText::default();
    write(tree, 0, &mut out);
    out.push('\n');
    out.into_string()
}

/// A value that is neither a list nor an object, as in JSON.
pub(crate) fn scalar(tree: &Tree) -> String {
    let mut out = SecretText::default();
    write(tree, 0, &mut out);
    out.into_string()
}

fn write(tree: &Tree, depth: usize, out: &mut SecretText) {
    match tree {
        Tree::Null => out.push_str("null"),
        Tree::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Tree::Number(digits) => out.push_str(digits),
        Tree::Text(text) => write_text(text, out),
        Tree::List(items) => {
            let flat = !items.iter().any(|item| matches!(item, Tree::List(_) | Tree::Object(_)));
            surround(items, ['[', ']'], flat, depth, out, |item, out| write(item, depth + 1, out));
        }
        Tree::Object(members) => surround(members, ['{', '}'], false, depth, out, |(name, value), out| {
            write_text(name, out);
            out.push_str(": ");
            write(value, depth + 1, out);
        }),
    }
}

fn surround<T>(
    items: &[T],
    [open, close]: [char; 2],
    flat: bool,
    depth: usize,
    out: &mut SecretText,
    mut write: impl FnMut(&T, &mut SecretText),
) {
    out.push(open);
    for (index, item) in items.iter().enumerate() {
        match (index, flat) {
            (0, true) => {}
            (0, false) => new_line(depth + 1, out),
            (_, true) => out.push_str(", "),
            (_, false) => {
                out.push(',');
                new_line(depth + 1, out);
            }
        }
        write(item, out);
    }
    if !flat && !items.is_empty() {
        new_line(depth, out);
    }
    out.push(close);
}

fn new_line(depth: usize, out: &mut SecretText) {
    out.push('\n');
    for _ in 0..depth {
        out.push_str("  ");
    }
}

/// The text in quotes. Characters are escaped if JSON requires it (RFC 8259, 7) or if they could mislead a terminal.
fn write_text(text: &str, out: &mut SecretText) {
    out.push('"');
    let (mut hostile, mut written) = (Hostile::default(), 0);
    for (at, c) in text.char_indices() {
        if !hostile.is(c) && c != '"' && c != '\\' {
            continue;
        }
        out.push_str(&text[written..at]);
        written = at + c.len_utf8();
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push_str(&text[written..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn objects_and_lists_of_them_take_lines_and_plain_lists_one() {
        let json = r#"{"a": {}, "b": [], "c": [1, "x", true], "d": [{"e": 1.50}, [[2]]], "f": null}"#;
        let lines = [
            "{",
            "  \"a\": {},",
            "  \"b\": [],",
            "  \"c\": [1, \"x\", true],",
            "  \"d\": [",
            "    {",
            "      \"e\": 1.50",
            "    },",
            "    [",
            "      [2]",
            "    ]",
            "  ],",
            "  \"f\": null",
            "}",
            "",
        ];
        assert_eq!(pretty(&parse(json).ok().unwrap()), lines.join("\n"));
    }

    #[test]
    fn text_is_escaped_as_by_serde_json_and_what_misleads_a_terminal_too() {
        let text = |text: &str| {
            let mut out = SecretText::default();
            write_text(text, &mut out);
            out.into_string()
        };
        let every: String =
            (0..0x7f).chain(0xa1..0xad).chain(0xae..0x180).filter_map(char::from_u32).collect();
        assert_eq!(text(&every), serde_json::Value::from(every).to_string());
        let hostile = "\u{7f}\u{9b}\u{202e}\u{2028}\u{200b}\u{e0041}\u{10ffff}";
        let shown = text(hostile);
        assert!(shown.is_ascii(), "{shown}");
        assert_eq!(serde_json::from_str::<String>(&shown).unwrap(), hostile);
    }

    #[test]
    fn what_is_printed_is_read_as_the_same() {
        let json = r#"{"quote\" \\ \n \u0000 é": ["\u2028", -0.0, 1e400]}"#;
        let tree = parse(json).ok().unwrap();
        assert!(parse(&pretty(&tree)).ok().unwrap() == tree);
    }
}
