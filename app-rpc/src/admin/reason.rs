//! The reason that a client gives for a change.

use capnp::text;

/// The longest reason in bytes.
pub(super) const MAX_REASON_BYTES: usize = 1024;

/// The reason of a call.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reason {
    /// The method takes no reason.
    NotTaken,
    /// A good reason.
    Given(String),
    /// A bad reason: its beginning, and what is wrong with it.
    Wrong(String, String),
}

impl Reason {
    /// Checks the text of a request.
    pub(super) fn of(text: text::Reader<'_>) -> Self {
        let bytes = text.as_bytes();
        let beginning = || {
            let cut = &bytes[..bytes.len().min(MAX_REASON_BYTES)];
            String::from_utf8_lossy(cut).into_owned()
        };
        if bytes.len() > MAX_REASON_BYTES {
            let wrong = format!("the reason has {} bytes: give at most {MAX_REASON_BYTES}", bytes.len());
            return Self::Wrong(beginning(), wrong);
        }
        match text.to_str() {
            Ok(text) if text.trim().is_empty() => {
                Self::Wrong(String::new(), "it needs a reason, and none was given".to_owned())
            }
            Ok(text) => Self::Given(text.to_owned()),
            Err(_) => Self::Wrong(beginning(), "the reason is not UTF-8".to_owned()),
        }
    }

    /// The text for the audit record.
    pub(super) fn text(&self) -> &str {
        match self {
            Self::NotTaken => "none given",
            Self::Given(text) | Self::Wrong(text, _) => text,
        }
    }

    /// What is wrong with the reason.
    pub(super) fn problem(&self) -> Option<&str> {
        match self {
            Self::NotTaken | Self::Given(_) => None,
            Self::Wrong(_, problem) => Some(problem),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(bytes: &[u8]) -> Reason {
        Reason::of(text::Reader(bytes))
    }

    #[test]
    fn a_reason_must_be_given_and_be_short_text() {
        assert_eq!(of(b"deploy 7"), Reason::Given("deploy 7".to_owned()));
        assert_eq!(of(&[b'x'; MAX_REASON_BYTES]).problem(), None);
        for (bad, says) in [
            (&b""[..], "none was given"),
            (b" \t\n", "none was given"),
            (b"\xff\xfe", "not UTF-8"),
            (&[b'x'; MAX_REASON_BYTES + 1], "has 1025 bytes: give at most 1024"),
        ] {
            let reason = of(bad);
            assert!(reason.problem().is_some_and(|problem| problem.contains(says)), "{reason:?}");
            // A replacement character has three bytes.
            assert!(reason.text().len() <= 3 * MAX_REASON_BYTES);
        }
        assert_eq!(Reason::NotTaken.text(), "none given");
    }
}
