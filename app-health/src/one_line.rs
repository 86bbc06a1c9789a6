//! Untrusted text as one line of bounded length.

use app_errors::Hostile;

/// A message to systemd has at most 4096 bytes, and a character takes up to four.
const MAX_CHARS: usize = 400;

/// Replaces characters that mislead a terminal or systemd with spaces, and cuts long text.
///
/// For systemd, a line break would begin another variable of the message.
pub(crate) fn one_line(text: &str) -> String {
    let mut hostile = Hostile::default();
    let mut line: String =
        text.chars().take(MAX_CHARS).map(|c| if hostile.is(c) { ' ' } else { c }).collect();
    if text.chars().nth(MAX_CHARS).is_some() {
        line.push_str("..");
    }
    line
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn it_is_one_line_of_bounded_length() {
        assert_eq!(one_line("a\nREADY=1\r\u{7}b\u{202e}"), "a READY=1  b ");
        let long = one_line(&"ß".repeat(100_000));
        assert!(long.ends_with("ß..") && long.len() < 2_000, "{long}");
    }
}
