//! A record as a line of text for people: time, level, service, message, and `, key: value` for each field.
//!
//! No text in it can end the line, move the cursor or look like another field: such values and messages are quoted. See
//! [`super::text`].

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::SystemTime;

use slog::{Key, Level, OwnedKVList, Record, Serializer};

use super::LogLevel;
use super::errors;
use super::fields::{PANICKED, event_name};
use super::fit::CutKeys;
use super::serde_value;
use super::shrink::{MIN_VALUE_BYTES, level};
use super::text::{self, CappedText};
use crate::trace;

/// The most bytes of the name of a service.
const MAX_NAME_BYTES: usize = 200;
/// The most bytes of a key.
const MAX_KEY_BYTES: usize = 256;
/// The most fields of a record.
const MAX_FIELDS: usize = 1024;
/// All fields together may be this many times as long as a record. The longest values are cut later.
const ROOM_FACTOR: usize = 4;
/// The key that is written after all others.
const EVENT: &str = "event";
/// The key after `event`, if the event has a name.
const EVENT_NAME: &str = "event_name";
/// The keys at the end, of a record inside a span.
const TRACE_ID: &str = "trace_id";
const SPAN_ID: &str = "span_id";

/// The name of a service as its lines show it: escaped and shortened.
pub(super) fn shown_name(name: &str) -> String {
    let shown = text::escaped(name);
    if shown.len() <= MAX_NAME_BYTES { shown } else { text::shorter_escaped(name, MAX_NAME_BYTES) }
}

/// The service and the style of a logger's lines.
#[derive(Debug, Clone, Copy)]
pub(super) struct LineStyle<'a> {
    /// The name of the service, from [`shown_name`].
    pub(super) name: Option<&'a str>,
    pub(super) colours: bool,
}

/// Appends the line of a record, of at most `limit` bytes.
pub(super) fn write(
    out: &mut Vec<u8>,
    style: LineStyle<'_>,
    limit: usize,
    record: &Record<'_>,
    values: &OwnedKVList,
) {
    let mut printed = Printed::new(record.msg(), limit);
    printed.collect(record, &record.kv());
    printed.collect(record, values);
    printed.finish();
    let start = out.len();
    let shown = printed.shown();
    style.push(out, record.level(), &shown);
    let length = out.len() - start;
    if length > limit || !printed.cut.is_empty() {
        out.truncate(start);
        style.push(out, record.level(), &printed.fitting(&shown, length, style));
    }
}

/// The texts of a record, escaped and quoted.
struct Shown {
    message: String,
    fields: Vec<(String, String)>,
}

impl LineStyle<'_> {
    fn push(self, out: &mut Vec<u8>, level: Level, shown: &Shown) {
        let time = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
        self.styled(out, "2", &time);
        out.push(b' ');
        self.styled(out, style(level), &format!("{:<5}", LogLevel::from_slog(level)));
        out.push(b' ');
        if let Some(name) = self.name {
            self.styled(out, "35", name);
            out.extend_from_slice(b": ");
        }
        self.styled(out, "1", &shown.message);
        for (key, value) in &shown.fields {
            out.extend_from_slice(b", ");
            self.styled(out, "36", key);
            out.extend_from_slice(b": ");
            out.extend_from_slice(value.as_bytes());
        }
        out.push(b'\n');
    }

    /// `style` is the number of an SGR code.
    fn styled(self, out: &mut Vec<u8>, style: &str, text: &str) {
        let (start, end) =
            if self.colours { (format!("\x1b[{style}m"), "\x1b[0m") } else { Default::default() };
        out.extend_from_slice(start.as_bytes());
        out.extend_from_slice(text.as_bytes());
        out.extend_from_slice(end.as_bytes());
    }

    /// The bytes of a field beside its key and value.
    fn around_field(self) -> usize {
        let mut field = Vec::new();
        self.styled(&mut field, "36", "");
        field.len() + ", : ".len()
    }
}

fn style(level: Level) -> &'static str {
    match level {
        Level::Critical | Level::Error => "31",
        Level::Warning => "33",
        Level::Info => "32",
        Level::Debug | Level::Trace => "36",
    }
}

/// The texts of a record, not yet escaped or quoted.
struct Printed {
    limit: usize,
    message: String,
    /// The last field of the record first, as in slog, until [`finish`](Self::finish) reverses them.
    fields: Vec<(Key, String)>,
    bytes: usize,
    cut: CutKeys,
}

impl Printed {
    fn new(message: &fmt::Arguments<'_>, limit: usize) -> Self {
        let message = print(message, limit);
        Printed { limit, message, fields: Vec::new(), bytes: 0, cut: CutKeys::default() }
    }

    fn collect(&mut self, record: &Record<'_>, values: &dyn slog::KV) {
        let outcome = catch_unwind(AssertUnwindSafe(|| values.serialize(record, self)));
        if !matches!(outcome, Ok(Ok(()))) {
            self.push("log_field_lost", PANICKED.to_owned());
        }
    }

