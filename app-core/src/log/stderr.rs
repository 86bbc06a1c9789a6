//! Problems that are told on standard error without a log: before there is one, or by `--check`.

use std::error::Error;
use std::io::{self, Write};

use super::{LogLevel, LogRecordLimit, errors, journal, text};

/// Prints a problem as one line of bounded length, in the journal with the level of errors.
///
/// # Errors
/// When standard error can't be written to: nothing is left to tell that.
pub(crate) fn print_problem(problem: &(dyn Error + 'static), limit: LogRecordLimit) -> io::Result<()> {
    let mark: &[u8] = if journal::is_stderr() { journal::mark(LogLevel::Error) } else { b"" };
    let whole = errors::to_text(problem);
    let room = limit.bytes() - mark.len() - 1;
    let shown = text::alone(&whole);
    let shown = if shown.len() <= room { shown } else { text::shorter_alone(&whole, room) };
    io::stderr().lock().write_all(&[mark, shown.as_bytes(), b"\n"].concat())
}
