//! A line that is written from its end to its start, since slog hands the newest key over first.
//!
//! So every byte is written once, where it stays, however many keys there are. And what is short can be copied as a
//! block of fixed length: what is too much of it lies before the start, where nothing is yet.

use super::escape;

/// What most lines fit into; a line that needs more takes it, up to the limits of a record.
const ROOM: usize = 2048;

/// A block that ends with what is meant.
pub(super) type Block = [u8; BLOCK];
/// The length of a block.
pub(super) const BLOCK: usize = 24;

/// A text as the end of a block, and how many bytes of the block it is.
pub(super) const fn block(text: &[u8]) -> (Block, usize) {
    let mut block = [0; BLOCK];
    let mut index = 0;
    while index < text.len() {
        block[BLOCK - text.len() + index] = text[index];
        index += 1;
    }
    (block, text.len())
}

/// As [`block`], of what is not known before; of a text that is longer, its end.
#[inline]
pub(super) fn block_of(text: &str) -> (Block, usize) {
    let (mut block, length) = ([0; BLOCK], text.len().min(BLOCK));
    block[BLOCK - length..].copy_from_slice(&text.as_bytes()[text.len() - length..]);
    (block, length)
}

/// A buffer whose content is its end; reused from line to line.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Box<[u8]>,
    /// The content is all from here.
    start: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { bytes: vec![0; ROOM].into(), start: ROOM }
    }
}

impl Line {
    /// Empties it; gives memory back that one long line took.
    pub(super) fn clear(&mut self) {
        if self.bytes.len() > 8 * ROOM {
            *self = Line::default();
        }
        self.start = self.bytes.len();
    }

    pub(super) fn bytes(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }

    pub(super) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Room for so many bytes before all others, to be filled.
    #[inline]
    pub(super) fn front(&mut self, length: usize) -> &mut [u8] {
        if length > self.start {
            self.grow(length);
        }
        self.start -= length;
        &mut self.bytes[self.start..][..length]
    }

    /// Takes the first `length` bytes away again.
    pub(super) fn take_back(&mut self, length: usize) {
        self.start = self.bytes.len().min(self.start + length);
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.front(bytes.len()).copy_from_slice(bytes);
    }

    /// Puts the last `length` bytes of `block` before all others.
    #[inline]
    pub(super) fn push_block(&mut self, block: &Block, length: usize) {
        if self.start < BLOCK {
            self.grow(BLOCK);
        }
        if let Some(here) = self.bytes.get_mut(..self.start).and_then(<[u8]>::last_chunk_mut) {
            *here = *block;
            self.start -= length.min(BLOCK);
        }
    }

    /// Puts `text` in quotes before all others. Whether nothing in it has to be escaped: if something has, nothing was put.
    #[inline]
    #[must_use]
    pub(super) fn push_plain_text(&mut self, text: &[u8]) -> bool {
        let [first, middle @ .., last] = self.front(text.len() + 2) else { return false };
        *first = b'"';
        *last = b'"';
        let is_plain = escape::copy_plain(middle, text);
        if !is_plain {
            self.take_back(text.len() + 2);
        }
        is_plain
    }

    #[cold]
    fn grow(&mut self, length: usize) {
        let content = self.len();
        let mut bytes = vec![0; (self.bytes.len() * 2).max(content + length)];
        let start = bytes.len() - content;
        bytes[start..].copy_from_slice(self.bytes());
        *self = Line { bytes: bytes.into(), start };
    }
}

/// The digits of 0 to 99.
pub(super) const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut number = 0;
    while number < 100 {
        pairs[number] = [b'0' + (number / 10) as u8, b'0' + (number % 10) as u8];
        number += 1;
    }
    pairs
};

/// A number in decimal, and how many bytes of the block that is.
#[inline]
pub(super) fn decimal(number: u64, negative: bool) -> (Block, usize) {
    let (mut block, mut rest, mut at) = ([b'-'; BLOCK], number, BLOCK);
    while rest >= 10 {
        at -= 2;
        [block[at], block[at + 1]] = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    // The pair before had no leading zero to hide, unless nothing is left.
    if rest > 0 || at == BLOCK {
        at -= 1;
        block[at] = b'0' + rest as u8;
    }
    (block, BLOCK - at + usize::from(negative))
}
