//! A scrape that is read in pieces of any length.

use super::{Progress, Scrape};

/// What a scrape reads, in pieces of exactly the length that is asked for; it holds little more than the last of them.
///
/// The families are those of the moment at which it was made; values, and series of vectors, are as they are when they are read.
#[derive(Debug)]
pub struct Exposition {
    scrape: Option<Scrape>,
    /// Written, and not read from `read` on.
    text: String,
    read: usize,
}

impl Exposition {
    pub(crate) fn new(scrape: Scrape) -> Self {
        Self { scrape: Some(scrape), text: String::new(), read: 0 }
    }

    /// Appends the next bytes, at most so many, and fewer only at the end; whether that is the end. After it there are none.
    /// A piece may end within a character.
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

    /// Gives back what was read, but for the beginning of a character.
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
