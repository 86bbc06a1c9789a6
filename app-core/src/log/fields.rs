//! The keys and values of one record, as JSON text.
//!
//! slog passes the last field first, so the line is written from its end, and has the order of the code.
//!
//! - No key is written twice: the most specific one wins.
//! - No key has the name of a platform key.
//! - No value is longer than the limit of a record.
//! - If formatting a value panics, only that value is lost.
//!
//! The whole line may still be too long: [`super::fit`] shortens it.
//!
//! Numbers, and texts without anything to escape, are written into the line in one pass. Any other value is first written
//! to `buffer`, because its length is only known at its end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use app_ids::LogEventId;
use slog::{Key, Serializer};

use super::errors;
use super::escape::{Bounded, is_plain, push_string};
use super::fit::CutKeys;
use super::json::MAX_KEY_BYTES;
use super::line::{BLOCK, Block, Line, block, block_of, decimal};
use super::names::{Admission, ERROR, FieldName, Names};
use super::serde_value;
use super::shrink::{self, MIN_VALUE_BYTES};

pub(super) const PANICKED: &str = "<panicked>";
/// All fields together may be this many times as long as a record. The longest values are cut later.
const ROOM_FACTOR: usize = 4;

/// Collects the fields of a record. Reused for the next record, so that it rarely allocates.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) line: Line,
    /// The length of the part of the line after the fields.
    behind: usize,
    names: Names,
    /// The field `,"name":value` that is being written.
    buffer: Vec<u8>,
    /// The field `event`, which comes first.
    event: Vec<u8>,
    /// Names that were cut. Two long names may begin alike.
    long_names: Vec<Vec<u8>>,
    pub(super) cut: CutKeys,
    with_stacks: bool,
    /// The most bytes of the record.
    limit: usize,
}

impl Fields {
    /// Starts a new record with its last part, the message. `with_stacks` says whether errors have their stack.
    pub(super) fn begin(&mut self, message: &fmt::Arguments<'_>, with_stacks: bool, limit: usize) {
        self.line.clear();
        self.names.clear();
        self.event.clear();
        self.long_names.clear();
        self.cut.clear();
        (self.with_stacks, self.limit) = (with_stacks, limit);
        self.write_message(message);
        self.behind = self.line.len();
    }

    fn write_message(&mut self, message: &fmt::Arguments<'_>) {
        self.line.push(b"}\n");
        let is_written = message
            .as_str()
            .is_some_and(|text| text.len() <= self.limit && self.line.push_plain_text(text.as_bytes()));
        if !is_written {
            self.buffer.clear();
            self.push_guarded(|fields| push_display(&mut fields.buffer, message, fields.limit));
            self.line.push(&self.buffer);
        }
        self.line.push(b",\"message\":");
    }

    /// Writes the fields of `values`. A panic or an error in one of them ends `values`, and is written as a field.
    pub(super) fn collect(&mut self, record: &slog::Record<'_>, values: &dyn slog::KV) {
        match catch_unwind(AssertUnwindSafe(|| values.serialize(record, self))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.abandon_field("<failed>"),
            Err(_) => self.abandon_field(PANICKED),
        }
    }

    /// Writes `event` with its name, in front of the other fields.
    pub(super) fn finish(&mut self) {
        if self.event.is_empty() {
            return;
        }
        let id = self.event.strip_prefix(b",\"event\":\"").and_then(|rest| rest.strip_suffix(b"\""));
        if let Some(name) = id.and_then(|id| std::str::from_utf8(id).ok()).and_then(event_name) {
            self.line.push(b"\"");
            self.line.push(name.as_bytes());
            self.line.push(b",\"event_name\":\"");
        }
        self.line.push(&self.event);
    }

    /// Writes a field that says that the remaining values are lost.
    fn abandon_field(&mut self, mark: &str) {
        if let Some(name) = self.name("log_field_lost") {
            self.write_buffered(name, |fields| fields.push_text(mark));
        }
    }

    /// Whether there is room for a field of this length.
    fn has_room(&self, length: usize) -> bool {
        self.line.len() - self.behind + self.event.len() + length <= ROOM_FACTOR * self.limit
    }

    /// The name of a key whose value goes through `buffer`. `None` if the value is not written.
    fn name(&mut self, key: Key) -> Option<FieldName> {
        match self.names.admit(key) {
            Admission::Cached(_) => Some(FieldName { text: key, is_event: false }),
            Admission::Named(name) => Some(name),
            Admission::Duplicate => None,
            Admission::TooMany => {
                self.cut.push(key);
                None
            }
        }
    }

