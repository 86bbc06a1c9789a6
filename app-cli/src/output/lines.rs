//! Lines of a command that follows apps: printed as they come, or all at the end in the order of their times.

use std::cell::RefCell;
use std::io::{self, Write as _};
use std::rc::Rc;

use serde::Serialize;

use super::{Moment, json_line, one_line};
use crate::failure::Failure;

/// Longest note in characters.
const MOST_NOTE: usize = 1000;

/// Where the lines of a command go.
#[derive(Debug, Clone)]
pub(crate) enum Lines {
    /// To standard output.
    Out,
    /// Into a list, to be sorted and printed at the end.
    Sorted(Rc<RefCell<Vec<(Moment, String)>>>),
}

impl Lines {
    pub(crate) fn sorted() -> Self {
        Self::Sorted(Rc::default())
    }

    /// Adds a line of this time. Returns whether the reader of standard output has gone.
    pub(crate) fn add(&self, at: Moment, line: String) -> Result<bool, Failure> {
        match self {
            Self::Out => print(&(line + "\n")),
            Self::Sorted(lines) => {
                lines.borrow_mut().push((at, line));
                Ok(false)
            }
        }
    }

    /// Writes what is buffered. Returns whether the reader has gone.
    pub(crate) fn flush(&self) -> Result<bool, Failure> {
        match self {
            Self::Out => written(io::stdout().lock().flush()),
            Self::Sorted(_) => Ok(false),
        }
    }

    /// Prints the sorted lines.
    pub(crate) fn end(&self) -> Result<(), Failure> {
        if let Self::Sorted(lines) = self {
            let mut lines = lines.take();
            lines.sort_by_key(|(at, _)| *at);
            let text: String = lines.into_iter().map(|(_, line)| line + "\n").collect();
            print(&text)?;
        }
        Ok(())
    }
}

/// Prints text. Returns whether the reader has gone.
pub(crate) fn print(text: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    written(out.write_all(text.as_bytes()).and_then(|()| out.flush()))
}

fn written(result: io::Result<()>) -> Result<bool, Failure> {
    match result {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(Failure::failed(format!("standard output cannot be written: {error}"))),
    }
}

/// Says something on standard error. If that fails, there is no place left to report it.
pub(crate) fn say(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// A change of the connection.
#[derive(Debug)]
pub(crate) enum Note {
    Connected { address: String, instance: String },
    Reconnected { address: String, instance: String, same: bool },
    Disconnected { reason: String },
    Stopped,
}

/// A note about a connection: for programs on standard output among the items, for people on standard error.
#[derive(Debug)]
pub(crate) struct NoteLine<'a> {
    pub(crate) note: &'a Note,
    /// The app, if the command follows several.
    pub(crate) target: Option<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum NoteJson<'a> {
    Connected { address: &'a str, instance: &'a str },
    Reconnected { address: &'a str, instance: &'a str, same: bool },
    Disconnected { reason: &'a str },
    Stopped,
}

#[derive(Debug, Serialize)]
struct Targeted<'a> {
    #[serde(flatten)]
    note: NoteJson<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target: Option<&'a str>,
}

impl NoteLine<'_> {
    /// Prints the note. Returns whether the reader of standard output has gone.
    pub(crate) fn print(self, json: bool) -> Result<bool, Failure> {
        if json {
            let note = match self.note {
                Note::Connected { address, instance } => NoteJson::Connected { address, instance },
                Note::Reconnected { address, instance, same } => {
                    NoteJson::Reconnected { address, instance, same: *same }
                }
                Note::Disconnected { reason } => NoteJson::Disconnected { reason },
                Note::Stopped => NoteJson::Stopped,
            };
            return print(&(json_line(&Targeted { note, target: self.target }) + "\n"));
        }
        let said = match self.note {
            Note::Connected { address, instance } => format!("connected to {address}, instance {instance}"),
            Note::Reconnected { address, instance, same: true } => {
                format!("reconnected to {address}, instance {instance}")
            }
            Note::Reconnected { address, instance, same: false } => {
                format!("connected to {address}, another instance: {instance}")
            }
            Note::Disconnected { reason } => format!("connection lost: {reason}; reconnecting"),
            Note::Stopped => "the app stops".to_owned(),
        };
        let of = self.target.map_or_else(String::new, |target| format!("{target}: "));
        say(&one_line(&format!("-- {of}{said}"), MOST_NOTE));
        Ok(false)
    }
}
