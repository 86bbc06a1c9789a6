//! Output for people: lines, facts and tables.

use std::fmt::Write as _;

use super::{Paint, Table, one_line};

/// Longest line in characters.
const MOST: usize = 4096;

/// Text for people, built piece by piece.
#[derive(Debug)]
pub(crate) struct Page {
    colour: bool,
    text: String,
}

impl Page {
    pub(crate) fn new(colour: bool) -> Self {
        Self { colour, text: String::new() }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, line: impl AsRef<str>) {
        self.painted(line, Paint::Plain);
    }

    /// Adds a line in a colour.
    pub(crate) fn painted(&mut self, line: impl AsRef<str>, paint: Paint) {
        let line = one_line(line.as_ref(), MOST);
        self.text.push_str(&if self.colour { paint.on(&line) } else { line });
        self.text.push('\n');
    }

    /// Adds facts, one on each line: names in one column, values in another.
    pub(crate) fn facts(&mut self, facts: &[(&str, String, Paint)]) {
        let width = facts.iter().map(|(name, _, _)| name.len()).max().unwrap_or(0);
        for (name, value, paint) in facts {
            let value = one_line(value, MOST);
            let value = if self.colour { paint.on(&value) } else { value };
            // Writing to a string does not fail.
            let _ = writeln!(self.text, "{name:width$}  {value}");
        }
    }

    pub(crate) fn table<const COLUMNS: usize>(&mut self, table: &Table<COLUMNS>) {
        self.text.push_str(&table.text(self.colour));
    }

    /// Adds several lines of text that [`many_lines`](super::many_lines) has already escaped.
    pub(crate) fn escaped(&mut self, text: &str) {
        self.text.push_str(text);
        if !text.is_empty() && !text.ends_with('\n') {
            self.text.push('\n');
        }
    }

    pub(crate) fn text(self) -> String {
        self.text
    }
}
