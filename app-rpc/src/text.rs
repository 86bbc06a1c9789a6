//! Texts of answers. A message has a limit, and texts come from anywhere.

pub(crate) use app_tls::bounded;

/// The longest text of an error, a reason or a name in an answer, in bytes.
pub(crate) const MAX_TEXT_BYTES: usize = 1024;

/// A text for an answer.
pub(crate) fn short(text: &str) -> String {
    bounded(text, MAX_TEXT_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_an_answer_has_at_most_a_kilobyte() {
        assert_eq!(short(&"x".repeat(5000)).len(), MAX_TEXT_BYTES);
        assert_eq!(short("four"), "four");
    }
}
