//! Prints events as lines of text or JSON.

use std::cell::Cell;
use std::rc::Rc;

use app_core::duration::counted;
use app_core::events::APP_STOPPING;
use serde::Serialize;

use crate::answers::Event;
use crate::failure::Failure;
use crate::feed::{FeedPage, FeedPrinter};
use crate::output::{Hex, Lines, Moment, Note, NoteLine, Output, json_line, one_line};

/// Longest message in characters.
const MOST: usize = 1000;

#[derive(Debug, Serialize)]
#[serde(tag = "type", rename_all = "snake_case")]
enum Line<'a> {
    Event {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        #[serde(flatten)]
        event: &'a Event,
    },
    Missed {
        #[serde(skip_serializing_if = "Option::is_none")]
        target: Option<&'a str>,
        count: u64,
    },
}

/// Prints events, up to a number of them.
pub(super) struct Printer {
    output: Output,
    /// The number that is left. Printers of several apps share it.
    left: Rc<Cell<u64>>,
    /// The app that the events are of, if the command follows several.
    instance: Option<String>,
    lines: Lines,
    /// Whether an event said that the app stops.
    app_stops: bool,
}

impl Printer {
    pub(super) fn new(output: Output, left: Rc<Cell<u64>>, instance: Option<String>, lines: Lines) -> Self {
        Self { output, left, instance, lines, app_stops: false }
    }

    /// Prints events. `first` says that they are the first ones. Returns whether the command is done: the requested number is
    /// reached, or the reader has gone.
    pub(super) fn events(&mut self, events: &[Event], missed: u64, first: bool) -> Result<bool, Failure> {
        let target = self.instance.as_deref();
        let mut gone = false;
        if missed > 0 {
            let line = if self.output.json {
                json_line(&Line::Missed { target, count: missed })
            } else {
                let many = counted(missed, "event");
                let said = if first {
                    format!("-- {many} before these are no longer kept")
                } else {
                    format!("-- missed {many}: they came faster than they were read")
                };
                self.prefixed(&said)
            };
            let at = events.first().map_or(Moment(0), |event| event.at);
            gone |= self.lines.add(at, line)?;
        }
        for event in events {
            if gone || self.left.get() == 0 {
                break;
            }
            let line = if self.output.json {
                json_line(&Line::Event { target, event })
            } else {
                self.prefixed(&shown(event))
            };
            gone |= self.lines.add(event.at, line)?;
            self.left.set(self.left.get() - 1);
            self.app_stops |= event.event_id == Some(Hex(APP_STOPPING.as_u64()));
        }
        Ok(gone || self.lines.flush()? || self.left.get() == 0)
    }

    fn prefixed(&self, line: &str) -> String {
        match &self.instance {
            Some(instance) => format!("{}  {line}", one_line(instance, 60)),
            None => line.to_owned(),
        }
    }
}

impl FeedPrinter for Printer {
    fn page(&mut self, page: FeedPage) -> Result<bool, Failure> {
        let FeedPage::Items { items, missed, first } = page else { return Ok(false) };
        let events: Vec<_> = items.iter().map(Event::of_journal).collect();
        self.events(&events, missed, first)
    }

    fn note(&mut self, note: Note) -> Result<bool, Failure> {
        NoteLine { note: &note, target: self.instance.as_deref() }.print(self.output.json)
    }

    fn app_stops(&self) -> bool {
        self.app_stops
    }
}

fn shown(event: &Event) -> String {
    let check = event.health_check_name.clone().or_else(|| event.health_check.map(|id| id.to_string()));
    let service = event.service_name.clone().or_else(|| event.service.map(|id| id.to_string()));
    let of = check.or(service).unwrap_or_else(|| "the app".to_owned());
    let (kind, of, message) = (one_line(&event.kind, 40), one_line(&of, 60), one_line(&event.message, MOST));
    let number = event.number.map_or_else(String::new, |number| format!("{number:>5}  "));
    format!("{number}{}  {kind:<22}  {of}: {message}", event.at)
}
