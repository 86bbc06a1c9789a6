//! Reads ids from flags, file names and JSON. The error says what is wrong with the text.

use std::fmt;

use crate::kind::IdKind;

/// How many characters of a refused text are shown.
const SHOWN_CHARS: usize = 40;

/// What is wrong with the text of an id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum IdFlaw {
    /// The text is empty.
    Empty,
    /// The text is only `0x`.
    NoDigits,
    /// Hex digits without the prefix `0x`, where decimal ones were expected.
    HexWithoutPrefix,
    /// A character that is not a digit, such as a sign, a space or an underscore.
    Character(char),
    /// The number takes more than 64 bits.
    TooLarge,
}

impl fmt::Display for IdFlaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Empty => f.write_str("it is empty"),
            Self::NoDigits => f.write_str("no digits follow 0x"),
            Self::HexWithoutPrefix => f.write_str("hexadecimal digits need the prefix 0x"),
            Self::Character(c) => write!(f, "'{}' is no digit", c.escape_debug()),
            Self::TooLarge => f.write_str("it takes more than 64 bits"),
        }
    }
}

/// A text is not an id. The error shows the text, shortened and with control characters escaped, and what is wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseIdError {
    kind: IdKind,
    shown: String,
    flaw: IdFlaw,
}

impl ParseIdError {
    fn new(kind: IdKind, text: &str, flaw: IdFlaw) -> Self {
        let mut shown: String = text.chars().take(SHOWN_CHARS).flat_map(char::escape_debug).collect();
        if text.chars().nth(SHOWN_CHARS).is_some() {
            shown.push_str("..");
        }
        Self { kind, shown, flaw }
    }

    /// The kind of id that was expected.
    #[must_use]
    pub fn kind(&self) -> IdKind {
        self.kind
    }

    /// What is wrong with the text.
    #[must_use]
    pub fn flaw(&self) -> IdFlaw {
        self.flaw
    }
}

impl fmt::Display for ParseIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\" is no {}: {}", self.shown, self.kind.noun(), self.flaw)
    }
}

impl std::error::Error for ParseIdError {}

/// Reads decimal digits, or `0x` or `0X` and hex digits.
pub(crate) fn decimal_or_hex(kind: IdKind, text: &str) -> Result<u64, ParseIdError> {
    let (digits, radix) = match without_prefix(text) {
        Some(digits) => (digits, 16),
        None => (text, 10),
    };
    number(digits, radix).map_err(|flaw| {
        let flaw = match flaw {
            IdFlaw::Empty if radix == 16 => IdFlaw::NoDigits,
            IdFlaw::Character(_) if radix == 10 && number(text, 16).is_ok() => IdFlaw::HexWithoutPrefix,
            flaw => flaw,
        };
        ParseIdError::new(kind, text, flaw)
    })
}

/// Reads hex digits, with or without `0x` or `0X`.
pub(crate) fn hex(kind: IdKind, text: &str) -> Result<u64, ParseIdError> {
    let digits = without_prefix(text);
    number(digits.unwrap_or(text), 16).map_err(|flaw| {
        let flaw = if flaw == IdFlaw::Empty && digits.is_some() { IdFlaw::NoDigits } else { flaw };
        ParseIdError::new(kind, text, flaw)
    })
}

fn without_prefix(text: &str) -> Option<&str> {
    text.strip_prefix("0x").or_else(|| text.strip_prefix("0X"))
}

/// Reads digits of this radix. Stricter than `u64::from_str_radix`, which accepts a plus sign.
fn number(digits: &str, radix: u32) -> Result<u64, IdFlaw> {
    if digits.is_empty() {
        return Err(IdFlaw::Empty);
    }
    if let Some(c) = digits.chars().find(|c| !c.is_digit(radix)) {
        return Err(IdFlaw::Character(c));
    }
    // All characters are digits, so the only possible error is that there are too many.
    u64::from_str_radix(digits, radix).map_err(|_| IdFlaw::TooLarge)
}

#[cfg(test)]
mod tests;
