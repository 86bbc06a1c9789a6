//! A line that is written from its end to its start, because slog passes the last key first.
//!
//! So each byte is written once, and stays in its place. A short text is copied as a block of fixed length, which the
//! compiler turns into a few moves. The excess bytes of the block are in front of the text, where the next text
//! overwrites them.

use super::escape;

/// The initial size of the buffer, which most lines fit into. Longer lines make it grow.
const ROOM: usize = 2048;

/// A block whose last bytes are the text.
pub(super) type Block = [u8; BLOCK];
/// The length of a block.
pub(super) const BLOCK: usize = 24;

/// A text at the end of a block, and its length.
pub(super) const fn block(text: &[u8]) -> (Block, usize) {
    let mut block = [0; BLOCK];
    let mut index = 0;
    while index < text.len() {
        block[BLOCK - text.len() + index] = text[index];
        index += 1;
    }
    (block, text.len())
}

/// Like [`block`], at run time. Only takes the end of a text that is longer than a block.
#[inline]
pub(super) fn block_of(text: &str) -> (Block, usize) {
    let (mut block, length) = ([0; BLOCK], text.len().min(BLOCK));
    block[BLOCK - length..].copy_from_slice(&text.as_bytes()[text.len() - length..]);
    (block, length)
}

/// A buffer that is filled from its end, and reused for the next line.
#[derive(Debug)]
pub(super) struct Line {
    bytes: Box<[u8]>,
    /// The content begins here.
    start: usize,
}

impl Default for Line {
    fn default() -> Self {
        Line { bytes: vec![0; ROOM].into(), start: ROOM }
    }
}

impl Line {
    /// Empties the line. Frees the memory of a long line.
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

    /// Adds `length` bytes before the content, for the caller to fill.
    #[inline]
    pub(super) fn front(&mut self, length: usize) -> &mut [u8] {
        if length > self.start {
            self.grow(length);
        }
        self.start -= length;
        &mut self.bytes[self.start..][..length]
    }

    /// Removes the first `length` bytes.
    pub(super) fn remove_front(&mut self, length: usize) {
        self.start = self.bytes.len().min(self.start + length);
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        self.front(bytes.len()).copy_from_slice(bytes);
    }

    /// Puts the last `length` bytes of `block` before the content.
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

    /// Puts `text`, in quotes, before the content. Returns `false`, and changes nothing, if `text` needs escapes.
    #[inline]
    #[must_use]
    pub(super) fn push_plain_text(&mut self, text: &[u8]) -> bool {
        let [first, middle @ .., last] = self.front(text.len() + 2) else { return false };
        *first = b'"';
        *last = b'"';
        let is_plain = escape::copy_plain(middle, text);
        if !is_plain {
            self.remove_front(text.len() + 2);
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

/// A decimal number at the end of a block, and its length.
#[inline]
pub(super) fn decimal(number: u64, negative: bool) -> (Block, usize) {
    let (mut block, mut rest, mut at) = ([b'-'; BLOCK], number, BLOCK);
    while rest >= 10 {
        at -= 2;
        [block[at], block[at + 1]] = PAIRS[(rest % 100) as usize];
        rest /= 100;
    }
    // One digit is left, unless the pairs had all of them.
    if rest > 0 || at == BLOCK {
        at -= 1;
        block[at] = b'0' + rest as u8;
    }
    (block, BLOCK - at + usize::from(negative))
}
