//! Texts as JSON strings that stay on one line.
//!
//! JSON only asks to escape some characters. Here all control characters (C0, DEL, C1) and the line and paragraph
//! separators are escaped, because log viewers break lines at them or interpret them.

use std::fmt;

/// Class of a byte that is written as it is.
const PLAIN: u8 = 0;
/// Class of a byte that is escaped.
const ESCAPE: u8 = 1;
/// Class of a byte that may begin a sequence of two or three bytes that is escaped.
const LOOK: u8 = 2;

const CLASS: [u8; 256] = {
    let mut class = [PLAIN; 256];
    let mut byte = 0;
    while byte < 0x20 {
        class[byte] = ESCAPE;
        byte += 1;
    }
    class[b'"' as usize] = ESCAPE;
    class[b'\\' as usize] = ESCAPE;
    class[0x7f] = ESCAPE;
    class[0xc2] = LOOK; // U+0080 ..= U+00BF
    class[0xe2] = LOOK; // U+2000 ..= U+2FFF
    class
};

/// Whether `bytes` are ASCII without anything to escape, as most texts are. Checks eight bytes at a time.
#[inline]
pub(super) fn is_plain(bytes: &[u8]) -> bool {
    // The last eight bytes overlap those before them, unless the length is a multiple of eight.
    if let Some(last) = bytes.last_chunk::<8>() {
        let (eights, _) = bytes.as_chunks::<8>();
        eights.iter().all(|eight| specials(u64::from_ne_bytes(*eight)) == 0)
            && specials(u64::from_ne_bytes(*last)) == 0
    } else if let (Some(first), Some(last)) = (bytes.first_chunk::<4>(), bytes.last_chunk::<4>()) {
        specials(pair(*first, *last)) == 0
    } else {
        bytes.iter().all(|&byte| is_plain_byte(byte))
    }
}

/// Copies `from` to `to`, which has the same length, and returns whether `from` [is plain](is_plain). One pass.
#[inline]
pub(super) fn copy_plain(to: &mut [u8], from: &[u8]) -> bool {
    if let (Some(&first), Some(&last)) = (from.first_chunk::<8>(), from.last_chunk::<8>()) {
        let mut found = specials(u64::from_ne_bytes(first)) | specials(u64::from_ne_bytes(last));
        if from.len() > 16 {
            for (to, from) in to.as_chunks_mut::<8>().0.iter_mut().zip(from.as_chunks::<8>().0) {
                *to = *from;
                found |= specials(u64::from_ne_bytes(*from));
            }
        } else if let Some(to) = to.first_chunk_mut::<8>() {
            *to = first;
        }
        if let Some(to) = to.last_chunk_mut::<8>() {
            *to = last;
        }
        return found == 0;
    }
    if let (Some(&first), Some(&last)) = (from.first_chunk::<4>(), from.last_chunk::<4>()) {
        if let Some(to) = to.first_chunk_mut::<4>() {
            *to = first;
        }
        if let Some(to) = to.last_chunk_mut::<4>() {
            *to = last;
        }
        return specials(pair(first, last)) == 0;
    }
    let mut plain = true;
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
        plain &= is_plain_byte(*from);
    }
    plain
}

#[inline]
const fn is_plain_byte(byte: u8) -> bool {
    byte < 0x80 && CLASS[byte as usize] == PLAIN
}

#[inline]
const fn pair(first: [u8; 4], last: [u8; 4]) -> u64 {
    (u32::from_ne_bytes(first) as u64) << 32 | u32::from_ne_bytes(last) as u64
}

/// Not zero if one of these eight bytes is a control character, a quote, a backslash, DEL or not ASCII.
#[inline]
const fn specials(eight: u64) -> u64 {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x80 * ONES;
    // Each term sets the top bit of the bytes that it looks for; a byte that is not ASCII has its top bit set. A carry or
    // a borrow only comes from a byte that is such a byte itself, so the result is never wrong about zero.
    let beyond_tilde = eight | eight.wrapping_add(ONES);
    let below_space = eight.wrapping_sub(0x20 * ONES);
    let quote = (eight ^ (0x22 * ONES)).wrapping_sub(ONES);
    let backslash = (eight ^ (0x5c * ONES)).wrapping_sub(ONES);
    (beyond_tilde | below_space | quote | backslash) & TOPS
}

/// Appends `text` as a JSON string, cut at `limit` bytes.
#[inline]
pub(super) fn push_string(out: &mut Vec<u8>, text: &str, limit: usize) {
    out.push(b'"');
    if text.len() <= limit && is_plain(text.as_bytes()) {
        out.extend_from_slice(text.as_bytes());
    } else {
        push_bounded(out, text, limit);
    }
    out.push(b'"');
}

#[inline(never)]
fn push_bounded(out: &mut Vec<u8>, text: &str, limit: usize) {
    let mut bounded = Bounded::new(out, limit);
    bounded.push(text);
    bounded.finish();
}

