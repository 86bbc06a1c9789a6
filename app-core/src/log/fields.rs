//! The keys and values of one record, as JSON text.
//!
//! slog hands them over newest first, so the line is written from its end, and reads in the order of the code.
//! No key is written twice (the most specific one wins), none passes for one of ours, no value is longer than a record may
//! be, and a value whose formatting panics costs that value only. The line as a whole may still be too long: [`super::fit`]
//! makes it fit.
//!
//! Numbers, and texts without anything to escape, are written where they stay, in one pass. All else is made aside first:
//! how long it gets is known at its end.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use app_ids::LogEventId;
use slog::{Key, Serializer};

use super::errors;
use super::escape::{Bounded, is_plain, push_string};
use super::fit::CutKeys;
use super::json::MAX_KEY_BYTES;
use super::line::{BLOCK, Block, Line, block, block_of, decimal};
use super::names::{Admitted, ERROR, Name, Names};
use super::serde_value;
use super::shrink::{self, MIN_VALUE_BYTES};

pub(super) const PANICKED: &str = "<panicked>";
/// All fields may take so many times what a record may: what is too much of it is cut later, the longest values first.
const ROOM: usize = 4;

/// Collects fields; reused from record to record, so that it allocates nothing in the long run.
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) line: Line,
    /// How much of the line comes after the fields.
    behind: usize,
    names: Names,
    /// `,"name":value` in the making.
    aside: Vec<u8>,
    /// That of `event`, which comes first.
    event: Vec<u8>,
    /// Names that were cut, to tell apart those that begin alike.
    long_names: Vec<Vec<u8>>,
    pub(super) cut: CutKeys,
    with_stacks: bool,
    /// How long the record may be.
    limit: usize,
}

