//! Texts of bounded length: a message has a limit, and what is in one comes from anywhere.

/// The longest text that an answer has of an error, a reason or a name, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

/// What replaces the end of a text that is too long.
const CUT: &str = "..";

/// The text, or its beginning.
pub(crate) fn bounded(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &text[..end])
}

/// A text for an answer.
pub(crate) fn short(text: &str) -> String {
    bounded(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_that_is_too_long_is_cut_at_a_character() {
        assert_eq!(bounded("four", 4), "four");
        assert_eq!(bounded("fives", 4), "fi..");
        assert_eq!(bounded("aää", 4), "a..");
        assert_eq!(bounded("🦀🦀", 7), "🦀..");
        assert_eq!(bounded("ab", 1), "..");
        assert_eq!(short(&"x".repeat(5000)).len(), MAX_TEXT_BYTES);
    }
}
