//! Texts of bounded length: a peer's certificate can hold texts of any length.

/// What replaces the end of a text that is too long.
const CUT: &str = "..";

/// The text, or its beginning followed by `..`. The result has at most `bytes` bytes, and at least the two of `..` if it is cut.
#[must_use]
pub fn bounded(text: &str, bytes: usize) -> String {
    if text.len() <= bytes {
        return text.to_owned();
    }
    let mut end = bytes.saturating_sub(CUT.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}{CUT}", &text[..end])
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
    }
}
