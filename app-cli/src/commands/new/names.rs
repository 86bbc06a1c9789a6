//! The name of an application or of a service, and the forms that code and files have of it.

/// Longest name in bytes. The longest form of it, in the name of a message, stays within the bounds of such names.
const MOST_BYTES: usize = 40;

/// Words that Rust keeps for itself, and names of its own crates.
const OF_RUST: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern false \
    final fn for gen if impl in let loop macro match mod move mut override priv proc-macro pub ref return self static std struct \
    super test trait true try type typeof union unsafe unsized use virtual where while yield";

/// Services of the platform, and commands of every application.
const OF_THE_PLATFORM: &str = "app config graph health messaging metrics rpc service tracing";

/// Types and constants in the files of a new service that its handle would hide.
const OF_THE_FILES: &str = "answers before bootstrap command-server counter dep docs duration err error exposed greet-guest greeter \
    greetings guest guests health-checks hello hellos interval live-config methods none ok option path problems queue rc remote \
    restart result self service-id some string value vec week";

/// A name in kebab case, such as `rate-limits`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct NewName(String);

impl NewName {
    /// Reads a name. `taken` are names that dependencies of the new files have.
    pub(super) fn parse(given: &str, taken: &[&str]) -> Result<Self, String> {
        let wrong = |reason: &str, cure: &str| Err(format!("name {given:?}: {reason}; {cure}"));
        let example = "choose one such as mail or rate-limits";
        if given.is_empty() {
            return wrong("it is empty", example);
        }
        if given.len() > MOST_BYTES {
            let reason = format!("it has {} bytes, at most {MOST_BYTES}", given.len());
            return wrong(&reason, "choose a shorter one");
        }
        if given.contains(['/', '\\']) || given.starts_with('.') {
            let cure = "change to the folder that the new one is to be in, and give the last part alone";
            return wrong("it is a path", cure);
        }
        let kebab = kebab_of(given);
        let cure = if kebab.is_empty() || !is_kebab(&kebab) {
            example.to_owned()
        } else {
            format!("choose one such as {kebab}")
        };
        if !is_kebab(given) {
            return wrong(
                "it is not lower-case letters, digits and single hyphens, beginning with a letter",
                &cure,
            );
        }
        if let Some(rest) = given.strip_prefix("svc-") {
            return wrong("the crate gets svc- in front", &format!("give {rest} alone"));
        }
        let crate_name = format!("svc-{given}");
        for (words, reason) in [
            (OF_RUST, "Rust keeps this word for itself"),
            (OF_THE_PLATFORM, "the platform has a service or a command of this name"),
            (OF_THE_FILES, "the code of the new service uses this word"),
        ] {
            if words.split_whitespace().any(|word| word == given) {
                return wrong(reason, "choose another one");
            }
        }
        if taken.iter().any(|name| *name == given || *name == crate_name) {
            return wrong(
                "a crate of the platform, or one that it uses, has this name",
                "choose another one",
            );
        }
        Ok(Self(given.to_owned()))
    }

    /// For packages, folders, and services: `rate-limits`.
    pub(super) fn kebab(&self) -> &str {
        &self.0
    }

    /// For modules and metrics: `rate_limits`.
    pub(super) fn snake(&self) -> String {
        self.0.replace('-', "_")
    }

    /// For constants: `RATE_LIMITS`.
    pub(super) fn screaming(&self) -> String {
        self.snake().to_uppercase()
    }

    /// For types: `RateLimits`.
    pub(super) fn pascal(&self) -> String {
        self.0.split('-').map(capitalised).collect()
    }

    /// The crate of a service of this name.
    pub(super) fn service_crate(&self) -> String {
        format!("svc-{}", self.0)
    }
}

fn capitalised(word: &str) -> String {
    let (first, rest) = word.split_at(1.min(word.len()));
    first.to_uppercase() + rest
}

/// A letter, then letters and digits, in parts with one hyphen between them.
fn is_kebab(name: &str) -> bool {
    let plain =
        |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit());
    name.starts_with(|c: char| c.is_ascii_lowercase()) && name.split('-').all(plain)
}

/// The name that was probably meant.
fn kebab_of(given: &str) -> String {
    let mut kebab = String::new();
    let mut after_small = false;
    for c in given.chars() {
        if c.is_ascii_alphanumeric() {
            if c.is_ascii_uppercase() && after_small {
                kebab.push('-');
            }
            kebab.push(c.to_ascii_lowercase());
        } else {
            kebab.push('-');
        }
        after_small = c.is_ascii_lowercase() || c.is_ascii_digit();
    }
    let parts: Vec<&str> = kebab.split('-').filter(|part| !part.is_empty()).collect();
    parts.join("-").trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_the_form_that_each_place_needs() {
        let name = NewName::parse("rate-limits-2", &[]).unwrap();
        assert_eq!(name.kebab(), "rate-limits-2");
        assert_eq!(name.snake(), "rate_limits_2");
        assert_eq!(name.screaming(), "RATE_LIMITS_2");
        assert_eq!(name.pascal(), "RateLimits2");
        assert_eq!(name.service_crate(), "svc-rate-limits-2");
    }

    #[test]
    fn a_bad_name_is_refused_in_one_line_with_a_cure() {
        let long = "a".repeat(41);
        for (bad, reason, cure) in [
            ("", "is empty", "such as mail"),
            (long.as_str(), "has 41 bytes, at most 40", "shorter"),
            ("a/b", "is a path", "last part alone"),
            ("..", "is a path", "last part alone"),
            (".hidden", "is a path", "last part alone"),
            ("C:\\x", "is a path", "last part alone"),
            ("RateLimits", "lower-case", "such as rate-limits"),
            ("rate_limits", "lower-case", "such as rate-limits"),
            ("a--b", "lower-case", "such as a-b"),
            ("mail-", "lower-case", "such as mail"),
            ("-mail", "lower-case", "such as mail"),
            ("2fast", "lower-case", "such as fast"),
            ("42", "lower-case", "such as mail"),
            ("grüße", "lower-case", "such as"),
            ("a b\n", "lower-case", "such as a-b"),
            ("fn", "Rust keeps", "another"),
            ("core", "Rust keeps", "another"),
            ("test", "Rust keeps", "another"),
            ("proc-macro", "Rust keeps", "another"),
            ("metrics", "the platform has", "another"),
            ("hello", "the code of the new service", "another"),
            ("tokio", "a crate of the platform", "another"),
            ("example", "a crate of the platform", "another"),
            ("svc-mail", "svc- in front", "give mail alone"),
        ] {
            let said = NewName::parse(bad, &["tokio", "svc-example"]).unwrap_err();
            assert!(said.starts_with("name \"") && said.contains(reason), "{bad:?}: {said}");
            let (_, end) = said.rsplit_once("; ").unwrap();
            assert!(end.contains(cure), "{bad:?}: {said}");
            assert_eq!(said.lines().count(), 1, "{said}");
        }
    }
}
