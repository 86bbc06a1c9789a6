//! The labels of other libraries' samples, which are read strictly.

use crate::CONSTANT_LABELS;
use crate::vector::MAX_LABEL_VALUE_BYTES;
use std::sync::Arc;

/// The constant labels that samples of a source carry, as text.
pub(crate) type ConstantText = Arc<str>;

/// What Prometheus puts before a label that it already has.
const EXPORTED: &str = "exported_";

/// The label of a histogram's buckets.
pub(super) const BUCKET: &str = "le";

/// Labels without braces, and the text after them. The values keep their escapes.
pub(super) struct ReadLabels<'a> {
    /// Names and escaped values.
    pub(super) pairs: Vec<(String, &'a str)>,
    pub(super) rest: &'a str,
}

/// Reads `{a="b",c="d"} rest`, or ` rest` without labels. `None` if it is malformed.
pub(super) fn read(text: &str) -> Option<ReadLabels<'_>> {
    let Some(mut rest) = text.strip_prefix('{') else {
        return Some(ReadLabels { pairs: Vec::new(), rest: text });
    };
    let mut pairs: Vec<(String, &str)> = Vec::new();
    loop {
        if let Some(rest) = rest.strip_prefix('}') {
            return Some(ReadLabels { pairs, rest });
        }
        // The library writes a comma too many where a set of labels is empty.
        if let Some(after) = rest.strip_prefix(',') {
            rest = after;
            continue;
        }
        let (name, after) = rest.split_once("=\"")?;
        let end = end_of_value(after)?;
        let (value, after) = (&after[..end], &after[end + 1..]);
        if !after.starts_with([',', '}']) {
            return None;
        }
        let name = label_name(name)?;
        if pairs.iter().any(|(other, _)| *other == name) {
            return None;
        }
        pairs.push((name, value));
        rest = after;
    }
}

/// Where the quote after an escaped value is; `None` without one, or for an escape that no format has.
fn end_of_value(text: &str) -> Option<usize> {
    let mut escaped = false;
    for (at, byte) in text.bytes().enumerate() {
        match (escaped, byte) {
            (true, b'\\' | b'"' | b'n') => escaped = false,
            (true, _) => return None,
            (false, b'\\') => escaped = true,
            (false, b'"') => return Some(at),
            (false, _) => {}
        }
    }
    None
}

/// A label's name in characters that Prometheus takes, or `None` if it can't be meant as one.
fn label_name(name: &str) -> Option<String> {
    if !name.bytes().any(|byte| byte.is_ascii_alphanumeric()) || name.contains(is_syntax) {
        return None;
    }
    let mut name = replaced(name, false);
    if CONSTANT_LABELS.contains(&name.as_str()) || name.starts_with("__") {
        name.insert_str(0, EXPORTED);
    }
    Some(name)
}

/// A family's name in characters that Prometheus takes, or `None` if it can't be meant as one.
pub(super) fn family_name(name: &str) -> Option<String> {
    let meant = name.bytes().any(|byte| byte.is_ascii_alphanumeric()) && !name.contains(is_syntax);
    meant.then(|| replaced(name, true))
}

/// Characters that would end a name in an exposition.
fn is_syntax(character: char) -> bool {
    character.is_whitespace()
        || character.is_control()
        || matches!(character, '"' | '{' | '}' | ',' | '=' | '#' | '\\')
}

fn replaced(name: &str, colons: bool) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || (colons && c == ':');
    let mut text: String = name.chars().map(|c| if plain(c) { c } else { '_' }).collect();
    if text.starts_with(|first: char| first.is_ascii_digit()) {
        text.insert(0, '_');
    }
    text
}

/// The labels as text, after the constant ones; `None` if a value is too long.
pub(super) fn written<'a>(
    constant: &str,
    pairs: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Option<String> {
    let mut text = constant.to_owned();
    for (name, value) in pairs {
        if value.len() > MAX_LABEL_VALUE_BYTES {
            return None;
        }
        text.extend([",", name, "=\"", value, "\""]);
    }
    Some(text)
}
