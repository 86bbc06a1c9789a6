//! A scrape that is read in pieces of any length.

use super::{Progress, Scrape};

/// A scrape that the caller reads in pieces of a chosen length. It holds little more than one piece.
///
/// The families are those at the time of its creation. Values, and the series of vectors, are those at the time of
/// reading.
#[derive(Debug)]
pub struct Exposition {
    scrape: Option<Scrape>,
    /// Written text. It is unread from `read` on.
    text: String,
    read: usize,
}

impl Exposition {
    pub(crate) fn new(scrape: Scrape) -> Self {
        Self { scrape: Some(scrape), text: String::new(), read: 0 }
    }

    /// Appends the next bytes: exactly `bytes`, or fewer at the end. Returns whether that was the end. A piece may end
    /// within a character.
    ///
    /// Takes well below a millisecond for 64 KiB.
    pub fn read(&mut self, out: &mut Vec<u8>, bytes: usize) -> bool {
        while self.left().len() < bytes {
            self.forget();
            let length = self.read.saturating_add(bytes);
            let Some(scrape) = &mut self.scrape else { break };
            if scrape.write(&mut self.text, length) == Progress::Done {
                self.scrape = None;
            }
        }
        let piece = self.left().len().min(bytes);
        out.extend_from_slice(&self.left()[..piece]);
        self.read += piece;
        self.scrape.is_none() && self.left().is_empty()
    }

    fn left(&self) -> &[u8] {
        self.text.as_bytes().get(self.read..).unwrap_or_default()
    }

    /// Drops the text that was read, except for the beginning of a character.
    fn forget(&mut self) {
        let mut boundary = self.read;
        while !self.text.is_char_boundary(boundary) {
            boundary -= 1;
        }
        self.read -= boundary;
        self.text.drain(..boundary);
    }
}

#[cfg(test)]
mod tests;
