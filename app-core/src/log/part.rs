//! JSON as a tree whose numbers keep their digits.
//!
//! `serde_json::Value` keeps the digits of each number only if a crate of the build turns its feature
//! `arbitrary_precision` on. The lines of the log must be the same in each build.

use std::{borrow::Cow, collections::BTreeMap};

use serde::de::IgnoredAny;
use serde_json::Value;

use super::escape::string_end;

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
        let mut parser = Parser { json: std::str::from_utf8(json).ok()?, at: 0 };
        let part = parser.part(0)?;
        parser.peek().is_none().then_some(part)
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

struct Parser<'a> {
    json: &'a str,
    at: usize,
}

impl<'a> Parser<'a> {
    fn part(&mut self, depth: usize) -> Option<Part<'a>> {
        match self.peek()? {
            b'[' | b'{' if depth + 1 >= MAX_PARSED_DEPTH => None,
            b'[' => {
                let mut parts = Vec::new();
                self.list(b']', |parser| {
                    parts.push(parser.part(depth + 1)?);
                    Some(())
                })?;
                Some(Part::Array(parts))
            }
            b'{' => {
                let mut members = BTreeMap::new();
                self.list(b'}', |parser| {
                    let key = parser.text()?;
                    parser.take(b':').then_some(())?;
                    members.insert(key, parser.part(depth + 1)?);
                    Some(())
                })?;
                Some(Part::Object(members))
            }
            b'"' => self.text().map(Part::Text),
            _ => self.plain(),
        }
    }

    /// Calls `item` for each item between the bracket here and the bracket `end`.
    fn list(&mut self, end: u8, mut item: impl FnMut(&mut Self) -> Option<()>) -> Option<()> {
        self.at += 1;
        if self.take(end) {
            return Some(());
        }
        loop {
            item(self)?;
            if self.take(end) {
                return Some(());
            }
            self.take(b',').then_some(())?;
        }
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        if self.peek() != Some(b'"') {
            return None;
        }
        let (start, end) = (self.at, string_end(self.json.as_bytes(), self.at));
        self.at = end;
        let text: String = serde_json::from_str(self.json.get(start..end)?).ok()?;
        Some(text.into())
    }

    fn plain(&mut self) -> Option<Part<'a>> {
        let rest = self.json.get(self.at..)?;
        let end = rest.find([',', ']', '}', ' ', '\t', '\n', '\r']).unwrap_or(rest.len());
        let (plain, _) = rest.split_at(end);
        serde_json::from_str::<IgnoredAny>(plain).ok()?;
        self.at += end;
        Some(Part::Plain(plain.into()))
    }

    /// Skips white space, and returns the byte after that.
    fn peek(&mut self) -> Option<u8> {
        let rest = self.json.as_bytes().get(self.at..)?;
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
        self.at += blanks;
        rest.get(blanks).copied()
    }

    /// Skips white space and `byte`, if that comes next.
    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }
}
