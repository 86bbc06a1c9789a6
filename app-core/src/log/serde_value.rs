//! Values with `Serialize`, as JSON of bounded length and depth.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

use super::escape::{Bounded, push_finished_json};
use super::shrink::MAX_DEPTH;

/// Appends `value` as JSON if that has at most `limit` bytes. Otherwise appends nothing, and returns `false`.
pub(super) fn push(out: &mut Vec<u8>, value: &impl Serialize, limit: usize) -> bool {
    let mut whole = CappedBytes { bytes: Vec::new(), limit, cut_bytes: 0 };
    let fits = write(&mut whole, value).is_ok() && whole.cut_bytes == 0;
    if fits {
        push_finished_json(out, &whole.bytes);
    }
    fits
}

/// Appends `value` as JSON. If that is longer than `limit`, or serialization fails, appends a text with its beginning.
pub(super) fn push_or_text(out: &mut Vec<u8>, value: &impl Serialize, limit: usize) {
    let mut beginning = CappedBytes { bytes: Vec::new(), limit, cut_bytes: 0 };
    let problem = match write(&mut beginning, value) {
        Ok(()) if beginning.cut_bytes == 0 => return push_finished_json(out, &beginning.bytes),
        Ok(()) => None,
        Err(problem) => Some(problem),
    };
    out.push(b'"');
    let mut text = Bounded::new(out, limit);
    text.push(&String::from_utf8_lossy(&beginning.bytes));
    text.cut(beginning.cut_bytes);
    text.finish();
    if let Some(problem) = problem {
        let mut text = Bounded::new(out, 200);
        text.push(&format!("… (cut: {problem})"));
        text.finish();
    }
    out.push(b'"');
}

fn write(out: &mut CappedBytes, value: &impl Serialize) -> serde_json::Result<()> {
    value.serialize(&mut serde_json::Serializer::with_formatter(out, DepthLimit { depth: 0 }))
}

/// Keeps the first `limit` bytes, and counts the rest.
struct CappedBytes {
    bytes: Vec<u8>,
    limit: usize,
    cut_bytes: usize,
}

impl io::Write for CappedBytes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let room = if self.cut_bytes > 0 { 0 } else { self.limit.saturating_sub(self.bytes.len()) };
        let (kept, cut) = bytes.split_at(room.min(bytes.len()));
        self.bytes.extend_from_slice(kept);
        self.cut_bytes += cut.len();
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Compact JSON, which fails for values that are nested too deeply.
struct DepthLimit {
    depth: usize,
}

impl DepthLimit {
    fn enter(&mut self) -> io::Result<()> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err(io::Error::other("nested too deeply")) } else { Ok(()) }
    }
}

impl Formatter for DepthLimit {
    fn begin_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"[")
    }

    fn end_array<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"]")
    }

    fn begin_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.enter()?;
        writer.write_all(b"{")
    }

    fn end_object<W: ?Sized + io::Write>(&mut self, writer: &mut W) -> io::Result<()> {
        self.depth -= 1;
        writer.write_all(b"}")
    }
}
