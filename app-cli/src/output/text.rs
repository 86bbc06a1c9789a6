//! Text of strangers, made harmless for terminals.

use std::fmt::Write as _;

/// Whether a terminal, or whoever reads what it shows, could be misled by the character: control characters, those that turn the
/// direction of text, and those that can't be seen.
pub(super) fn is_hostile(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

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
