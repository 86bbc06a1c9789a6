//! Prints events as lines of text or JSON.

use std::io::{self, Write};

use app_core::duration::counted;
use app_core::events::APP_STOPPING;
use serde::Serialize;

use crate::answers::Event;
use crate::failure::Failure;
use crate::output::{Hex, Output, json_line, one_line};

/// Longest message in characters.
const MOST: usize = 1000;

/// A change of the connection.
#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub(super) enum Note {
    Connected { address: String, instance: String },
    Reconnected { address: String, instance: String, same: bool },
    Disconnected { reason: String },
    Stopped,
}

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Event(&'a Event),
    Missed { count: u64 },
}

/// Prints events, up to a number of them.
pub(super) struct Printer {
    output: Output,
    left: u64,
    /// Whether an event said that the app stops.
    app_stops: bool,
}

impl Printer {
    pub(super) fn new(output: Output, most: u64) -> Self {
        Self { output, left: most, app_stops: false }
    }

    /// Whether a printed event said that the app stops.
    pub(super) fn app_stops(&self) -> bool {
        self.app_stops
    }

    /// Prints events. Returns whether the command is done: the requested number is reached, or the reader has gone.
    pub(super) fn events(&mut self, events: Vec<Event>, missed: u64) -> Result<bool, Failure> {
        let mut lines = String::new();
        if missed > 0 {
            lines += &if self.output.json {
                json_line(&Line::Missed { count: missed })
            } else {
                format!("-- missed {}: they came faster than they were read", counted(missed, "event"))
            };
            lines.push('\n');
        }
        let most = usize::try_from(self.left).unwrap_or(usize::MAX);
        for event in events.iter().take(most) {
            lines += &if self.output.json { json_line(&Line::Event(event)) } else { shown(event) };
            lines.push('\n');
            self.left -= 1;
            self.app_stops |= event.event_id == Some(Hex(APP_STOPPING.as_u64()));
        }
        Ok(print(&lines)? || self.left == 0)
    }

    /// Reports a change of the connection: for programs on standard output among the events, for people on standard error.
    pub(super) fn note(&mut self, note: Note) -> Result<bool, Failure> {
        if self.output.json {
            return print(&(json_line(&note) + "\n"));
        }
        let said = match note {
            Note::Connected { address, instance } => {
                format!("-- connected to {address}, instance {instance}")
            }
            Note::Reconnected { address, instance, same: true } => {
                format!("-- reconnected to {address}, instance {instance}; events in between are not shown")
            }
            Note::Reconnected { address, instance, same: false } => {
                format!("-- connected to {address}, another instance: {instance}")
            }
            Note::Disconnected { reason } => format!("-- connection lost: {reason}; reconnecting"),
            Note::Stopped => "-- the app stops".to_owned(),
        };
        // If this fails, there is no place left to report it.
        let _ = writeln!(io::stderr().lock(), "{}", one_line(&said, MOST));
        Ok(false)
    }
}

fn shown(event: &Event) -> String {
    let check = event.health_check_name.clone().or_else(|| event.health_check.map(|id| id.to_string()));
    let service = event.service_name.clone().or_else(|| event.service.map(|id| id.to_string()));
    let of = check.or(service).unwrap_or_else(|| "the app".to_owned());
    let (kind, of, message) = (one_line(&event.kind, 40), one_line(&of, 60), one_line(&event.message, MOST));
    format!("{}  {kind:<22}  {of}: {message}", event.at)
}

/// Writes lines to standard output. Returns whether the reader has gone.
fn print(lines: &str) -> Result<bool, Failure> {
    let mut out = io::stdout().lock();
    match out.write_all(lines.as_bytes()).and_then(|()| out.flush()) {
        Ok(()) => Ok(false),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(true),
        Err(error) => Err(Failure::failed(format!("standard output cannot be written: {error}"))),
    }
}
