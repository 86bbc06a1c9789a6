//! Tables whose columns are as wide as their contents.

use std::fmt::Write as _;

use super::one_line;

/// Longest cell in characters, except for the last cell of a row.
const MOST: usize = 60;
/// Longest last cell of a row, in characters.
const MOST_LAST: usize = 400;

/// The colour of a cell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Paint {
    Plain,
    Good,
    Warning,
    Bad,
    Faint,
}

impl Paint {
    /// The text in this colour.
    pub(super) fn on(self, text: &str) -> String {
        match self {
            Self::Plain => text.to_owned(),
            Self::Good => format!("\u{1b}[32m{text}\u{1b}[0m"),
            Self::Warning => format!("\u{1b}[33m{text}\u{1b}[0m"),
            Self::Bad => format!("\u{1b}[31m{text}\u{1b}[0m"),
            Self::Faint => format!("\u{1b}[2m{text}\u{1b}[0m"),
        }
    }
}

/// Rows under a heading.
#[derive(Debug)]
pub(crate) struct Table<const COLUMNS: usize> {
    head: [&'static str; COLUMNS],
    rows: Vec<[(String, Paint); COLUMNS]>,
}

impl<const COLUMNS: usize> Table<COLUMNS> {
    pub(crate) fn new(head: [&'static str; COLUMNS]) -> Self {
        Self { head, rows: Vec::new() }
    }

    /// Adds a row. Escapes its text.
    pub(crate) fn row(&mut self, cells: [(String, Paint); COLUMNS]) {
        let mut column = 0;
        self.rows.push(cells.map(|(text, paint)| {
            column += 1;
            (one_line(&text, if column == COLUMNS { MOST_LAST } else { MOST }), paint)
        }));
    }

    /// The table as text, with a line for each row and no spaces after the last cell.
    pub(super) fn text(&self, colour: bool) -> String {
        let mut widths = self.head.map(str::len);
        for row in &self.rows {
            for (width, (cell, _)) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        let head = self.head.map(|title| (title.to_owned(), Paint::Faint));
        let mut text = String::new();
        for row in std::iter::once(&head).chain(&self.rows) {
            let used = row.iter().rposition(|(cell, _)| !cell.is_empty()).map_or(0, |last| last + 1);
            for (column, (cell, paint)) in row.iter().take(used).enumerate() {
                let padding = if column + 1 == used { 0 } else { widths[column] + 2 - cell.chars().count() };
                let shown = if colour { paint.on(cell) } else { cell.clone() };
                // Writing to a string does not fail.
                let _ = write!(text, "{shown}{:padding$}", "");
            }
            text.push('\n');
        }
        text
    }
}