impl Fields {
    /// Starts a new record with what comes last; `with_stacks` says whether errors are written with theirs.
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
            self.aside.clear();
            self.aside_guarded(|fields| push_display(&mut fields.aside, message, fields.limit));
            self.line.push(&self.aside);
        }
        self.line.push(b",\"message\":");
    }

    /// Takes in all that `values` emits, whatever goes wrong in there.
    pub(super) fn collect(&mut self, record: &slog::Record<'_>, values: &dyn slog::KV) {
        match catch_unwind(AssertUnwindSafe(|| values.serialize(record, self))) {
            Ok(Ok(())) => {}
            Ok(Err(_)) => self.abandon_field("<failed>"),
            Err(_) => self.abandon_field(PANICKED),
        }
    }

    /// Brings `event` to the front, with its name.
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

    /// What comes after a failure inside a value that never reached us cannot be had; say so.
    fn abandon_field(&mut self, mark: &str) {
        if let Some(name) = self.name("log_field_lost") {
            self.aside(name, |fields| fields.push_text(mark));
        }
    }

    /// Whether there is room for a field of this length.
    fn has_room(&self, length: usize) -> bool {
        self.line.len() - self.behind + self.event.len() + length <= ROOM * self.limit
    }

    /// The name of a key whose value is made aside.
    fn name(&mut self, key: Key) -> Option<Name> {
        match self.names.admit(key) {
            Admitted::Usual(_) => Some(Name { text: key, is_event: false }),
            Admitted::Other(name) => Some(name),
            Admitted::Not => None,
            Admitted::TooMany => {
                self.cut.push(key);
                None
            }
        }
    }

    /// Writes a field of which nothing is known yet.
    fn aside(&mut self, name: Name, write: impl FnOnce(&mut Self)) {
        self.aside.clear();
        self.aside.push(b',');
        self.push_name(name.text);
        self.aside.push(b':');
        let key = self.aside.len();
        write(self);
        if self.aside.len() - key > self.limit {
            self.shorten(key, self.limit);
        }
        if !self.has_room(self.aside.len()) {
            self.shorten(key, MIN_VALUE_BYTES);
        }
        // `event` stays, whatever else there is; the room is four times too large.
        if name.is_event {
            std::mem::swap(&mut self.event, &mut self.aside);
        } else if self.has_room(self.aside.len()) {
            self.line.push(&self.aside);
        } else {
            self.cut.push(name.text);
        }
    }

    /// Two long names that begin alike are two names.
    fn push_name(&mut self, name: &str) {
        let start = self.aside.len();
        push_string(&mut self.aside, name, MAX_KEY_BYTES);
        if self.aside.len() - start > MAX_KEY_BYTES {
            self.aside.truncate(self.aside.len() - 1);
            let written = self.aside.get(start..).unwrap_or_default().to_vec();
            let alike = self.long_names.iter().filter(|known| **known == written).count();
            if alike > 0 {
                self.aside.extend_from_slice(format!(" {}", alike + 1).as_bytes());
            }
            self.aside.push(b'"');
            self.long_names.push(written);
        }
    }

    /// Cuts the value in the making, which begins at `start`.
    #[cold]
    fn shorten(&mut self, start: usize, length: usize) {
        let value = self.aside.split_off(start);
        shrink::push_shorter(&mut self.aside, &value, length);
    }

    /// Should `write` panic, the value is [`PANICKED`].
    fn aside_guarded(&mut self, write: impl FnOnce(&mut Self)) {
        let start = self.aside.len();
        if catch_unwind(AssertUnwindSafe(|| write(self))).is_err() {
            self.aside.truncate(start);
            self.push_text(PANICKED);
        }
    }

    fn guarded(&mut self, key: Key, write: impl FnOnce(&mut Self)) -> slog::Result {
        if let Some(name) = self.name(key) {
            self.aside(name, |fields| fields.aside_guarded(write));
        }
        Ok(())
    }

    fn push_text(&mut self, text: &str) {
        push_string(&mut self.aside, text, self.limit);
    }

    #[inline]
    fn text(&mut self, key: Key, text: &str) {
        let name = match self.names.admit(key) {
            Admitted::Usual(known) => {
                let before = self.line.len() - self.behind + self.event.len();
                if text.len() <= self.limit
                    && before + known.length + text.len() + 2 <= ROOM * self.limit
                    && self.line.push_plain_text(text.as_bytes())
                {
                    return self.line.push_block(&known.piece, known.length);
                }
                Name { text: key, is_event: false }
            }
            Admitted::Other(name) => name,
            Admitted::Not => return,
            Admitted::TooMany => return self.cut.push(key),
        };
        self.aside_text(name, text);
    }

    #[cold]
    fn aside_text(&mut self, name: Name, text: &str) {
        self.aside(name, |fields| {
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
            Admitted::Usual(known) => {
                let before = self.line.len() - self.behind + self.event.len();
                if before + known.length + number_length <= ROOM * self.limit {
                    self.line.push_block(&number, number_length);
                    self.line.push_block(&known.piece, known.length);
                    return Ok(());
                }
                Name { text: key, is_event: false }
            }
            Admitted::Other(name) => name,
            Admitted::Not => return Ok(()),
            Admitted::TooMany => {
                self.cut.push(key);
                return Ok(());
            }
        };
        self.aside(name, |fields| fields.aside.extend(number.iter().skip(BLOCK - number_length)));
        Ok(())
    }

    /// As a text when it is more than 64 bits: few readers of JSON take such numbers.
    fn wide(&mut self, key: Key, number: impl itoa::Integer, fits: bool) -> slog::Result {
        let mut buffer = itoa::Buffer::new();
        let number = buffer.format(number);
        if fits { self.number(key, block_of(number)) } else { self.emit_str(key, number) }
    }

    fn push_error_object(&mut self, error: &(dyn std::error::Error + 'static)) {
        let value = errors::to_json(error, self.with_stacks);
        if !serde_value::push(&mut self.aside, &value, ROOM * self.limit) {
            shrink::push_value(&mut self.aside, &value, self.limit, 0);
        }
    }

    /// Where `err` is not an error but a text: an object all the same, so that `err` has one type.
    fn push_message_object(&mut self, message: &fmt::Arguments<'_>) {
        self.aside.extend_from_slice(b"{\"message\":");
        push_display(&mut self.aside, message, self.limit);
        self.aside.push(b'}');
    }
}

/// The name of an event by its id in hex, as every record has it.
pub(super) fn event_name(hex: &str) -> Option<&'static str> {
    let id = LogEventId::new(u64::from_str_radix(hex, 16).ok()?);
    // Ids of other crates may have names with a quote.
    id.name().filter(|name| is_plain(name.as_bytes()))
}

/// Appends what `value` prints as a JSON string, cut after `limit` bytes.
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
        self.wide(key, value, u64::try_from(value).is_ok())
    }

    fn emit_i128(&mut self, key: Key, value: i128) -> slog::Result {
        self.wide(key, value, i64::try_from(value).is_ok())
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
            None => self.guarded(key, |fields| push_display(&mut fields.aside, value, fields.limit)),
        }
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        self.guarded(key, |fields| {
            serde_value::push_or_text(&mut fields.aside, &value.as_serde(), ROOM * fields.limit);
        })
    }

    fn emit_error(&mut self, key: Key, error: &(dyn std::error::Error + 'static)) -> slog::Result {
        self.guarded(key, |fields| fields.push_error_object(error))
    }
}

impl Fields {
    /// JSON has no infinities: they are texts.
    fn number_or_text(&mut self, key: Key, is_number: bool, text: &str) -> slog::Result {
        if is_number { self.number(key, block_of(text)) } else { self.emit_str(key, text) }
    }
}

/// `,"name":"text"`, for what is the same in every record of a logger.
pub(super) fn push_fixed(out: &mut Vec<u8>, name: &str, text: &str) {
    out.push(b',');
    push_string(out, name, MAX_KEY_BYTES);
    out.push(b':');
    push_string(out, text, MAX_KEY_BYTES);
}
