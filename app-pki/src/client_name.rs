//! Names of clients.

use std::fmt;
use std::str::FromStr;

use crate::PkiError;

/// The longest name: a common name has at most 64 bytes too.
const MAX_BYTES: usize = 64;
const MAX_LABEL_BYTES: usize = 63;

/// The DNS name of a client. Its certificate has this name, and grants are given to it. It is in lower case, as names are compared.
///
/// ```
/// use app_pki::ClientName;
///
/// assert_eq!(ClientName::new("Deploy.Example.com").unwrap().as_str(), "deploy.example.com");
/// assert!(ClientName::new("*.example.com").is_err());
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ClientName(String);

impl ClientName {
    /// Reads a name.
    ///
    /// # Errors
    /// [`PkiError::ClientName`]: the text is not a DNS name, or has more than 64 bytes.
    pub fn new(name: &str) -> Result<Self, PkiError> {
        match check(name) {
            None => Ok(Self(name.to_ascii_lowercase())),
            Some(reason) => {
                // The name comes from outside, and can have any length.
                let found = name.chars().take(MAX_BYTES).collect();
                Err(PkiError::ClientName { found, reason })
            }
        }
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What is wrong with a name, if anything.
fn check(name: &str) -> Option<&'static str> {
    if name.is_empty() {
        return Some("it is empty");
    }
    if name.len() > MAX_BYTES {
        return Some("it is too long");
    }
    let mut labels = name.split('.');
    for label in labels.clone() {
        if label.is_empty() {
            return Some("it has an empty part");
        }
        if label.len() > MAX_LABEL_BYTES {
            return Some("a part of it is too long");
        }
        if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_') {
            return Some("it has other characters than letters, digits, hyphens and underscores");
        }
        if label.starts_with('-') || label.ends_with('-') {
            return Some("a part of it begins or ends with a hyphen");
        }
    }
    // This refuses 10.0.0.1, and texts that some software reads as addresses.
    let last = labels.next_back()?;
    last.bytes().all(|byte| byte.is_ascii_digit()).then_some("its last part is a number")
}

impl fmt::Display for ClientName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

impl FromStr for ClientName {
    type Err = PkiError;

    fn from_str(name: &str) -> Result<Self, PkiError> {
        Self::new(name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_dns_name_and_nothing_else() {
        let (long, label) = ("a".repeat(65), format!("{}.b", "a".repeat(62)));
        for name in ["a", "deploy", "ops.example.com", "d0_a0_5e", "a-b.c1", "1a.2b", &label] {
            assert_eq!(ClientName::new(name).map(|name| name.to_string()), Ok(name.to_owned()));
        }
        let wrong = [
            "", ".", "a.", ".a", "a..b", "*", "*.a", "a b", "a/b", "../a", "a\0b", "a\nb", "é", "-a", "a-",
            "a.-b", "10.0.0.1", "7", "a@b", "::1", &long,
        ];
        for name in wrong {
            let refused = ClientName::new(name).unwrap_err().to_string();
            assert!(!refused.contains('\n') && !refused.contains('\0'), "{refused}");
        }
        assert_eq!(ClientName::new("OPS.Example").unwrap(), ClientName::new("ops.example").unwrap());
    }
}
