//! Problems on standard error without a log: before the log is there, or with `--check`.

use std::error::Error;
use std::io::{self, Write};

use super::{LogLevel, LogRecordLimit, errors, journal, text};

/// Prints a problem as one line of bounded length. In the journal the line has the priority of an error.
///
/// # Errors
/// Standard error cannot be written to.
pub(crate) fn print_problem(problem: &(dyn Error + 'static), limit: LogRecordLimit) -> io::Result<()> {
    let priority: &[u8] = if journal::is_stderr() { journal::priority(LogLevel::Error) } else { b"" };
    let whole = errors::to_text(problem);
    let room = limit.bytes() - priority.len() - 1;
    let shown = text::escaped(&whole);
    let shown = if shown.len() <= room { shown } else { text::shorter_escaped(&whole, room) };
    io::stderr().lock().write_all(&[priority, shown.as_bytes(), b"\n"].concat())
}
