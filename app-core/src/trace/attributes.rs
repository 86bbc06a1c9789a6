//! The attributes of a span or of one of its events: few, short, and counted beyond that.

use std::borrow::Cow;
use std::fmt;

/// The most attributes.
pub(super) const MOST_ATTRIBUTES: usize = 64;
/// The most bytes of the attributes of a span: keys and values.
pub(super) const MOST_BYTES: usize = 4096;
/// Less room than this is not worth a piece of a text.
const LEAST_PIECE: usize = 32;
/// The end of a text that was cut.
const CUT: &str = "…";

/// The value of an attribute.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum AttributeValue<'a> {
    /// A text. One that was cut ends with `…`.
    Text(&'a str),
    /// A whole number. Those of more than 64 bits are texts.
    Int(i64),
    /// A number.
    Float(f64),
    /// A truth value.
    Bool(bool),
}

/// The attributes of a span or of an event: at most 64, and of a span at most 4 KiB. No key is there twice.
#[derive(Debug, Clone)]
pub struct Attributes {
    entries: Vec<Attribute>,
    /// All texts, one after another.
    text: String,
    /// The bytes of keys and values.
    bytes: usize,
    /// The most bytes.
    most_bytes: usize,
    dropped: u32,
}

#[derive(Debug, Clone)]
struct Attribute {
    key: Cow<'static, str>,
    value: StoredValue,
}

#[derive(Debug, Clone, Copy)]
enum StoredValue {
    Text { start: u32, length: u32 },
    Int(i64),
    Float(f64),
    Bool(bool),
}

impl Attributes {
    pub(super) fn new(most_bytes: usize) -> Self {
        Self { entries: Vec::new(), text: String::new(), bytes: 0, most_bytes, dropped: 0 }
    }

    pub(super) fn with_room(most_bytes: usize, count: usize) -> Self {
        Self { entries: Vec::with_capacity(count.min(MOST_ATTRIBUTES)), ..Self::new(most_bytes) }
    }

    /// Each attribute with its key, in the order in which they were set.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, AttributeValue<'_>)> {
        self.entries.iter().map(|attribute| (&*attribute.key, self.value(attribute.value)))
    }

    /// The value of this key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<AttributeValue<'_>> {
        let attribute = self.entries.iter().find(|attribute| attribute.key == key)?;
        Some(self.value(attribute.value))
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many were left out or cut, because there were too many or they were too long.
    #[must_use]
    pub fn dropped(&self) -> u32 {
        self.dropped
    }

    /// The bytes of all keys and values.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn value(&self, kept: StoredValue) -> AttributeValue<'_> {
        match kept {
            StoredValue::Text { start, length } => {
                let text = self.text.get(start as usize..(start + length) as usize);
                AttributeValue::Text(text.unwrap_or_default())
            }
            StoredValue::Int(number) => AttributeValue::Int(number),
            StoredValue::Float(number) => AttributeValue::Float(number),
            StoredValue::Bool(value) => AttributeValue::Bool(value),
        }
    }

    /// Sets an attribute. A later value of a key replaces the earlier one.
    pub(super) fn set(&mut self, key: impl Into<Cow<'static, str>>, value: AttributeValue<'_>) {
        let key = key.into();
        if let Some(at) = self.entries.iter().position(|attribute| attribute.key == key) {
            let old = self.entries.remove(at);
            self.bytes -= old.bytes();
        }
        self.add(key, value);
    }

    /// Adds an attribute whose key is not there.
    pub(super) fn add(&mut self, key: impl Into<Cow<'static, str>>, value: AttributeValue<'_>) {
        let key = key.into();
        let room = match self.most_bytes.checked_sub(self.bytes + key.len()) {
            Some(room) if self.entries.len() < MOST_ATTRIBUTES => room,
            _ => return self.drop_one(),
        };
        let value = match value {
            AttributeValue::Text(text) if text.len() <= room => self.keep(text, ""),
            AttributeValue::Text(text) if room >= LEAST_PIECE => {
                self.drop_one();
                self.keep(head(text, room - CUT.len()), CUT)
            }
            AttributeValue::Int(number) if room >= 8 => StoredValue::Int(number),
            AttributeValue::Float(number) if room >= 8 => StoredValue::Float(number),
            AttributeValue::Bool(value) if room >= 1 => StoredValue::Bool(value),
            _ => return self.drop_one(),
        };
        let attribute = Attribute { key, value };
        self.bytes += attribute.bytes();
        self.entries.push(attribute);
    }

    /// Counts an attribute that is left out, or cut.
    pub(super) fn drop_one(&mut self) {
        self.dropped = self.dropped.saturating_add(1);
    }

    fn keep(&mut self, text: &str, end: &str) -> StoredValue {
        // Values that were replaced leave their text behind.
        if self.text.len() > 2 * self.most_bytes.max(MOST_BYTES) {
            self.compact();
        }
        let start = self.text.len();
        self.text.push_str(text);
        self.text.push_str(end);
        let number = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
        StoredValue::Text { start: number(start), length: number(self.text.len() - start) }
    }

    #[cold]
    fn compact(&mut self) {
        let old = std::mem::take(&mut self.text);
        for attribute in &mut self.entries {
            if let StoredValue::Text { start, length } = &mut attribute.value {
                let text = old.get(*start as usize..(*start + *length) as usize).unwrap_or_default();
                *start = u32::try_from(self.text.len()).unwrap_or(u32::MAX);
                self.text.push_str(text);
            }
        }
    }

    #[cfg(test)]
    pub(super) fn kept_text(&self) -> usize {
        self.text.capacity()
    }

    /// Sets the attributes of another list. `dropped` of it counts here, too.
    pub(super) fn set_all(&mut self, others: &Attributes) {
        for attribute in &others.entries {
            self.set(attribute.key.clone(), others.value(attribute.value));
        }
        self.dropped = self.dropped.saturating_add(others.dropped);
    }
}

impl Attribute {
    fn bytes(&self) -> usize {
        let value = match self.value {
            StoredValue::Text { length, .. } => length as usize,
            StoredValue::Int(_) | StoredValue::Float(_) => 8,
            StoredValue::Bool(_) => 1,
        };
        self.key.len() + value
    }
}

/// The beginning of a text, of at most `most` bytes.
pub(super) fn head(text: &str, most: usize) -> &str {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.get(..end.unwrap_or_default()).unwrap_or_default()
}

impl<'a> From<&'a str> for AttributeValue<'a> {
    fn from(text: &'a str) -> Self {
        Self::Text(text)
    }
}

impl From<i64> for AttributeValue<'_> {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<f64> for AttributeValue<'_> {
    fn from(number: f64) -> Self {
        Self::Float(number)
    }
}

impl From<bool> for AttributeValue<'_> {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl fmt::Display for AttributeValue<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.pad(text),
            Self::Int(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(value) => value.fmt(f),
        }
    }
}
