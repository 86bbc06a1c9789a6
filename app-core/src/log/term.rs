//! A record as a line of text for people, laid out by slog-term.
//!
//! slog-term writes newlines and escape codes as they come, and would abort the process if a value panicked
//! while it prints: so values are printed here first, and its decorator escapes all text that passes.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::SystemTime;

use slog::{Drain, Key, Level, OwnedKVList, Record, Serializer};
use slog_term::{Decorator, FullFormat, RecordDecorator, ThreadSafeTimestampFn};

use super::escape::push_term;
use super::fields::PANICKED;
use super::json::{MAX_FIELDS_BYTES, MAX_VALUE_BYTES};

/// Appends the line of a record.
pub(super) fn write(
    out: &mut Vec<u8>,
    name: Option<&Arc<str>>,
    colours: bool,
    record: &Record<'_>,
    values: &OwnedKVList,
) {
    let mut printed = Printed::default();
    printed.collect(record, &record.kv());
    printed.collect(record, values);
    let message = print(record.msg());
    let location = slog::RecordLocation { file: "", line: 0, column: 0, function: "", module: "" };
    let fixed = slog::RecordStatic { location: &location, tag: "", level: record.level() };

    let line = RefCell::new(std::mem::take(out));
    let name = name.cloned();
    let format = FullFormat::new(LineDecorator { line: &line, colours })
        .use_custom_timestamp(timestamp)
        .use_custom_header_print(
            move |time: &dyn ThreadSafeTimestampFn<Output = io::Result<()>>,
                  out: &mut dyn RecordDecorator,
                  record: &Record<'_>,
                  _| { header(time, out, record, name.as_deref()) },
        )
        .build();
    // Writing to memory does not fail.
    let _ = format.log(
        &Record::new(&fixed, &format_args!("{message}"), slog::BorrowedKV(&printed)),
        &slog::OwnedKVList::from(slog::o!()),
    );
    drop(format);
    *out = line.into_inner();
}

fn timestamp(out: &mut dyn Write) -> io::Result<()> {
    write!(out, "{}", humantime::format_rfc3339_millis(SystemTime::now()))
}

fn header(
    time: &dyn ThreadSafeTimestampFn<Output = io::Result<()>>,
    mut out: &mut dyn RecordDecorator,
    record: &Record<'_>,
    name: Option<&str>,
) -> io::Result<bool> {
    out.start_timestamp()?;
    time(&mut out)?;
    out.start_whitespace()?;
    write!(out, " ")?;
    out.start_level()?;
    write!(out, "{:<5}", super::LogLevel::from_slog(record.level()))?;
    out.start_whitespace()?;
    write!(out, " ")?;
    if let Some(name) = name {
        out.start_location()?;
        write!(out, "{name}")?;
        out.start_separator()?;
        write!(out, ": ")?;
    }
    out.start_msg()?;
    write!(out, "{}", record.msg())?;
    Ok(true)
}

/// Keys and values as text, oldest first.
#[derive(Debug, Default)]
struct Printed {
    fields: Vec<(Key, String)>,
    bytes: usize,
}

impl Printed {
    fn collect(&mut self, record: &Record<'_>, values: &dyn slog::KV) {
        let outcome = catch_unwind(AssertUnwindSafe(|| values.serialize(record, self)));
        if !matches!(outcome, Ok(Ok(()))) {
            self.push("log_field_lost", PANICKED.to_owned());
        }
    }

    fn push(&mut self, key: Key, text: String) {
        if self.fields.iter().any(|(name, _)| *name == key) {
            return;
        }
        let text = if self.bytes + text.len() > MAX_FIELDS_BYTES { "(cut)".to_owned() } else { text };
        self.bytes += text.len();
        self.fields.push((key, text));
    }
}

impl Serializer for Printed {
    fn emit_none(&mut self, key: Key) -> slog::Result {
        self.push(key, "none".to_owned());
        Ok(())
    }

    fn emit_arguments(&mut self, key: Key, value: &fmt::Arguments<'_>) -> slog::Result {
        self.push(key, print(value));
        Ok(())
    }

