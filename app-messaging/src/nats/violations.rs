//! What the server says about permissions. It says so beside the answer, not in it, and names the subject.

/// What an account may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Violation<'a> {
    Publish(&'a str),
    Subscribe(&'a str),
}

impl<'a> Violation<'a> {
    /// Reads the text of the server, such as `Permissions Violation for Publish to "a.b"`.
    pub(super) fn parse(text: &'a str) -> Option<Self> {
        let rest = strip_ignoring_case(text.trim(), "permissions violation for ")?;
        let (made, rest): (fn(&'a str) -> Self, _) = match strip_ignoring_case(rest, "publish") {
            Some(rest) => (Self::Publish, rest),
            None => (Self::Subscribe, strip_ignoring_case(rest, "subscription")?),
        };
        let (_, quoted) = rest.split_once('"')?;
        let (subject, _) = quoted.split_once('"')?;
        Some(made(subject))
    }
}

fn strip_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let head = text.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &text[prefix.len()..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_violation_names_its_subject() {
        for (text, violation) in [
            ("Permissions Violation for Publish to \"a.b\"", Some(Violation::Publish("a.b"))),
            ("permissions violation for publish to \"a\"", Some(Violation::Publish("a"))),
            (
                "Permissions Violation for Subscription to \"a.*\" using queue \"q\"",
                Some(Violation::Subscribe("a.*")),
            ),
            ("Permissions Violation for Publish with Reply of \"r\"", Some(Violation::Publish("r"))),
            ("Permissions Violation for Subscription to \"a", None),
            ("Permissions Violation for Sleep in \"a\"", None),
            ("Slow Consumer", None),
            ("", None),
        ] {
            assert_eq!(Violation::parse(text), violation, "{text}");
        }
    }
}
