//! Escapes untrusted text for terminals.

use app_errors::Hostile;

/// Escapes text into one line of at most `most` characters. Unsafe characters are shown by their numbers.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(at, _)| at);
    let shown = app_errors::one_line(&text[..end.unwrap_or(text.len())]);
    if end.is_some() { format!("{shown}..") } else { shown.to_string() }
}

/// Escapes text and keeps its line breaks.
pub(crate) fn many_lines(text: &str) -> String {
    app_errors::many_lines(text).to_string()
}

/// Replaces unsafe characters, for formats that cannot express an escape.
pub(crate) fn replaced(text: &str) -> String {
    let mut hostile = Hostile::default();
    let safe = |c: char| if hostile.is(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(safe).collect()
}
