//! Seals the content of a config file.

use std::io::{self, Write};
use std::{error, fmt};

use app_config::codec::MAX_FILE_BYTES;
use app_config::sealing::{MAX_HEADER_BYTES, MAX_RECIPIENTS, is_sealed};

use crate::key::Recipient;

/// Why content is not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// There is no recipient.
    NoRecipient,
    /// There are more than [`MAX_RECIPIENTS`].
    TooManyRecipients {
        /// How many.
        recipients: usize,
    },
    /// It is sealed already.
    Sealed,
    /// The sealed file would have more than [`MAX_FILE_BYTES`].
    TooLarge {
        /// How many bytes it would have.
        bytes: usize,
    },
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipient => {
                f.write_str("there is no recipient, so the file could never be opened: name one")
            }
            Self::TooManyRecipients { recipients } => write!(
                f,
                "there are {recipients} recipients, more than the {MAX_RECIPIENTS} that a config may be sealed to"
            ),
            Self::Sealed => f.write_str("it is sealed already"),
            Self::TooLarge { bytes } => write!(
                f,
                "the sealed file would have {bytes} bytes, more than the {MAX_FILE_BYTES} that are allowed"
            ),
        }
    }
}

impl error::Error for SealError {}

/// Seals content. Each recipient can open it with one of its identities.
///
/// # Errors
/// There is no recipient, or there are too many. The content is sealed already. The sealed file would be too large for a
/// config.
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "writing to a vector succeeds")]
pub fn seal(plain: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, SealError> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(SealError::TooManyRecipients { recipients: recipients.len() });
    }
    if is_sealed(plain) {
        return Err(SealError::Sealed);
    }
    // Sealing adds at least the header, so larger content can't fit.
    if plain.len() > MAX_FILE_BYTES {
        return Err(SealError::TooLarge { bytes: plain.len() });
    }
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(Recipient::as_age));
    // X25519 recipients can be combined, so this fails only if there are none.
    let encryptor = encryptor.map_err(|_| SealError::NoRecipient)?;
    let sealed = write(encryptor, plain).expect("a vector");
    if sealed.len() > MAX_FILE_BYTES {
        return Err(SealError::TooLarge { bytes: sealed.len() });
    }
    Ok(sealed)
}

pub(crate) fn write(encryptor: age::Encryptor, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = encryptor.wrap_output(Vec::with_capacity(plain.len() + MAX_HEADER_BYTES))?;
    writer.write_all(plain)?;
    writer.finish()
}
