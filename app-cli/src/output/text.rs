//! Text of strangers, made harmless for terminals.

use app_errors::Hostile;

/// One line of at most so many characters; what is hostile is shown by its number.
pub(crate) fn one_line(text: &str, most: usize) -> String {
    let end = text.char_indices().nth(most).map(|(at, _)| at);
    let shown = app_errors::one_line(&text[..end.unwrap_or(text.len())]);
    if end.is_some() { format!("{shown}..") } else { shown.to_string() }
}

/// The same of text that has lines of its own: they stay.
pub(crate) fn many_lines(text: &str) -> String {
    app_errors::many_lines(text).to_string()
}

/// The same of text in a format that has no such escapes: what is hostile is replaced.
pub(crate) fn replaced(text: &str) -> String {
    let mut hostile = Hostile::default();
    let harmless = |c: char| if hostile.is(c) && !matches!(c, '\n' | '\t') { '\u{fffd}' } else { c };
    text.chars().map(harmless).collect()
}