/// Appends `text` as a JSON string without its quotes.
pub(super) fn push_json(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        return out.extend_from_slice(bytes);
    }
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let (length, code) = match CLASS[usize::from(byte)] {
            PLAIN => {
                at += 1;
                continue;
            }
            ESCAPE => (1, u32::from(byte)),
            _ => match unsafe_sequence(&bytes[at..]) {
                Some(found) => found,
                None => {
                    at += 1;
                    continue;
                }
            },
        };
        out.extend_from_slice(&bytes[copied..at]);
        push_escape(out, code);
        at += length;
        copied = at;
    }
    out.extend_from_slice(&bytes[copied..]);
}

/// Appends well-formed JSON, and escapes the characters in it that JSON itself would allow.
pub(super) fn push_finished_json(out: &mut Vec<u8>, json: &[u8]) {
    let mut copied = 0;
    let mut at = 0;
    while let Some(&byte) = json.get(at) {
        let found = match byte {
            0x7f => Some((1, 0x7f)),
            0xc2 | 0xe2 => unsafe_sequence(&json[at..]),
            _ => None,
        };
        let Some((length, code)) = found else {
            at += 1;
            continue;
        };
        out.extend_from_slice(&json[copied..at]);
        push_escape(out, code);
        at += length;
        copied = at;
    }
    out.extend_from_slice(&json[copied..]);
}

/// The length and the code point of a C1 control or a separator at the start of `bytes`.
fn unsafe_sequence(bytes: &[u8]) -> Option<(usize, u32)> {
    match bytes {
        [0xc2, second @ 0x80..=0x9f, ..] => Some((2, u32::from(*second))),
        [0xe2, 0x80, 0xa8, ..] => Some((3, 0x2028)),
        [0xe2, 0x80, 0xa9, ..] => Some((3, 0x2029)),
        _ => None,
    }
}

#[cold]
fn push_escape(out: &mut Vec<u8>, code: u32) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    let short = match code {
        0x22 => b'"',
        0x5c => b'\\',
        0x08 => b'b',
        0x09 => b't',
        0x0a => b'n',
        0x0c => b'f',
        0x0d => b'r',
        _ => {
            out.extend_from_slice(b"\\u");
            out.extend([12, 8, 4, 0].map(|shift| HEX[(code >> shift) as usize & 0xf]));
            return;
        }
    };
    out.extend_from_slice(&[b'\\', short]);
}

/// The end of the JSON string whose opening quote is at `start`: the index after its closing quote.
pub(super) fn string_end(json: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(byte) = json.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    json.len()
}

/// The most bytes that [`push_cut_mark`] appends.
pub(super) const MARK_BYTES: usize = 36;
const MARK_START: &str = "… (";
const MARK_END: &str = " bytes cut)";

/// Appends the mark that says how many bytes were cut.
pub(super) fn push_cut_mark(out: &mut Vec<u8>, bytes: usize) {
    out.extend_from_slice(MARK_START.as_bytes());
    out.extend_from_slice(itoa::Buffer::new().format(bytes).as_bytes());
    out.extend_from_slice(MARK_END.as_bytes());
}

/// Splits off the mark at the end of a text. Returns the text, and the number of bytes in the mark.
pub(super) fn split_cut_mark(text: &[u8]) -> (&[u8], usize) {
    let found = text.strip_suffix(MARK_END.as_bytes()).and_then(|rest| {
        let start = rest.len() - rest.iter().rev().take_while(|byte| byte.is_ascii_digit()).count();
        let (rest, digits) = rest.split_at(start);
        let count = std::str::from_utf8(digits).ok()?.parse::<u32>().ok()?;
        Some((rest.strip_suffix(MARK_START.as_bytes())?, count as usize))
    });
    found.unwrap_or((text, 0))
}

/// Appends text to a JSON string up to `limit` bytes, and counts the bytes that do not fit.
pub(super) struct Bounded<'a> {
    out: &'a mut Vec<u8>,
    end: usize,
    cut_bytes: usize,
}

impl<'a> Bounded<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>, limit: usize) -> Self {
        let end = out.len().saturating_add(limit);
        Bounded { out, end, cut_bytes: 0 }
    }

    pub(super) fn push(&mut self, text: &str) {
        // An escape has at most six bytes for one.
        if self.cut_bytes == 0 && text.len().saturating_mul(6) <= self.end.saturating_sub(self.out.len()) {
            push_json(self.out, text);
        } else {
            self.push_by_character(text);
        }
    }

    fn push_by_character(&mut self, text: &str) {
        let mut rest = text;
        while self.cut_bytes == 0
            && let Some(c) = rest.chars().next()
        {
            let before = self.out.len();
            let (first, others) = rest.split_at(c.len_utf8());
            push_json(self.out, first);
            if self.out.len() > self.end {
                self.out.truncate(before);
                break;
            }
            rest = others;
        }
        self.cut_bytes += rest.len();
    }

    /// Counts bytes that the caller has cut. Further text is cut, too.
    pub(super) fn cut(&mut self, bytes: usize) {
        self.cut_bytes += bytes;
    }

    /// Appends the mark, if anything was cut.
    pub(super) fn finish(self) {
        if self.cut_bytes > 0 {
            push_cut_mark(self.out, self.cut_bytes);
        }
    }
}

impl fmt::Write for Bounded<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push(text);
        Ok(())
    }
}
