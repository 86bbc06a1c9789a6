//! JSON as text: always the same for the same value, and easy on the eye of who reads or compares it.

use super::tree::Tree;

/// The value on lines of its own, with a newline at the end. Lists of plain values stay on one line.
pub(crate) fn pretty(tree: &Tree) -> String {
    let mut out = String::new();
    write(tree, 0, &mut out);
    out.push('\n');
    out
}

/// A value that is neither a list nor an object, as it stands in JSON.
pub(crate) fn scalar(tree: &Tree) -> String {
    let mut out = String::new();
    write(tree, 0, &mut out);
    out
}

fn write(tree: &Tree, depth: usize, out: &mut String) {
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
    out: &mut String,
    mut write: impl FnMut(&T, &mut String),
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

fn new_line(depth: usize, out: &mut String) {
    out.push('\n');
    out.extend(std::iter::repeat_n("  ", depth));
}

fn write_text(text: &str, out: &mut String) {
    out.push_str(&serde_json::Value::from(text).to_string());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::tree::parse;

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
    fn what_is_printed_is_read_as_the_same() {
        let json = r#"{"quote\" \\ \n \u0000 é": ["\u2028", -0.0, 1e400]}"#;
        let tree = parse(json).ok().unwrap();
        assert!(parse(&pretty(&tree)).ok().unwrap() == tree);
    }
}
