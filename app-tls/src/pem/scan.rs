//! Finds the blocks of a text, and decodes them.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

use super::{PemContent, PemError, PemFault, Position};

const HYPHENS: &[u8] = b"-----";
const BEGIN: &[u8] = b"-----BEGIN ";
const END: &[u8] = b"-----END ";
/// The most bytes of a label. The longest that is in use has 27.
const MAX_LABEL: usize = 64;

/// A block before decoding.
pub(super) struct RawBlock<'a> {
    pub(super) position: Position,
    pub(super) label: &'a str,
    body: &'a [u8],
}

/// Walks through a text once.
pub(super) struct Scanner<'a> {
    text: &'a [u8],
    wanted: PemContent,
    /// Everything before this byte is done.
    at: usize,
    /// Number of blocks found.
    blocks: usize,
    /// The line of the byte `counted`. Lines start at 1.
    line: usize,
    counted: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a [u8], wanted: PemContent) -> Self {
        Self { text, wanted, at: 0, blocks: 0, line: 1, counted: 0 }
    }

    /// The next block; `None` at the end of the text.
    pub(super) fn next_block(&mut self) -> Result<Option<RawBlock<'a>>, PemError> {
        let (text, wanted) = (self.text, self.wanted);
        let rest = &text[self.at..];
        let Some(found) = find(rest, BEGIN).into_iter().chain(find(rest, END)).min() else {
            self.check_comment(text.len())?;
            return Ok(None);
        };
        let marker = self.at + found;
        let before = rest[..found].rsplit(|byte| is_line_end(*byte)).next().unwrap_or_default();
        self.check_comment(marker - before.len())?;
        let position = Position { block: self.blocks + 1, line: self.line_of(marker) };
        let refused = |fault| PemError::of_block(position, fault, wanted);
        if !before.trim_ascii().is_empty() {
            return Err(refused(PemFault::Marker(position.line)));
        }
        if text[marker..].starts_with(END) {
            return Err(refused(PemFault::NoBegin));
        }
        let opening = label(text, marker + BEGIN.len());
        let (label, body) = opening.ok_or_else(|| refused(PemFault::Marker(position.line)))?;
        let end = find(&text[body..], HYPHENS).ok_or_else(|| refused(PemFault::NoEnd))? + body;
        if text[end..].starts_with(BEGIN) {
            return Err(refused(PemFault::NoEnd));
        }
        let closing = text[end..].starts_with(END).then(|| self::label(text, end + END.len())).flatten();
        let (found, after) = closing.ok_or_else(|| refused(PemFault::Marker(self.line_of(end))))?;
        if found != label {
            return Err(refused(PemFault::EndOfAnother(found.to_owned())));
        }
        self.blocks += 1;
        self.at = after;
        Ok(Some(RawBlock { position, label, body: &text[body..end] }))
    }

    /// Refuses the text between blocks, up to `until`, if it looks like a part of a block.
    fn check_comment(&mut self, until: usize) -> Result<(), PemError> {
        let comment = &self.text[self.at..until];
        let mut from = self.at;
        for line in comment.split(|byte| is_line_end(*byte)) {
            if looks_like_a_marker(line) {
                return Err(PemError::whole(PemFault::Marker(self.line_of(from)), self.wanted));
            }
            if looks_like_a_body(line) {
                return Err(PemError::whole(PemFault::Body(self.line_of(from)), self.wanted));
            }
            from += line.len() + 1;
        }
        Ok(())
    }

    /// The line of a byte. Calls must come in the order of the text.
    fn line_of(&mut self, place: usize) -> usize {
        let text = self.text;
        // A carriage return ends a line only if no line feed follows.
        let ends =
            |at: &usize| text[*at] == b'\n' || (text[*at] == b'\r' && text.get(at + 1) != Some(&b'\n'));
        self.line += (self.counted..place).filter(ends).count();
        self.counted = place;
        self.line
    }
}

fn is_line_end(byte: u8) -> bool {
    matches!(byte, b'\n' | b'\r')
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    text.windows(what.len()).position(|part| part == what)
}

