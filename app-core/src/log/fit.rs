//! Shortens a line of JSON to the limit of a record.
//!
//! The longest values are cut first, all to the same length. If that is not enough, whole fields are removed, and
//! `cut_keys` names them. The platform's keys stay.

use std::ops::Range;

use super::escape::{push_string, string_end};
use super::shrink::{MIN_VALUE_BYTES, level, push_shorter};

/// The keys that stay. A record's own key cannot have such a name.
const KEPT: [&[u8]; 13] = [
    b"time",
    b"level",
    b"domain",
    b"app",
    b"release",
    b"instance",
    b"svc",
    b"svc_name",
    b"trace_id",
    b"span_id",
    b"event",
    b"event_name",
    b"message",
];
/// The key of the list of removed keys.
const CUT_KEYS: &[u8] = b",\"cut_keys\":";
/// The list of removed keys takes an eighth of the record, but not more than this.
const MAX_CUT_KEYS_BYTES: usize = 256;
/// Room for ` and 1000000 more`, and for the quotes around the list.
const AND_MORE_BYTES: usize = 32;
/// The most keys that are remembered by name.
const MAX_CUT_NAMES: usize = 64;

/// The fields that were removed.
#[derive(Debug, Default)]
pub(super) struct CutKeys {
    names: Vec<String>,
    count: usize,
}

impl CutKeys {
    pub(super) fn clear(&mut self) {
        self.names.clear();
        self.count = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.count == 0
    }

    pub(super) fn push(&mut self, name: &str) {
        self.count += 1;
        if self.names.len() < MAX_CUT_NAMES {
            let mut json = Vec::new();
            push_string(&mut json, name, MAX_CUT_KEYS_BYTES);
            let text = json.get(1..json.len().saturating_sub(1)).unwrap_or_default();
            self.names.push(String::from_utf8_lossy(text).into_owned());
        }
    }

    /// The most bytes of [`text`](Self::text) with its quotes, in a record of this limit.
    pub(super) fn room(limit: usize) -> usize {
        MAX_CUT_KEYS_BYTES.min(limit / 8) + AND_MORE_BYTES
    }

    /// The names, such as `name name and 3 more`, escaped for a JSON string.
    pub(super) fn text(&self, limit: usize) -> String {
        let (mut text, mut named) = (String::new(), 0);
        for name in &self.names {
            if text.len() + name.len() + 1 > MAX_CUT_KEYS_BYTES.min(limit / 8) {
                break;
            }
            text.push_str(if named == 0 { "" } else { " " });
            text.push_str(name);
            named += 1;
        }
        match (named, self.count - named) {
            (_, 0) => {}
            (0, more) => text.push_str(&format!("{more} keys")),
            (_, more) => text.push_str(&format!(" and {more} more")),
        }
        text
    }
}

#[derive(Debug, Clone)]
struct Field {
    /// The comma or brace before the key, the key and the colon.
    key: Range<usize>,
    value: Range<usize>,
    stays: bool,
}

impl Field {
    /// The length of the field after its value is cut as far as possible.
    fn min_bytes(&self) -> usize {
        self.key.len() + self.value.len().min(MIN_VALUE_BYTES)
    }
}

/// The same record in at most `limit` bytes.
pub(super) fn fit(line: &[u8], limit: usize, cut: &mut CutKeys) -> Vec<u8> {
    let mut fields = fields(line);
    let frame = b"}\n".len();
    let all: usize = fields.iter().map(Field::min_bytes).sum();
    let mut budget = limit - frame;
    if all > budget || !cut.is_empty() {
        budget = budget.saturating_sub(CUT_KEYS.len() + CutKeys::room(limit));
        let mut taken = all;
        fields.retain(|field| {
            let removed = taken > budget && !field.stays;
            if removed {
                taken -= field.min_bytes();
                cut.push(&String::from_utf8_lossy(name(&line[field.key.clone()])));
            }
            !removed
        });
    }
    let keys: usize = fields.iter().map(|field| field.key.len()).sum();
    let level = level(fields.iter().map(|field| field.value.len()), budget.saturating_sub(keys));
    let mut out = Vec::with_capacity(limit);
    for field in &fields {
        let key = &line[field.key.clone()];
        if name(key) == b"message" && !cut.is_empty() {
            out.extend_from_slice(CUT_KEYS);
            out.extend_from_slice(format!("\"{}\"", cut.text(limit)).as_bytes());
        }
        out.extend_from_slice(key);
        push_shorter(&mut out, &line[field.value.clone()], level);
    }
    out.extend_from_slice(b"}\n");
    out
}

/// The name in `,"name":`, still escaped.
fn name(key: &[u8]) -> &[u8] {
    key.get(2..key.len().saturating_sub(2)).unwrap_or_default()
}

/// The members of an object that this crate wrote: well-formed, and without white space.
fn fields(line: &[u8]) -> Vec<Field> {
    let (mut fields, mut at) = (Vec::new(), 0);
    while matches!(line.get(at), Some(b'{' | b',')) {
        let colon = string_end(line, at + 1);
        let key = at..(colon + 1).min(line.len());
        let value = key.end..value_end(line, key.end);
        at = value.end;
        let stays = KEPT.contains(&name(&line[key.clone()]));
        fields.push(Field { key, value, stays });
    }
    fields
}

/// The end of the value that begins at `at`.
fn value_end(line: &[u8], mut at: usize) -> usize {
    let mut depth = 0_usize;
    while let Some(byte) = line.get(at) {
        match byte {
            b'"' => {
                at = string_end(line, at);
                continue;
            }
            b',' | b'}' | b']' if depth == 0 => break,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
    }
    at
}