    /// Writes a field through `buffer`. `write` appends the value.
    fn write_buffered(&mut self, name: FieldName, write: impl FnOnce(&mut Self)) {
        self.buffer.clear();
        self.buffer.push(b',');
        self.push_name(name.text);
        self.buffer.push(b':');
        let key = self.buffer.len();
        write(self);
        if self.buffer.len() - key > self.limit {
            self.shorten(key, self.limit);
        }
        if !self.has_room(self.buffer.len()) {
            self.shorten(key, MIN_VALUE_BYTES);
        }
        // `event` always stays, and may exceed the room, which is four times as large as the record anyway.
        if name.is_event {
            std::mem::swap(&mut self.event, &mut self.buffer);
        } else if self.has_room(self.buffer.len()) {
            self.line.push(&self.buffer);
        } else {
            self.cut.push(name.text);
        }
    }

    /// Appends a name. Cut names that are alike get a number.
    fn push_name(&mut self, name: &str) {
        let start = self.buffer.len();
        push_string(&mut self.buffer, name, MAX_KEY_BYTES);
        if self.buffer.len() - start > MAX_KEY_BYTES {
            self.buffer.truncate(self.buffer.len() - 1);
            let written = self.buffer.get(start..).unwrap_or_default().to_vec();
            let alike = self.long_names.iter().filter(|known| **known == written).count();
            if alike > 0 {
                self.buffer.extend_from_slice(format!(" {}", alike + 1).as_bytes());
            }
            self.buffer.push(b'"');
            self.long_names.push(written);
        }
    }

    /// Cuts the value in `buffer`, which begins at `start`, to `length`.
    #[cold]
    fn shorten(&mut self, start: usize, length: usize) {
        let value = self.buffer.split_off(start);
        shrink::push_shorter(&mut self.buffer, &value, length);
    }

    /// Calls `write`, which appends a value to `buffer`. If `write` panics, the value becomes [`PANICKED`].
    fn push_guarded(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.buffer.len();
        if catch_unwind(AssertUnwindSafe(|| write(self))).is_err() {
            self.buffer.truncate(start);
            self.push_text(PANICKED);
        }
    }

    fn guarded(&mut self, key: Key, write: impl FnOnce(&mut Self)) -> slog::Result {
        if let Some(name) = self.name(key) {
            self.write_buffered(name, |fields| fields.push_guarded(write));
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) {
        push_string(&mut self.buffer, text, self.limit);
    }

    #[inline]
    fn text(&mut self, key: Key, text: &str) {
        let name = match self.names.admit(key) {
            Admission::Cached(cached) => {
                let before = self.line.len() - self.behind + self.event.len();
                if text.len() <= self.limit
                    && before + cached.length + text.len() + 2 <= ROOM_FACTOR * self.limit
                    && self.line.push_plain_text(text.as_bytes())
                {
                    return self.line.push_block(&cached.piece, cached.length);
                }
                FieldName { text: key, is_event: false }
            }
            Admission::Named(name) => name,
            Admission::Duplicate => return,
            Admission::TooMany => return self.cut.push(key),
        };
        self.write_text_buffered(name, text);
    }

    #[cold]
    fn write_text_buffered(&mut self, name: FieldName, text: &str) {
        self.write_buffered(name, |fields| {
            if name.text == ERROR {
                fields.push_message_object(&format_args!("{text}"));
            } else {
                fields.push_text(text);
            }
        });
    }

    #[inline]
    fn number(&mut self, key: Key, (number, number_length): (Block, usize)) -> slog::Result {
        let name = match self.names.admit(key) {
            Admission::Cached(cached) => {
                let before = self.line.len() - self.behind + self.event.len();
                if before + cached.length + number_length <= ROOM_FACTOR * self.limit {
                    self.line.push_block(&number, number_length);
                    self.line.push_block(&cached.piece, cached.length);
                    return Ok(());
                }
                FieldName { text: key, is_event: false }
            }
            Admission::Named(name) => name,
            Admission::Duplicate => return Ok(()),
            Admission::TooMany => {
                self.cut.push(key);
                return Ok(());
            }
        };
        self.write_buffered(name, |fields| fields.buffer.extend(number.iter().skip(BLOCK - number_length)));
        Ok(())
    }

    /// A number of 128 bits. It is a text if it needs more than 64 bits, because few readers of JSON take such numbers.
    fn number_128(&mut self, key: Key, number: impl itoa::Integer, fits: bool) -> slog::Result {
        let mut buffer = itoa::Buffer::new();
        let number = buffer.format(number);
        if fits { self.number(key, block_of(number)) } else { self.emit_str(key, number) }
    }

    fn push_error_object(&mut self, error: &(dyn std::error::Error + 'static)) {
        let value = errors::to_json(error, self.with_stacks);
        if !serde_value::push(&mut self.buffer, &value, ROOM_FACTOR * self.limit) {
            shrink::push_value(&mut self.buffer, &value, self.limit);
        }
    }

    /// Appends an object with a text as its message, so that `err` is an object even if its value is a text.
    fn push_message_object(&mut self, message: &fmt::Arguments<'_>) {
        self.buffer.extend_from_slice(b"{\"message\":");
        push_display(&mut self.buffer, message, self.limit);
        self.buffer.push(b'}');
    }
}

/// The name of an event, by its id in hexadecimal.
pub(super) fn event_name(hex: &str) -> Option<&'static str> {
    let id = LogEventId::new(u64::from_str_radix(hex, 16).ok()?);
    // A name from another crate might have a quote in it.
    id.name().filter(|name| is_plain(name.as_bytes()))
}

/// Appends the text of `value` as a JSON string, cut at `limit` bytes.
pub(super) fn push_display(out: &mut Vec<u8>, value: &fmt::Arguments<'_>, limit: usize) {
    if let Some(text) = value.as_str() {
        return push_string(out, text, limit);
    }
    out.push(b'"');
    let mut bounded = Bounded::new(out, limit);
    if fmt::write(&mut bounded, *value).is_err() {
        bounded.push("<failed>");
    }
    bounded.finish();
    out.push(b'"');
}

macro_rules! integers {
    ($($emit:ident: $type:ty),+) => {
        $(fn $emit(&mut self, key: Key, value: $type) -> slog::Result { self.number(key, decimal(value as u64, false)) })+
    };
}

macro_rules! signed_integers {
    ($($emit:ident: $type:ty),+) => {
        $(fn $emit(&mut self, key: Key, value: $type) -> slog::Result {
            self.number(key, decimal((value as i64).unsigned_abs(), value < 0))
        })+
    };
}

impl Serializer for Fields {
    integers! { emit_usize: usize, emit_u8: u8, emit_u16: u16, emit_u32: u32, emit_u64: u64 }
    signed_integers! { emit_isize: isize, emit_i8: i8, emit_i16: i16, emit_i32: i32, emit_i64: i64 }

