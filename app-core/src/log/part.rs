//! JSON as a tree whose numbers keep their digits.
//!
//! `serde_json::Value` keeps the digits of each number only if a crate of the build turns its feature
//! `arbitrary_precision` on. The lines of the log must be the same in each build.

use std::{borrow::Cow, collections::BTreeMap};

use serde_json::{Value, value::RawValue};

/// serde_json refuses JSON that is nested this deeply, too.
const MAX_PARSED_DEPTH: usize = 128;

pub(super) enum Part<'a> {
    /// A number, `true`, `false` or `null`, as in the JSON.
    Plain(Cow<'a, str>),
    Text(Cow<'a, str>),
    Array(Vec<Part<'a>>),
    Object(BTreeMap<Cow<'a, str>, Part<'a>>),
    /// An array or object that was nested too deeply.
    TooDeep,
}

impl<'a> Part<'a> {
    /// Parses JSON. `None` if it is not well-formed, or nested too deeply.
    pub(super) fn parse(json: &'a [u8]) -> Option<Self> {
        Self::of_raw(serde_json::from_slice(json).ok()?, 0)
    }

    fn of_raw(raw: &'a RawValue, depth: usize) -> Option<Self> {
        let json = raw.get();
        match json.as_bytes().first()? {
            b'[' | b'{' if depth + 1 >= MAX_PARSED_DEPTH => None,
            b'[' => {
                let parts: Vec<&RawValue> = serde_json::from_str(json).ok()?;
                parts
                    .into_iter()
                    .map(|part| Self::of_raw(part, depth + 1))
                    .collect::<Option<_>>()
                    .map(Part::Array)
            }
            b'{' => {
                let members: BTreeMap<String, &RawValue> = serde_json::from_str(json).ok()?;
                let parts =
                    members.into_iter().map(|(key, part)| Some((key.into(), Self::of_raw(part, depth + 1)?)));
                parts.collect::<Option<_>>().map(Part::Object)
            }
            b'"' => serde_json::from_str(json).ok().map(|text: String| Part::Text(text.into())),
            _ => Some(Part::Plain(json.into())),
        }
    }

    /// The parts of `value`. Those that `max_depth` arrays and objects surround are [`TooDeep`](Self::TooDeep).
    pub(super) fn of(value: &'a Value, max_depth: usize) -> Self {
        match value {
            Value::Array(_) | Value::Object(_) if max_depth == 0 => Part::TooDeep,
            Value::Array(values) => {
                Part::Array(values.iter().map(|value| Part::of(value, max_depth - 1)).collect())
            }
            Value::Object(members) => {
                let members = members.iter();
                let parts = members.map(|(key, value)| (key.into(), Part::of(value, max_depth - 1)));
                Part::Object(parts.collect())
            }
            Value::String(text) => Part::Text(text.into()),
            Value::Null | Value::Bool(_) | Value::Number(_) => Part::Plain(value.to_string().into()),
        }
    }
}
