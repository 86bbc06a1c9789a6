//! Numbers with exactly the written value: no rounding, no overflow, no silent zero.

use std::fmt;

/// The prefix of an id.
const HEX: &str = "0x";

/// How many characters of a number are shown.
const MAX_SHOWN: usize = 40;

/// A 64-bit float has at most 767 significant digits. A number with more can't be kept.
const MAX_DIGITS: usize = 800;

/// Why a number is refused.
#[derive(Debug, PartialEq)]
pub(super) enum Wrong {
    NotWhole,
    OutOfRange { min: i128, max: i128 },
    NotHex,
    HexTooLong,
    TooLarge { max: String },
    Inexact { nearest: String },
}

impl Wrong {
    /// The text of the error, with the number.
    pub(super) fn found(self, text: &str) -> String {
        format!("{self}, found {}", shown(text))
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotWhole => f.write_str("must be a whole number in plain digits"),
            Self::OutOfRange { min, max } => write!(f, "must be from {min} to {max}"),
            Self::NotHex => f.write_str("must be hex text such as \"0x2a\", or a whole number"),
            Self::HexTooLong => f.write_str("must have at most 16 hex digits"),
            Self::TooLarge { max } => write!(f, "must be at most {max} and at least -{max}"),
            Self::Inexact { nearest } => {
                write!(f, "must be a number that can be kept as it is (the nearest is {nearest})")
            }
        }
    }
}

fn shown(text: &str) -> String {
    let mut shown: String = text.chars().take(MAX_SHOWN).collect();
    if shown.len() < text.len() {
        shown.push_str("..");
    }
    shown
}

/// A whole number from its digits in JSON.
pub(super) fn whole(text: &str, min: i128, max: i128) -> Result<i128, Wrong> {
    if text.contains(['.', 'e', 'E']) {
        return Err(Wrong::NotWhole);
    }
    let number = text.parse().ok().filter(|number| (min..=max).contains(number));
    number.ok_or(Wrong::OutOfRange { min, max })
}

/// A number of 64 bits from text such as `0x2a`.
pub(super) fn hex(text: &str) -> Result<u64, Wrong> {
    let digits = text.strip_prefix(HEX).or_else(|| text.strip_prefix("0X")).ok_or(Wrong::NotHex)?;
    if digits.is_empty() || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return Err(Wrong::NotHex);
    }
    u64::from_str_radix(digits, 16).map_err(|_| Wrong::HexTooLong)
}

/// A `Float64` from its digits in JSON.
pub(super) fn float64(text: &str) -> Result<f64, Wrong> {
    let value: f64 = text.parse().map_err(|_| Wrong::NotWhole)?;
    if value.is_infinite() {
        return Err(Wrong::TooLarge { max: format!("{:?}", f64::MAX) });
    }
    let kept = is_kept(text, &format!("{value:e}"), |precision| format!("{value:.precision$e}"));
    if kept { Ok(value) } else { Err(Wrong::Inexact { nearest: format!("{value:?}") }) }
}

/// A `Float32` from its digits in JSON.
pub(super) fn float32(text: &str) -> Result<f32, Wrong> {
    let value: f32 = text.parse().map_err(|_| Wrong::NotWhole)?;
    if value.is_infinite() {
        return Err(Wrong::TooLarge { max: format!("{:?}", f32::MAX) });
    }
    let kept = is_kept(text, &format!("{value:e}"), |precision| format!("{value:.precision$e}"));
    if kept { Ok(value) } else { Err(Wrong::Inexact { nearest: format!("{value:?}") }) }
}

/// Whether the float, written with as many digits, gives the same number again.
///
/// So 0.1 is kept, though no float is exactly 0.1. 9007199254740993 is not kept, since the float gives 9007199254740992.
fn is_kept(text: &str, shortest: &str, with_precision: impl FnOnce(usize) -> String) -> bool {
    let number = Decimal::of(text);
    match number.digits.len() {
        0 => true,
        digits if digits > MAX_DIGITS => false,
        digits => number == Decimal::of(shortest) || number == Decimal::of(&with_precision(digits - 1)),
    }
}

/// The absolute value of a number: 0.`digits` times ten to the power of `exponent`.
#[derive(PartialEq)]
struct Decimal {
    /// Neither begins nor ends with a zero.
    digits: String,
    exponent: i64,
}

impl Decimal {
    fn of(text: &str) -> Self {
        let text = text.trim_start_matches('-');
        let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        // An exponent beyond 64 bits belongs to 0, to infinity, or to a number that becomes 0.
        let exponent: i64 = exponent.parse().unwrap_or(i64::MIN);
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = format!("{whole}{fraction}");
        let significant = digits.trim_start_matches('0');
        let point = whole.len() as i64 - (digits.len() - significant.len()) as i64;
        let digits = significant.trim_end_matches('0').to_owned();
        Self { exponent: if digits.is_empty() { 0 } else { exponent.saturating_add(point) }, digits }
    }
}

#[cfg(test)]
mod tests;
