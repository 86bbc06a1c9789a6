//! Shortens JSON values. The result is valid JSON, and has a mark wherever something was cut.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::Value;

use super::escape::{Bounded, MARK_BYTES, push_cut_mark, push_string, split_cut_mark};
use super::part::Part;

/// A value is not cut below this: it has room for some of the text, and the mark.
pub(super) const MIN_VALUE_BYTES: usize = 64;
/// A part of a value gets at least this many bytes, or its own length if that is less.
const MIN_PART_BYTES: usize = 48;
/// Deeper values are not written: they could overflow the stack of this thread, or of the program that reads the log.
pub(super) const MAX_DEPTH: usize = 100;
/// Replaces values that are nested more deeply.
const TOO_DEEP: &str = "\"… (cut: nested too deeply)\"";
/// The key in a shortened object under which the number of removed keys is.
const CUT_KEY: &str = "…";
/// Room for `"…":` with the number of keys, or for `"… (N values cut)"`.
const PARTS_MARK_BYTES: usize = 48;

/// The highest level at which all values fit into `budget`, if each longer one is cut to the level.
pub(super) fn level(lengths: impl Iterator<Item = usize> + Clone, budget: usize) -> usize {
    let takes = |level: usize| lengths.clone().map(|length| length.min(level)).sum::<usize>();
    let (mut low, mut high) = (0, budget);
    while low < high {
        let middle = low + (high - low).div_ceil(2);
        if takes(middle) <= budget {
            low = middle;
        } else {
            high = middle - 1;
        }
    }
    low
}

/// Appends a JSON value, cut to `budget` bytes. `budget` must be at least [`MIN_VALUE_BYTES`].
pub(super) fn push_shorter(out: &mut Vec<u8>, json: &[u8], budget: usize) {
    if json.len() <= budget {
        return out.extend_from_slice(json);
    }
    match json {
        [b'"', text @ .., b'"'] => push_shorter_text(out, text, budget),
        _ => match Part::parse(json) {
            Some(part) => push_part(out, &part, budget, 0),
            // Nested too deeply.
            None => push_text(out, &String::from_utf8_lossy(json), budget),
        },
    }
}

/// `text` is a JSON string without its quotes.
fn push_shorter_text(out: &mut Vec<u8>, text: &[u8], budget: usize) {
    let (text, cut_before) = split_cut_mark(text);
    let room = budget.saturating_sub(2 + MARK_BYTES);
    let (mut at, mut kept, mut cut) = (0, 0, cut_before);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let (length, bytes) = unit(rest);
        at += length;
        if at <= room && cut == cut_before {
            kept = at;
        } else {
            cut += bytes;
        }
    }
    out.push(b'"');
    out.extend_from_slice(&text[..kept]);
    push_cut_mark(out, cut);
    out.push(b'"');
}

/// The length of the first character of a JSON string, and the bytes of the character that it stands for.
fn unit(text: &[u8]) -> (usize, usize) {
    let (length, bytes) = match text {
        [b'\\', b'u', digits @ ..] => {
            let digits = digits.get(..4).and_then(|digits| std::str::from_utf8(digits).ok());
            let code = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok());
            // One of the two surrogates of a character with four bytes.
            (6, code.map_or(2, |code| char::from_u32(code).map_or(2, char::len_utf8)))
        }
        [b'\\', ..] => (2, 1),
        [first, ..] => {
            let length = match first {
                0..=0x7f => 1,
                0x80..=0xdf => 2,
                0xe0..=0xef => 3,
                _ => 4,
            };
            (length, length)
        }
        [] => (0, 0),
    };
    (length.min(text.len()), bytes)
}

/// Appends `value` as JSON, cut to `budget` bytes. `budget` must be at least [`MIN_VALUE_BYTES`].
pub(super) fn push_value(out: &mut Vec<u8>, value: &Value, budget: usize) {
    push_part(out, &Part::of(value, MAX_DEPTH), budget, 0);
}

/// Appends `part` as JSON, cut to `budget` bytes. `budget` must be at least [`MIN_PART_BYTES`], or the part's length if
/// that is less. `depth` is the nesting depth of the part.
fn push_part(out: &mut Vec<u8>, part: &Part<'_>, budget: usize, depth: usize) {
    match part {
        Part::Array(_) | Part::Object(_) if depth >= MAX_DEPTH => {
            out.extend_from_slice(TOO_DEEP.as_bytes());
        }
        Part::TooDeep => out.extend_from_slice(TOO_DEEP.as_bytes()),
        Part::Array(parts) => push_array(out, parts, budget, depth + 1),
        Part::Object(members) => push_object(out, members, budget, depth + 1),
        Part::Text(text) => push_text(out, text, budget),
        Part::Plain(number) if number.len() > budget => push_text(out, number, budget),
        Part::Plain(plain) => out.extend_from_slice(plain.as_bytes()),
    }
}

