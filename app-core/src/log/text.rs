//! Texts of bounded length, and texts made safe to stand in one line of a terminal.

use std::fmt;

use app_errors::is_hostile;

use super::escape::{MARK_BYTES, split_cut_mark};

/// A value for people: as it is, or in quotes when its end would not be plain to see.
pub(super) fn value(text: &str) -> String {
    if needs_quotes(text) { quoted(text) } else { text.to_owned() }
}

/// The same in at most `limit` bytes, which leave room for the mark.
pub(super) fn shorter_value(text: &str, limit: usize) -> String {
    quoted(&shorter(text, limit.saturating_sub(2), |c| matches!(c, '"' | '\\')))
}

/// A message for people: characters that a terminal obeys or hides are escaped.
pub(super) fn message(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| push_escaped(&mut out, c));
    out
}

/// The same in at most `limit` bytes, which leave room for the mark.
pub(super) fn shorter_message(text: &str, limit: usize) -> String {
    message(&shorter(text, limit, |_| false))
}

fn needs_quotes(text: &str) -> bool {
    let plain = |c: char| !(c.is_whitespace() || is_hostile(c) || matches!(c, '"' | '\\' | ','));
    text.is_empty() || !text.chars().all(plain)
}

fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        push_escaped(&mut out, c);
    }
    out.push('"');
    out
}

fn push_escaped(out: &mut String, c: char) {
    if is_hostile(c) { out.extend(c.escape_default()) } else { out.push(c) }
}

/// The beginning of a text that is not longer than `limit` when it is escaped, with the mark; `doubled` are the characters
/// that get a backslash.
fn shorter(text: &str, limit: usize, doubled: impl Fn(char) -> bool) -> String {
    let (kept, cut_before) = split_cut_mark(text.as_bytes());
    let text = text.get(..kept.len()).unwrap_or(text);
    let (room, mut used, mut end) = (limit.saturating_sub(MARK_BYTES), 0, 0);
    for (at, c) in text.char_indices() {
        let length = if is_hostile(c) { c.escape_default().len() } else { c.len_utf8() };
        used += length + usize::from(doubled(c));
        if used > room {
            break;
        }
        end = at + c.len_utf8();
    }
    format!("{}… ({} bytes cut)", &text[..end], text.len() - end + cut_before)
}

/// Takes text until it is so long, and counts the rest.
pub(super) struct Cut {
    text: String,
    limit: usize,
    cut_bytes: usize,
}

impl Cut {
    pub(super) fn new(limit: usize) -> Self {
        Cut { text: String::new(), limit, cut_bytes: 0 }
    }

    /// The text, which says how much of it is cut, if anything is.
    pub(super) fn finish(self) -> String {
        match self.cut_bytes {
            0 => self.text,
            bytes => format!("{}… ({bytes} bytes cut)", self.text),
        }
    }
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.cut_bytes > 0 { 0 } else { self.limit.saturating_sub(self.text.len()) };
        let fits = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let (taken, cut) = text.split_at(fits);
        self.text.push_str(taken);
        self.cut_bytes += cut.len();
        Ok(())
    }
}
