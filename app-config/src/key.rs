//! The two halves of a key: a [`Recipient`] seals, its [`Identity`] opens. Both are X25519 keys in age's text form.
//!
//! Errors name no character of a text that is refused: whoever mixes the halves up shows a secret otherwise.

use std::str::FromStr;
use std::{error, fmt};

use age::secrecy::ExposeSecret;

use crate::secret::SecretBytes;

/// Whom a file is sealed to: a public key, such as
/// `age1t7rxyev2z3rw82stdlrrepyc39nvn86l5078zqkf5uasdy86jp6svpy7pa`.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Recipient(age::x25519::Recipient);

/// What opens files that are sealed to its [`Recipient`]: a secret key, which `Debug` does not show.
///
/// ```
/// use app_config::Identity;
///
/// let identity = Identity::generate();
/// let text = identity.secret_text();
/// assert!(text.starts_with(b"AGE-SECRET-KEY-1"));
/// assert_eq!(format!("{identity:?}"), format!("Identity of {}", identity.recipient()));
/// ```
#[derive(Clone)]
pub struct Identity(age::x25519::Identity);

/// Why a text is no key that is supported here. Never repeats the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KeyError {
    /// It does not look like a key of age.
    NotAge,
    /// It begins as it should, and is cut short or mistyped.
    Damaged,
    /// It is a public key where a secret one is needed.
    Public,
    /// It is a secret key where a public one is needed.
    Secret,
    /// It is an SSH key.
    Ssh,
    /// It is a key of an age plugin, or of another type of age's.
    OtherType,
    /// It is one of the few public keys that keep no secret.
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

impl Identity {
    /// A new random one.
    #[must_use]
    pub fn generate() -> Self {
        Self(age::x25519::Identity::generate())
    }

    /// Whom to seal to, for this identity to open it.
    #[must_use]
    pub fn recipient(&self) -> Recipient {
        Recipient(self.0.to_public())
    }

    /// The line that goes into an identity file, without an end of line.
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

impl FromStr for Identity {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        text.parse().map(Self).map_err(|_| judge(text, Half::Secret))
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Identity of {}", self.recipient())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Half {
    Public,
    Secret,
}

/// What a text is that is not the half that was expected.
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
    // Bech32 has no 1 in its data: a second one means a longer prefix, that of another type of key.
    let data =
        text.get(if half == Half::Secret { SECRET.len() + 1 } else { "age1".len() }..).unwrap_or_default();
    match half {
        _ if data.contains('1') || begins("AGE-SECRET-KEY-PQ") => KeyError::OtherType,
        half if half == expected => KeyError::Damaged,
        Half::Secret => KeyError::Secret,
        Half::Public => KeyError::Public,
    }
}

/// The public keys whose shared secret with anybody is zero: age panics when it seals to one.
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
