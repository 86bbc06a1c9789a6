//! The two halves of a key: a [`Recipient`] seals, its [`ConfigIdentity`] opens. Both are X25519 keys in age's text form.
//!
//! No error repeats the refused text: it may be the secret half, in place of the public one.

use std::str::FromStr;
use std::{error, fmt};

use age::secrecy::ExposeSecret;
use app_config::SecretBytes;

/// A public key that a file is sealed to, such as
/// `age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient(age::x25519::Recipient);

/// A secret key that opens the files that are sealed to its [`Recipient`]. `Debug` does not show it.
///
/// ```
/// use app_sealing::ConfigIdentity;
///
/// let identity = ConfigIdentity::generate();
/// let text = identity.secret_text();
/// assert!(text.starts_with(b"AGE-SECRET-KEY-1"));
/// assert_eq!(format!("{identity:?}"), format!("ConfigIdentity of {}", identity.recipient()));
/// ```
#[derive(Clone)]
pub struct ConfigIdentity(age::x25519::Identity);

/// Why a text is not a supported key. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It is not a key of age.
    NotAge,
    /// It begins as a key, and is truncated or mistyped.
    Damaged,
    /// It is a public key where a secret one is needed.
    Public,
    /// It is a secret key where a public one is needed.
    Secret,
    /// It is an SSH key.
    Ssh,
    /// It is a key of an age plugin, or of another type.
    OtherType,
    /// It is one of the few public keys that do not protect the content.
    Weak,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NotAge => "it is no age key",
            Self::Damaged => "it begins as an age key and is cut short or mistyped: copy it again, as a whole",
            Self::Public => "it is a public key (a recipient), and an identity is needed: AGE-SECRET-KEY-1..",
            Self::Secret => "it is a secret key (an identity), and a public one is needed: age1..",
            Self::Ssh => "SSH keys are not supported: make an age key with age-keygen",
            Self::OtherType => {
                "keys of age plugins and post-quantum keys are not supported: make an X25519 key with age-keygen"
            }
            Self::Weak => "it is a public key that keeps no secret (a point of low order)",
        })
    }
}

impl error::Error for KeyError {}

impl FromStr for Recipient {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        let recipient: age::x25519::Recipient = text.parse().map_err(|_| judge(text, Half::Public))?;
        if LOW_ORDER.contains(&recipient.to_string().as_str()) {
            return Err(KeyError::Weak);
        }
        Ok(Self(recipient))
    }
}

impl Recipient {
    pub(crate) fn as_age(&self) -> &dyn age::Recipient {
        &self.0
    }
}

impl fmt::Display for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for Recipient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recipient({self})")
    }
}

impl ConfigIdentity {
    /// Makes a new random identity.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// The recipient whose files this identity opens.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The line for a file of identities, without a line break.
    #[must_use]
    pub fn secret_text(&self) -> SecretBytes {
        let text = self.0.to_string();
        let text = text.expose_secret().as_bytes();
        let mut bytes = SecretBytes::with_capacity(text.len());
        bytes.vec_mut().extend_from_slice(text);
        bytes
    }

    pub(crate) fn as_age(&self) -> &dyn age::Identity {
        &self.0
    }
}

impl FromStr for ConfigIdentity {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self).map_err(|_| judge(text, Half::Secret))
    }
}

impl fmt::Debug for ConfigIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConfigIdentity of {}", self.recipient())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Public,
    Secret,
}

/// Why the text is not the expected half.
fn judge(text: &str, expected: Half) -> KeyError {
    const SECRET: &str = "AGE-SECRET-KEY-";
    const SSH: [&str; 4] = ["ssh-", "ecdsa-sha2-", "sk-ssh-", "-----BEGIN "];
    let begins = |with: &str| text.get(..with.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(with));
    let half = if begins(SECRET) {
        Half::Secret
    } else if begins("age1") {
        Half::Public
    } else if SSH.into_iter().any(|with| text.starts_with(with)) {
        return KeyError::Ssh;
    } else if begins("AGE-PLUGIN-") {
        return KeyError::OtherType;
    } else {
        return KeyError::NotAge;
    };
    // Bech32 data has no digit 1. A second one means a longer prefix: another type of key.
    let data =
        text.get(if half == Half::Secret { SECRET.len() + 1 } else { "age1".len() }..).unwrap_or_default();
    match half {
        _ if data.contains('1') || begins("AGE-SECRET-KEY-PQ") => KeyError::OtherType,
        half if half == expected => KeyError::Damaged,
        Half::Secret => KeyError::Secret,
        Half::Public => KeyError::Public,
    }
}

/// The public keys whose shared secret is always zero. age panics when it seals to one.
///
/// Source: the points of order 1, 2, 4 and 8 in <https://cr.yp.to/ecdh.html#validate>, each with the top bit clear and set,
/// since X25519 ignores it.
const LOW_ORDER: [&str; 14] = [
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqq5cu47z",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqj7vrya",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhqqqzyt4v9",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz9ts6wm9s8",
    "age1anlllllllllllllllllllllllllllllllllllllllllllllllals4n2t7m",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllalsn46ayy",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllalselrwrv",
    "age1qqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqsuwj9m",
    "age1qyqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqqzqqk67yly",
    "age1ur4h5lpmgxu2u9jku0a0r87ydtdqnr0tnsetrlvxvgz3vh6fhzqqxqejhu",
    "age1t7wft09r2zxzfvwsk92eeql0tvzyghxytqwgapkcyf8dm5ylz8ts72fzt7",
    "age1anllllllllllllllllllllllllllllllllllllllllllllllllls3hcv9z",
    "age1ahlllllllllllllllllllllllllllllllllllllllllllllllllsh3g6la",
    "age1amlllllllllllllllllllllllllllllllllllllllllllllllllsam3fc4",
];

#[cfg(test)]
mod tests;