    fn emit_u128(&mut self, key: Key, value: u128) -> slog::Result {
        self.number_128(key, value, u64::try_from(value).is_ok())
    }

    fn emit_i128(&mut self, key: Key, value: i128) -> slog::Result {
        self.number_128(key, value, i64::try_from(value).is_ok())
    }

    fn emit_f32(&mut self, key: Key, value: f32) -> slog::Result {
        self.number_or_text(key, value.is_finite(), zmij::Buffer::new().format(value))
    }

    fn emit_f64(&mut self, key: Key, value: f64) -> slog::Result {
        self.number_or_text(key, value.is_finite(), zmij::Buffer::new().format(value))
    }

    fn emit_bool(&mut self, key: Key, value: bool) -> slog::Result {
        const TRUE: (Block, usize) = block(b"true");
        const FALSE: (Block, usize) = block(b"false");
        self.number(key, if value { TRUE } else { FALSE })
    }

    fn emit_unit(&mut self, key: Key) -> slog::Result {
        self.number(key, block(b"null"))
    }

    fn emit_none(&mut self, key: Key) -> slog::Result {
        self.number(key, block(b"null"))
    }

    fn emit_char(&mut self, key: Key, value: char) -> slog::Result {
        self.emit_str(key, value.encode_utf8(&mut [0; 4]))
    }

    fn emit_str(&mut self, key: Key, value: &str) -> slog::Result {
        self.text(key, value);
        Ok(())
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        if key == ERROR {
            return self.guarded(key, |fields| fields.push_message_object(value));
        }
        match value.as_str() {
            Some(text) => {
                self.text(key, text);
                Ok(())
            }
            None => self.guarded(key, |fields| push_display(&mut fields.buffer, value, fields.limit)),
        }
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        self.guarded(key, |fields| {
            serde_value::push_or_text(&mut fields.buffer, &value.as_serde(), ROOM_FACTOR * fields.limit);
        })
    }

    fn emit_error(&mut self, key: Key, error: &(dyn std::error::Error + 'static)) -> slog::Result {
        self.guarded(key, |fields| fields.push_error_object(error))
    }
}

impl Fields {
    /// JSON has no infinities and no NaN: they become texts.
    fn number_or_text(&mut self, key: Key, is_number: bool, text: &str) -> slog::Result {
        if is_number { self.number(key, block_of(text)) } else { self.emit_str(key, text) }
    }
}

/// Appends `,"name":"text"`, for a field that is the same in all records of a logger.
pub(super) fn push_fixed(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    push_string(out, name, MAX_KEY_BYTES);
    out.push(b':');
    push_string(out, text, MAX_KEY_BYTES);
}
