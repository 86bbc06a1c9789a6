//! Parses values that arrive from the browser.

use serde::Deserialize as _;
use serde::de::{Deserializer, Error as _};

/// An id as `0x..`. Zero is no id.
pub(crate) fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<u64, D::Error> {
    let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
    hex(&text).map_err(D::Error::custom)
}

/// An id as `0x..`, or null.
pub(crate) fn some_id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| hex(&text)).transpose().map_err(D::Error::custom)
}

/// The id of `0x..`.
///
/// # Errors
/// The text is not `0x` with 1 to 16 hex digits, or it is zero.
pub(crate) fn hex(text: &str) -> Result<u64, String> {
    let digits = text.strip_prefix("0x").filter(|digits| (1..=16).contains(&digits.len()));
    let digits = digits.filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let id = digits.and_then(|digits| u64::from_str_radix(digits, 16).ok()).filter(|id| *id != 0);
    id.ok_or_else(|| "an id: expected 0x and up to 16 hex digits, not zero".to_owned())
}

/// The id of `0x..`. Zero is the app itself.
///
/// # Errors
/// The text is not `0x` with 1 to 16 hex digits.
pub(crate) fn hex_or_zero(text: &str) -> Result<u64, String> {
    let zero =
        text.strip_prefix("0x").is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b == b'0'));
    if zero { Ok(0) } else { hex(text) }
}

#[cfg(test)]
mod tests {
    use super::hex;

    #[test]
    fn an_id_is_hex_with_its_prefix_and_nothing_else() {
        assert_eq!(hex("0xce1f32c680e1ef0b"), Ok(0xce1f_32c6_80e1_ef0b));
        for wrong in ["", "0x", "0", "0x0", "12", "0x12345678901234567", "0x+1", "0x 1", "1x1", "0xg"] {
            assert!(hex(wrong).is_err(), "{wrong}");
        }
    }
}