fn push_text(out: &mut Vec<u8>, text: &str, budget: usize) {
    let start = out.len();
    push_string(out, text, budget.saturating_sub(2));
    if out.len() - start > budget {
        out.truncate(start);
        push_string(out, text, budget.saturating_sub(2 + MARK_BYTES));
    }
}

fn push_array(out: &mut Vec<u8>, values: &[Part<'_>], budget: usize, depth: usize) {
    let lengths: Vec<_> = values.iter().map(|value| length(value, depth)).collect();
    // The first values, each with one byte for its comma, within the brackets.
    let (kept, level) = share(&lengths, |_| 1, budget.saturating_sub(2));
    out.push(b'[');
    for (index, value) in values[..kept].iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        push_part(out, value, level, depth);
    }
    if kept < values.len() {
        out.extend_from_slice(if kept == 0 { b"" } else { b"," });
        out.extend_from_slice(format!("\"… ({} values cut)\"", values.len() - kept).as_bytes());
    }
    out.push(b']');
}

fn push_object(out: &mut Vec<u8>, members: &BTreeMap<Cow<'_, str>, Part<'_>>, budget: usize, depth: usize) {
    let mut order: Vec<_> = members.iter().map(|(key, value)| (key, value, length(value, depth))).collect();
    // The message of an error is most important. After that, short members give the most information for their length.
    order.sort_by_key(|(key, _, length)| (*key != "message", *length));
    let keys: Vec<_> = order.iter().map(|(key, ..)| text_length(key) + 2).collect();
    let lengths: Vec<_> = order.iter().map(|(.., length)| *length).collect();
    let (kept, level) = share(&lengths, |index| keys[index], budget.saturating_sub(2));
    let mut left = order[..kept].to_vec();
    left.sort_by_key(|(key, ..)| *key);
    out.push(b'{');
    for (index, (key, value, _)) in left.into_iter().enumerate() {
        out.extend_from_slice(if index == 0 { b"" } else { b"," });
        push_string(out, key, usize::MAX);
        out.push(b':');
        push_part(out, value, level, depth);
    }
    if kept < order.len() {
        out.extend_from_slice(if kept == 0 { b"" } else { b"," });
        out.extend_from_slice(format!("\"{CUT_KEY}\":\"{} keys cut\"", order.len() - kept).as_bytes());
    }
    out.push(b'}');
}

/// How many of the parts stay, and the level that they are cut to. `cost` is the overhead of a part beside its length.
fn share(lengths: &[usize], cost: impl Fn(usize) -> usize, budget: usize) -> (usize, usize) {
    let min_bytes = |index: usize| cost(index) + lengths[index].min(MIN_PART_BYTES);
    let all: usize = (0..lengths.len()).map(min_bytes).sum();
    let (mut kept, mut costs) = (lengths.len(), (0..lengths.len()).map(&cost).sum::<usize>());
    if all > budget {
        let room = budget.saturating_sub(PARTS_MARK_BYTES);
        let mut taken = 0;
        kept = (0..lengths.len()).take_while(|&index| (taken += min_bytes(index), taken <= room).1).count();
        costs = (0..kept).map(&cost).sum::<usize>() + PARTS_MARK_BYTES;
    }
    (kept, level(lengths[..kept].iter().copied(), budget.saturating_sub(costs)))
}

/// The length of a part as JSON. `depth` is the nesting depth of the part.
fn length(part: &Part<'_>, depth: usize) -> usize {
    let within = |part: &Part<'_>| length(part, depth + 1);
    match part {
        Part::Array(_) | Part::Object(_) if depth >= MAX_DEPTH => TOO_DEEP.len(),
        Part::TooDeep => TOO_DEEP.len(),
        Part::Array(parts) => 2 + parts.len().saturating_sub(1) + parts.iter().map(within).sum::<usize>(),
        Part::Object(members) => {
            let keys = members.keys().map(|key| text_length(key) + 1).sum::<usize>();
            2 + members.len().saturating_sub(1) + keys + members.values().map(within).sum::<usize>()
        }
        Part::Text(text) => text_length(text),
        Part::Plain(plain) => plain.len(),
    }
}

/// The length of a text as JSON, with its quotes.
fn text_length(text: &str) -> usize {
    let mut json = Vec::with_capacity(text.len() + 2);
    let mut whole = Bounded::new(&mut json, usize::MAX / 2);
    whole.push(text);
    json.len() + 2
}