/// The label that begins at `at`, and the end of its marker.
fn label(text: &[u8], at: usize) -> Option<(&str, usize)> {
    let rest = &text[at..];
    let length = find(&rest[..rest.len().min(MAX_LABEL + HYPHENS.len())], HYPHENS)?;
    let label = std::str::from_utf8(&rest[..length]).ok()?;
    let exact = label.chars().all(|c| c.is_ascii_uppercase() || c.is_ascii_digit() || " .#".contains(c));
    let after = at + length + HYPHENS.len();
    // More hyphens are allowed only if another marker begins with them.
    let more = text.get(after) == Some(&b'-')
        && !text[after..].starts_with(BEGIN)
        && !text[after..].starts_with(END);
    (exact && !more && !label.is_empty() && label.trim() == label).then_some((label, after))
}

/// Whether a line outside of all blocks looks like a marker.
fn looks_like_a_marker(line: &[u8]) -> bool {
    // Word processors replace hyphens with characters outside of ASCII.
    let text = String::from_utf8_lossy(line).to_ascii_uppercase();
    let dashes = |c: char| c == '-' || ('\u{2010}'..='\u{2015}').contains(&c) || c == '\u{2212}';
    let dashed = text.contains("--") || text.chars().any(|c| c != '-' && dashes(c));
    let words = |mark: &str| {
        let mut found = text.match_indices(mark);
        found.any(|(at, _)| !text[..at].ends_with(|c: char| c.is_alphanumeric()))
    };
    let marks = words("BEGIN") || words("END");
    let named = ["CERTIFICATE", "PRIVATE KEY", "PUBLIC KEY", " CRL"].iter().any(|name| text.contains(name));
    let shouted =
        line.windows(6).any(|part| part == b"BEGIN ") || line.windows(4).any(|part| part == b"END ");
    marks && (dashed || (named && shouted))
}

/// Whether a line outside of all blocks looks like the first of a body: base64 of a DER sequence of usual length.
fn looks_like_a_body(line: &[u8]) -> bool {
    let line = line.trim_ascii();
    let is_base64 = |byte: &u8| byte.is_ascii_alphanumeric() || b"+/=".contains(byte);
    line.len() >= 60 && line.starts_with(b"MI") && line.iter().all(is_base64)
}

/// Decodes the content of a block.
pub(super) fn decode(raw: &RawBlock<'_>) -> Result<Vec<u8>, PemFault> {
    let mut encoded = Zeroizing::new(Vec::with_capacity(raw.body.len()));
    let mut line_number = raw.position.line;
    let mut may_be_header = true;
    for (index, line) in lines(raw.body).enumerate() {
        line_number += usize::from(index > 0);
        let line = line.trim_ascii();
        if may_be_header && line.contains(&b':') {
            if line.starts_with(b"Proc-Type") && find(line, b"ENCRYPTED").is_some() {
                return Err(PemFault::Encrypted);
            }
            continue;
        }
        // Headers come first. A blank line ends them.
        may_be_header &= line.is_empty() && encoded.is_empty();
        for byte in line {
            match byte {
                b' ' | b'\t' => {}
                b'\\' => return Err(PemFault::EscapedLineBreaks),
                byte if byte.is_ascii_alphanumeric() || b"+/=".contains(byte) => encoded.push(*byte),
                _ => return Err(PemFault::NotBase64(line_number)),
            }
        }
    }
    if encoded.is_empty() {
        return Err(PemFault::EmptyBlock);
    }
    // With room for everything, the buffer never moves, and a key leaves no copy behind.
    let mut der = Vec::with_capacity(encoded.len() / 4 * 3 + 3);
    STANDARD.decode_vec(&*encoded, &mut der).map_err(|_| PemFault::CutShort)?;
    Ok(der)
}

/// The lines of a text with line ends of any system.
fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let unix = text.contains(&b'\n');
    text.split(move |byte| *byte == b'\n' || (!unix && *byte == b'\r'))
}
