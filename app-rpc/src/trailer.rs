//! An encoded error behind the text of a [`capnp::Error`], within this process.
//!
//! capnp-rpc takes nothing from a handler but a kind and a text, and gives nothing else to a caller. So the error is a trailer of the
//! text on its way through capnp-rpc. On a connection, the error is [beside the message](crate::extra), and the text has no trailer.
//!
//! A trailer begins with a random number of this process. So no text that comes from outside can contain one.

use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The beginning of every trailer of this process.
static MARK: LazyLock<String> = LazyLock::new(|| {
    let random = RandomState::new();
    format!("\u{1f}{:016x}{:016x}:", random.hash_one(0), random.hash_one(1))
});

/// The text with a trailer.
pub(crate) fn join(text: &str, error: &[u8]) -> String {
    format!("{text}{}{}", *MARK, STANDARD_NO_PAD.encode(error))
}

/// The text without its trailer.
pub(crate) fn text_of(text: &str) -> &str {
    text.find(MARK.as_str()).map_or(text, |end| &text[..end])
}

/// The text without its trailer, and the encoded error.
pub(crate) fn split(text: &str) -> (&str, Option<Vec<u8>>) {
    match text.split_once(MARK.as_str()) {
        Some((text, error)) => (text, STANDARD_NO_PAD.decode(error).ok()),
        None => (text, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_joined_is_split_again() {
        let joined = join("no rule", b"\x00\xff bytes");
        assert_eq!(split(&joined), ("no rule", Some(b"\x00\xff bytes".to_vec())));
        assert_eq!(text_of(&joined), "no rule");
        assert_eq!(split(&format!("remote exception: {joined}")).0, "remote exception: no rule");
        assert_eq!(split("no rule"), ("no rule", None));
    }

    #[test]
    fn a_trailer_that_a_text_goes_on_behind_is_dropped() {
        let joined = join("no rule", b"12345");
        assert_eq!(split(&format!("{joined}: while it was asked")), ("no rule", None));
    }

    #[test]
    fn a_text_from_outside_contains_no_trailer() {
        let forged = format!("no rule\u{1f}{:032x}:{}", 0, STANDARD_NO_PAD.encode(b"forged"));
        assert_eq!(split(&forged), (forged.as_str(), None));
    }
}
