//! The hex form of ids. `Display` prints it, serde writes and reads it.

use std::fmt;

use serde::de::{Error, Visitor};

use crate::kind::IdKind;
use crate::parse;

/// Prints lower-case hex without prefix, even with `#`. It is padded only if the caller sets a width.
pub(crate) fn fmt(id: u64, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut text = [0_u8; 16];
    let mut rest = id;
    let mut start = text.len();
    loop {
        start -= 1;
        text[start] = DIGITS[(rest & 0xf) as usize];
        rest >>= 4;
        if rest == 0 {
            break;
        }
    }
    // The bytes are ASCII digits, so the conversion succeeds.
    f.pad(std::str::from_utf8(&text[start..]).unwrap_or_default())
}

/// Reads an id of a kind from a hex string.
pub(crate) struct HexVisitor(pub(crate) IdKind);

impl Visitor<'_> for HexVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a {} as a hexadecimal string", self.0.noun())
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<u64, E> {
        parse::hex(self.0, text).map_err(E::custom)
    }
}
