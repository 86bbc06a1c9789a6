//! Texts for one line of a terminal, escaped and of bounded length.

use std::fmt;

use app_errors::Hostile;

use super::escape::{MARK_BYTES, split_cut_mark};

/// A value for people. It is quoted if a reader could not see where it ends.
pub(super) fn value(text: &str) -> String {
    if needs_quotes(text) { quoted(text) } else { text.to_owned() }
}

/// Like [`value`], cut to `limit` bytes, which must leave room for the mark.
pub(super) fn shorter_value(text: &str, limit: usize) -> String {
    quoted(&shorter(text, limit.saturating_sub(2), |c| matches!(c, '"' | '\\')))
}

/// A text for people that no field follows. Only hostile characters are escaped.
pub(super) fn escaped(text: &str) -> String {
    app_errors::one_line(text).to_string()
}

/// Like [`escaped`], cut to `limit` bytes, which must leave room for the mark.
pub(super) fn shorter_escaped(text: &str, limit: usize) -> String {
    escaped(&shorter(text, limit, |_| false))
}

/// A message for people, which fields follow. It is quoted if a part of it looks like a field.
pub(super) fn message(text: &str) -> String {
    if looks_like_fields(text) { quoted(text) } else { escaped(text) }
}

/// Like [`message`], cut to `limit` bytes, which must leave room for the mark.
pub(super) fn shorter_message(text: &str, limit: usize) -> String {
    if looks_like_fields(text) { shorter_value(text, limit) } else { shorter_escaped(text, limit) }
}

fn needs_quotes(text: &str) -> bool {
    let mut hostile = Hostile::default();
    let plain = |c: char| !(c.is_whitespace() || hostile.is(c) || matches!(c, '"' | '\\' | ',' | '='));
    text.is_empty() || !text.chars().all(plain)
}

/// Whether a part of a message looks like a field, `, key: value`, or the message begins with a quote.
fn looks_like_fields(text: &str) -> bool {
    text.starts_with('"') || text.split_once(", ").is_some_and(|(_, rest)| rest.contains(": "))
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    let mut hostile = Hostile::default();
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        if hostile.is(c) { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out.push('"');
    out
}

/// The beginning of a text with the mark. Escaped, it has at most `limit` bytes. `doubled` says which characters get a
/// backslash.
fn shorter(text: &str, limit: usize, doubled: impl Fn(char) -> bool) -> String {
    let (kept, cut_before) = split_cut_mark(text.as_bytes());
    let text = text.get(..kept.len()).unwrap_or(text);
    let (room, mut used, mut end) = (limit.saturating_sub(MARK_BYTES), 0, 0);
    let mut hostile = Hostile::default();
    for (at, c) in text.char_indices() {
        let length = if hostile.is(c) { c.escape_default().len() } else { c.len_utf8() };
        used += length + usize::from(doubled(c));
        if used > room {
            break;
        }
        end = at + c.len_utf8();
    }
    format!("{}… ({} bytes cut)", &text[..end], text.len() - end + cut_before)
}

/// Keeps the first `limit` bytes of a text, and counts the rest.
pub(super) struct CappedText {
    text: String,
    limit: usize,
    cut_bytes: usize,
}

impl CappedText {
    pub(super) fn new(limit: usize) -> Self {
        CappedText { text: String::new(), limit, cut_bytes: 0 }
    }

    /// The text, with the mark if anything was cut.
    pub(super) fn finish(self) -> String {
        match self.cut_bytes {
            0 => self.text,
            bytes => format!("{}… ({bytes} bytes cut)", self.text),
        }
    }
}

impl fmt::Write for CappedText {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.cut_bytes > 0 { 0 } else { self.limit.saturating_sub(self.text.len()) };
        let fits = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let (taken, cut) = text.split_at(fits);
        self.text.push_str(taken);
        self.cut_bytes += cut.len();
        Ok(())
    }
}