    fn emit_serde(&mut self, key: Key, value: &dyn slog::SerdeValue) -> slog::Result {
        let json = catch_unwind(AssertUnwindSafe(|| serde_json::to_string(&value.as_serde())));
        let json = match json {
            Ok(Ok(json)) => json,
            Ok(Err(error)) => format!("<{error}>"),
            Err(_) => PANICKED.to_owned(),
        };
        self.emit_str(key, &json)
    }
}

impl slog::KV for Printed {
    fn serialize(&self, _: &Record<'_>, serializer: &mut dyn Serializer) -> slog::Result {
        self.fields.iter().rev().try_for_each(|(key, text)| serializer.emit_str(key, text))
    }
}

fn print(value: &fmt::Arguments<'_>) -> String {
    let mut text = Cut::default();
    match catch_unwind(AssertUnwindSafe(|| fmt::write(&mut text, *value))) {
        Ok(Ok(())) => {}
        Ok(Err(_)) => text.text.push_str("<failed>"),
        Err(_) => PANICKED.clone_into(&mut text.text),
    }
    if text.cut_bytes > 0 {
        text.text.push_str(&format!("… ({} bytes cut)", text.cut_bytes));
    }
    text.text
}

/// A text of bounded length.
#[derive(Default)]
struct Cut {
    text: String,
    cut_bytes: usize,
}

impl fmt::Write for Cut {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = if self.cut_bytes > 0 { 0 } else { MAX_VALUE_BYTES.saturating_sub(self.text.len()) };
        let fits = (0..=room.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
        let (taken, cut) = text.split_at(fits);
        self.text.push_str(taken);
        self.cut_bytes += cut.len();
        Ok(())
    }
}

struct LineDecorator<'a> {
    line: &'a RefCell<Vec<u8>>,
    colours: bool,
}

impl Decorator for LineDecorator<'_> {
    fn with_record<F>(&self, record: &Record<'_>, _: &OwnedKVList, f: F) -> io::Result<()>
    where
        F: FnOnce(&mut dyn RecordDecorator) -> io::Result<()>,
    {
        let mut line = self.line.borrow_mut();
        f(&mut LineWriter {
            line: &mut line,
            colours: self.colours,
            level: record.level(),
            is_text: false,
            styled: false,
        })
    }
}

struct LineWriter<'a> {
    line: &'a mut Vec<u8>,
    colours: bool,
    level: Level,
    /// What is written is a message, key or value, and not slog-term's own layout.
    is_text: bool,
    styled: bool,
}

impl LineWriter<'_> {
    /// `style` is the number of an SGR code.
    fn start(&mut self, is_text: bool, style: &str) -> io::Result<()> {
        self.reset()?;
        self.is_text = is_text;
        if self.colours && !style.is_empty() {
            write!(self.line, "\x1b[{style}m")?;
            self.styled = true;
        }
        Ok(())
    }
}

impl Write for LineWriter<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_text {
            push_term(self.line, &String::from_utf8_lossy(bytes));
        } else {
            self.line.extend_from_slice(bytes);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl RecordDecorator for LineWriter<'_> {
    fn reset(&mut self) -> io::Result<()> {
        self.is_text = false;
        if self.styled {
            self.styled = false;
            self.line.extend_from_slice(b"\x1b[0m");
        }
        Ok(())
    }

    fn start_timestamp(&mut self) -> io::Result<()> {
        self.start(false, "2")
    }

    fn start_level(&mut self) -> io::Result<()> {
        let style = match self.level {
            Level::Critical | Level::Error => "31",
            Level::Warning => "33",
            Level::Info => "32",
            Level::Debug | Level::Trace => "36",
        };
        self.start(false, style)
    }

    /// Where slog-term puts the place in the source, we put the service.
    fn start_location(&mut self) -> io::Result<()> {
        self.start(true, "35")
    }

    fn start_msg(&mut self) -> io::Result<()> {
        self.start(true, "1")
    }

    fn start_key(&mut self) -> io::Result<()> {
        self.start(true, "36")
    }

    fn start_value(&mut self) -> io::Result<()> {
        self.start(true, "")
    }
}
