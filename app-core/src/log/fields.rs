//! The keys and values of one record, as JSON text.
//!
//! slog hands them over newest first; they are collected here and written in the order of the code.
//! No key is written twice (the most specific one wins), none passes for one of ours, no value is longer than
//! [`MAX_VALUE_BYTES`], and a value whose formatting panics costs that value only.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use slog::{Key, Serializer};

use super::errors;
use super::escape::{Bounded, push_finished_json, push_string};
use super::json::{MAX_ERROR_BYTES, MAX_FIELDS_BYTES, MAX_KEY_BYTES, MAX_VALUE_BYTES};

pub(super) const PANICKED: &str = "<panicked>";

/// `,"name":value`, somewhere in [`Fields::text`].
#[derive(Debug)]
struct Field {
    name: &'static str,
    start: usize,
    end: usize,
}

/// Collects fields; reused from record to record, so that it allocates nothing in the long run.
#[derive(Debug, Default)]
pub(super) struct Fields {
    text: Vec<u8>,
    fields: Vec<Field>,
    /// A bit per hash of a name: unset means that no such name was seen.
    seen: u64,
    event: Option<usize>,
    cut: Vec<&'static str>,
    with_stacks: bool,
}

impl Fields {
    /// Starts a new record; `with_stacks` says whether errors are written with theirs.
    pub(super) fn reset(&mut self, with_stacks: bool) {
        self.text.clear();
        self.fields.clear();
        self.cut.clear();
        self.seen = 0;
        self.event = None;
        self.with_stacks = with_stacks;
    }

    /// Takes in all that `values` emits, whatever goes wrong in there.
    pub(super) fn collect(&mut self, record: &slog::Record<'_>, values: &dyn slog::KV) {
        match catch_unwind(AssertUnwindSafe(|| values.serialize(record, self))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.abandon_field("<failed>"),
            Err(_) => self.abandon_field(PANICKED),
        }
    }

    /// Appends the fields in the order of the code, `event` first.
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        let text = |field: &Field| self.text.get(field.start..field.end).unwrap_or_default();
        if let Some(event) = self.event.and_then(|index| self.fields.get(index)) {
            out.extend_from_slice(text(event));
        }
        for (index, field) in self.fields.iter().enumerate().rev() {
            if self.event != Some(index) {
                out.extend_from_slice(text(field));
            }
        }
        if !self.cut.is_empty() {
            out.extend_from_slice(b",\"cut_keys\":\"");
            let mut names = Bounded::new(out, MAX_KEY_BYTES);
            for (index, name) in self.cut.iter().rev().enumerate() {
                names.push(if index == 0 { "" } else { " " });
                names.push(name);
            }
            names.finish();
            out.push(b'"');
        }
    }

    /// What comes after a failure inside a value that never reached us cannot be had; say so.
    fn abandon_field(&mut self, mark: &str) {
        if let Some(field) = self.begin("log_field_lost") {
            self.push_text(mark);
            self.end(field);
        }
    }

    /// Writes the name; `None` if there is such a field already.
    fn begin(&mut self, key: Key) -> Option<Field> {
        let name = own_name(key);
        let bit = 1 << (hash(name) & 63);
        if self.seen & bit != 0 && self.fields.iter().any(|field| field.name == name) {
            return None;
        }
        self.seen |= bit;
        let start = self.text.len();
        self.text.push(b',');
        push_string(&mut self.text, name, MAX_KEY_BYTES);
        self.text.push(b':');
        Some(Field { name, start, end: 0 })
    }

    fn end(&mut self, mut field: Field) {
        field.end = self.text.len();
        if field.end > MAX_FIELDS_BYTES {
            self.text.truncate(field.start);
            self.cut.push(field.name);
            return;
        }
        if field.name == "event" {
            self.event = Some(self.fields.len());
        }
        self.fields.push(field);
    }

    fn push_text(&mut self, text: &str) {
        push_string(&mut self.text, text, MAX_VALUE_BYTES);
    }

    fn number(&mut self, key: Key, number: &str) -> slog::Result {
        if let Some(field) = self.begin(key) {
            self.text.extend_from_slice(number.as_bytes());
            self.end(field);
        }
        Ok(())
    }

    fn integer(&mut self, key: Key, number: impl itoa::Integer) -> slog::Result {
        self.number(key, itoa::Buffer::new().format(number))
    }

    /// As a text when it is more than 64 bits: few readers of JSON take such numbers.
    fn wide(&mut self, key: Key, number: impl itoa::Integer, fits: bool) -> slog::Result {
        let mut buffer = itoa::Buffer::new();
        let number = buffer.format(number);
        if fits { self.number(key, number) } else { self.emit_str(key, number) }
    }

    /// `write` makes the value; should it panic, the value is [`PANICKED`].
    fn guarded(&mut self, key: Key, write: impl FnOnce(&mut Self)) -> slog::Result {
        let Some(field) = self.begin(key) else { return Ok(()) };
        let start = self.text.len();
        if catch_unwind(AssertUnwindSafe(|| write(self))).is_err() {
            self.text.truncate(start);
            self.push_text(PANICKED);
        }
        self.end(field);
        Ok(())
    }

    fn push_error_object(&mut self, error: &(dyn std::error::Error + 'static)) {
        let with_stacks = self.with_stacks;
        let written = self.push_value(&errors::to_json(error, with_stacks), MAX_ERROR_BYTES)
            || (with_stacks && self.push_value(&errors::to_json(error, false), MAX_ERROR_BYTES));
        if !written {
            self.push_message_object(&format_args!("{error}"));
        }
    }

    /// Where `err` is not an error but a text: an object all the same, so that `err` has one type.
    fn push_message_object(&mut self, message: &fmt::Arguments<'_>) {
        self.text.extend_from_slice(b"{\"message\":");
        push_display(&mut self.text, message);
        self.text.push(b'}');
    }

    /// Whether `value` could be written as JSON of at most `limit` bytes; nothing is written if not.
    fn push_value(&mut self, value: &impl serde::Serialize, limit: usize) -> bool {
        let mut capped = Capped { bytes: Vec::new(), limit };
        let start = self.text.len();
        if serde_json::to_writer(&mut capped, value).is_err() {
            return false;
        }
        push_finished_json(&mut self.text, &capped.bytes);
        let fits = self.text.len() - start <= limit;
        if !fits {
            self.text.truncate(start);
        }
        fits
    }
}