    fn push(&mut self, key: Key, text: String) {
        let key = match key {
            EVENT_NAME => "event_name_",
            TRACE_ID => "trace_id_",
            SPAN_ID => "span_id_",
            key => key,
        };
        if self.fields.iter().any(|(name, _)| *name == key) {
            return;
        }
        let room = (ROOM_FACTOR * self.limit).saturating_sub(self.bytes);
        let text = if text.len() <= room { text } else { cut_text(&text, MIN_VALUE_BYTES) };
        if key != EVENT && (self.fields.len() >= MAX_FIELDS || self.bytes > 2 * ROOM_FACTOR * self.limit) {
            return self.cut.push(key);
        }
        self.bytes += key.len() + text.len();
        self.fields.push((key, text));
    }

    /// Brings the fields into the order of the code, with the event and the span last: people look for other fields first.
    fn finish(&mut self) {
        self.fields.reverse();
        if let Some(at) = self.fields.iter().position(|(key, _)| *key == EVENT) {
            let (key, id) = self.fields.remove(at);
            let name = event_name(&id);
            self.fields.push((key, id));
            self.fields.extend(name.map(|name| (EVENT_NAME, name.to_owned())));
        }
        if let Some((trace_id, span_id)) = trace::in_use().then(trace::current_ids).flatten() {
            self.fields.push((TRACE_ID, trace_id.to_string()));
            self.fields.push((SPAN_ID, span_id.to_string()));
        }
    }

    fn shown(&self) -> Shown {
        let key = |key: &str| {
            let shown = text::value(key);
            if shown.len() <= MAX_KEY_BYTES { shown } else { text::shorter_value(key, MAX_KEY_BYTES) }
        };
        let fields = self.fields.iter().map(|(name, value)| (key(name), text::value(value)));
        Shown { message: text::message(&self.message), fields: fields.collect() }
    }

    /// Shortens `shown`, whose line would have `length` bytes, to the limit. The longest texts are cut first. If that is not
    /// enough, whole fields are removed.
    fn fitting(&mut self, shown: &Shown, length: usize, style: LineStyle<'_>) -> Shown {
        let min_bytes = |text: &String| text.len().min(MIN_VALUE_BYTES);
        let texts = || shown.fields.iter().map(|(_, value)| value).chain([&shown.message]);
        let mut frame = length - texts().map(String::len).sum::<usize>();
        let mut taken = frame + texts().map(min_bytes).sum::<usize>();
        let mut budget = self.limit;
        let mut stays = vec![true; shown.fields.len()];
        if taken > budget || !self.cut.is_empty() {
            budget =
                budget.saturating_sub("cut_keys".len() + style.around_field() + CutKeys::room(self.limit));
            for ((key, value), stays) in shown.fields.iter().zip(&mut stays) {
                if taken > budget && ![EVENT, EVENT_NAME, TRACE_ID, SPAN_ID].contains(&key.as_str()) {
                    let around = key.len() + style.around_field();
                    (*stays, taken, frame) = (false, taken - around - min_bytes(value), frame - around);
                    self.cut.push(key);
                }
            }
        }
        let left = || self.fields.iter().zip(&shown.fields).zip(&stays).filter(|(_, stays)| **stays);
        let lengths = left().map(|((_, (_, value)), _)| value.len()).chain([shown.message.len()]);
        let level = level(lengths, budget.saturating_sub(frame));
        let fields = left().map(|(((_, whole), (key, value)), _)| {
            let fits = value.len() <= level;
            (key.clone(), if fits { value.clone() } else { text::shorter_value(whole, level) })
        });
        let mut fields: Vec<_> = fields.collect();
        if !self.cut.is_empty() {
            let names = self.cut.text(self.limit);
            let (shown, room) = (text::value(&names), CutKeys::room(self.limit));
            let fits = shown.len() <= room;
            fields
                .push(("cut_keys".to_owned(), if fits { shown } else { text::shorter_value(&names, room) }));
        }
        let fits = shown.message.len() <= level;
        let message = if fits { shown.message.clone() } else { text::shorter_message(&self.message, level) };
        Shown { message, fields }
    }
}

impl Serializer for Printed {
    fn emit_none(&mut self, key: Key) -> slog::Result {
        self.push(key, "none".to_owned());
        Ok(())
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        let text = print(value, self.limit);
        self.push(key, text);
        Ok(())
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        let text = catch_unwind(AssertUnwindSafe(|| {
            let mut json = Vec::new();
            serde_value::push_or_text(&mut json, &value.as_serde(), self.limit);
            String::from_utf8_lossy(&json).into_owned()
        }));
        self.push(key, text.unwrap_or_else(|_| PANICKED.to_owned()));
        Ok(())
    }

    fn emit_error(&mut self, key: Key, error: &(dyn std::error::Error + 'static)) -> slog::Result {
        let text = catch_unwind(AssertUnwindSafe(|| errors::to_text(error)));
        let text = text.unwrap_or_else(|_| PANICKED.to_owned());
        // A message often ends with the text of the error, which is then not repeated.
        if !self.message.ends_with(&text) {
            self.push(key, cut_text(&text, self.limit));
        }
        Ok(())
    }
}

fn print(value: &fmt::Arguments<'_>, limit: usize) -> String {
    let mut text = CappedText::new(limit);
    let outcome = catch_unwind(AssertUnwindSafe(|| fmt::write(&mut text, *value)));
    match outcome {
        Ok(Ok(())) => text.finish(),
        Ok(Err(_)) => text.finish() + "<failed>",
        Err(_) => PANICKED.to_owned(),
    }
}

fn cut_text(text: &str, limit: usize) -> String {
    print(&format_args!("{text}"), limit)
}
