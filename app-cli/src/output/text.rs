//! Text of strangers, made harmless for terminals.

use std::fmt::Write as _;

use app_errors::is_hostile;

fn push(line: &mut String, c: char) {
    match c {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        // Writing to a string can't fail.
        c if is_hostile(c) => drop(write!(line, "\\u{{{:x}}}", u32::from(c))),
        c => line.push(c),
    }
}

/// One line of at most so many characters; what is hostile is shown by its number.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let mut line = String::new();
    let mut rest = text.chars();
    rest.by_ref().take(most).for_each(|c| push(&mut line, c));
    if rest.next().is_some() {
        line.push_str("..");
    }
    line
}

/// The same of text that has lines of its own: they stay.
pub(crate) fn many_lines(text: &str) -> String {
    let mut lines = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\n' | '\t') { lines.push(c) } else { push(&mut lines, c) }
    }
    lines
}

/// The same of text in a format that has no such escapes: what is hostile is replaced.
pub(crate) fn replaced(text: &str) -> String {
    let harmless = |c: char| if is_hostile(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}