/// Appends what `value` prints as a JSON string.
pub(super) fn push_display(out: &mut Vec<u8>, value: &fmt::Arguments<'_>) {
    if let Some(text) = value.as_str() {
        return push_string(out, text, MAX_VALUE_BYTES);
    }
    out.push(b'"');
    let mut bounded = Bounded::new(out, MAX_VALUE_BYTES);
    if fmt::write(&mut bounded, *value).is_err() {
        bounded.push("<failed>");
    }
    bounded.finish();
    out.push(b'"');
}

/// The keys that are the platform's: a record's own key of that name gets an underscore.
fn own_name(key: Key) -> &'static str {
    match key.len() {
        3 if key == "app" => "app_",
        3 if key == "svc" => "svc_",
        4 if key == "time" => "time_",
        5 if key == "level" => "level_",
        6 if key == "domain" => "domain_",
        7 if key == "message" => "message_",
        7 if key == "release" => "release_",
        8 if key == "instance" => "instance_",
        8 if key == "svc_name" => "svc_name_",
        8 if key == "cut_keys" => "cut_keys_",
        _ => key,
    }
}

fn hash(name: &str) -> usize {
    match name.as_bytes() {
        [first, .., last] => name.len() + usize::from(*first) * 7 + usize::from(*last) * 31,
        short => short.len(),
    }
}

/// Refuses to grow beyond its limit, so that no value makes us allocate without bound.
struct Capped {
    bytes: Vec<u8>,
    limit: usize,
}

impl std::io::Write for Capped {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        if self.bytes.len() + bytes.len() > self.limit {
            return Err(std::io::ErrorKind::FileTooLarge.into());
        }
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

macro_rules! integers {
    ($($emit:ident: $type:ty),+) => {
        $(fn $emit(&mut self, key: Key, value: $type) -> slog::Result { self.integer(key, value) })+
    };
}

impl Serializer for Fields {
    integers! {
        emit_usize: usize, emit_isize: isize, emit_u8: u8, emit_i8: i8, emit_u16: u16, emit_i16: i16,
        emit_u32: u32, emit_i32: i32, emit_u64: u64, emit_i64: i64
    }

    fn emit_u128(&mut self, key: Key, value: u128) -> slog::Result {
        self.wide(key, value, u64::try_from(value).is_ok())
    }

    fn emit_i128(&mut self, key: Key, value: i128) -> slog::Result {
        self.wide(key, value, i64::try_from(value).is_ok())
    }

    fn emit_f32(&mut self, key: Key, value: f32) -> slog::Result {
        self.number_or_text(key, value.is_finite(), ryu::Buffer::new().format(value))
    }

    fn emit_f64(&mut self, key: Key, value: f64) -> slog::Result {
        self.number_or_text(key, value.is_finite(), ryu::Buffer::new().format(value))
    }

    fn emit_bool(&mut self, key: Key, value: bool) -> slog::Result {
        self.number(key, if value { "true" } else { "false" })
    }

    fn emit_unit(&mut self, key: Key) -> slog::Result {
        self.number(key, "null")
    }

    fn emit_none(&mut self, key: Key) -> slog::Result {
        self.number(key, "null")
    }

    fn emit_char(&mut self, key: Key, value: char) -> slog::Result {
        self.emit_str(key, value.encode_utf8(&mut [0; 4]))
    }

    fn emit_str(&mut self, key: Key, value: &str) -> slog::Result {
        if key == "err" {
            return self.emit_arguments(key, &format_args!("{value}"));
        }
        if let Some(field) = self.begin(key) {
            self.push_text(value);
            self.end(field);
        }
        Ok(())
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.guarded(key, |fields| {
            if key == "err" {
                fields.push_message_object(value);
            } else {
                push_display(&mut fields.text, value);
            }
        })
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        self.guarded(key, |fields| {
            if !fields.push_value(&value.as_serde(), MAX_VALUE_BYTES) {
                fields.push_text("<too long, or not to be had as JSON>");
            }
        })
    }

    fn emit_error(&mut self, key: Key, error: &(dyn std::error::Error + 'static)) -> slog::Result {
        self.guarded(key, |fields| fields.push_error_object(error))
    }
}

impl Fields {
    /// JSON has no infinities: they are texts.
    fn number_or_text(&mut self, key: Key, is_number: bool, text: &str) -> slog::Result {
        if is_number { self.number(key, text) } else { self.emit_str(key, text) }
    }
}

/// `,"name":"text"`, for what is the same in every record of a logger.
pub(super) fn push_fixed(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    push_string(out, name, MAX_KEY_BYTES);
    out.push(b':');
    push_string(out, text, MAX_KEY_BYTES);
}
