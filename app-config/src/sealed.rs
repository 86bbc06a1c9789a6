//! Sealed files: what is in them only the recipients can read, and nobody can change unnoticed.
//!
//! They are files of age, <https://c2sp.org/age>, as its program and libraries write and read them, in the binary form and with
//! X25519 recipients. Opening goes from the outside in, as with the [framing](crate::unmarshal):
//!
//! 1. the magic and the [header](SealedHeader), within [`MAX_HEADER_BYTES`];
//! 2. the identities, of which one has to open it;
//! 3. the whole content, authenticated to its end before anybody sees a byte of it.
//!
//! A seal says nothing about who made it: everybody who knows a recipient can seal to it. Who may put files into the config
//! directory is a matter of the directory.

mod errors;
mod header;
#[cfg(test)]
mod tests;

use std::io::{self, Read, Write};

pub use self::errors::{OpenError, SealError};
pub use self::header::SealedHeader;
use crate::identities::Identities;
use crate::key::{Identity, Recipient};
use crate::limits::MAX_FILE_BYTES;
use crate::secret::SecretBytes;

/// How every file that age seals begins; its version follows.
const MAGIC: &[u8] = b"age-encryption.org/";

/// The same in age's text form.
const ARMOR: &[u8] = b"-----BEGIN AGE ENCRYPTED FILE-----";

/// Bytes in the header of a sealed file.
pub const MAX_HEADER_BYTES: usize = 4096;

/// Recipients of a sealed file: their stanzas, of 98 bytes each, fit into [`MAX_HEADER_BYTES`] with room to spare for what
/// age adds at random.
pub const MAX_RECIPIENTS: usize = 32;

/// Whether the file is sealed, or was until it was cut short. In age's text form too, which is recognised only to be refused.
#[must_use]
pub fn is_sealed(file: &[u8]) -> bool {
    file.starts_with(MAGIC) || file.starts_with(ARMOR) || (!file.is_empty() && MAGIC.starts_with(file))
}

/// Seals so that each of the recipients can open it with one of his identities.
///
/// ```
/// use app_config::{Identities, Identity, open, seal};
///
/// let identity = Identity::generate();
/// let sealed = seal(b"the content of a config file", &[identity.recipient()])?;
/// let identities = Identities::of([identity])?;
/// assert_eq!(&*open(&sealed, &identities)?, b"the content of a config file");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
/// There is no recipient, or there are too many; the content is sealed already, or too large to be read as a config once it is
/// sealed.
#[expect(clippy::expect_used, clippy::missing_panics_doc, reason = "a vector takes what is written to it")]
pub fn seal(plain: &[u8], recipients: &[Recipient]) -> Result<Vec<u8>, SealError> {
    if recipients.len() > MAX_RECIPIENTS {
        return Err(SealError::TooManyRecipients { recipients: recipients.len() });
    }
    if is_sealed(plain) {
        return Err(SealError::Sealed);
    }
    // Sealing adds at least the header; what is larger than this need not be tried.
    if plain.len() > MAX_FILE_BYTES {
        return Err(SealError::TooLarge { bytes: plain.len() });
    }
    let encryptor = age::Encryptor::with_recipients(recipients.iter().map(Recipient::as_age));
    // X25519 recipients go together with each other: this fails only without any.
    let encryptor = encryptor.map_err(|_| SealError::NoRecipient)?;
    let sealed = write(encryptor, plain).expect("a vector");
    if sealed.len() > MAX_FILE_BYTES {
        return Err(SealError::TooLarge { bytes: sealed.len() });
    }
    Ok(sealed)
}

fn write(encryptor: age::Encryptor, plain: &[u8]) -> io::Result<Vec<u8>> {
    let mut writer = encryptor.wrap_output(Vec::with_capacity(plain.len() + MAX_HEADER_BYTES))?;
    writer.write_all(plain)?;
    writer.finish()
}

/// Opens a sealed file: its content, all of it and as it was sealed.
///
/// # Errors
/// The file is not sealed in a way that is supported, none of the identities opens it, or it was changed since.
pub fn open(sealed: &[u8], identities: &Identities) -> Result<SecretBytes, OpenError> {
    if sealed.len() > MAX_FILE_BYTES {
        return Err(OpenError::TooLarge);
    }
    check(sealed)?;
    let file = age::Decryptor::new_buffered(sealed).map_err(|error| refusal(&error, identities))?;
    let keys = identities.iter().map(Identity::as_age);
    let content = file.decrypt(keys).map_err(|error| refusal(&error, identities))?;
    // What is inside is smaller than what is around it, so this never grows.
    let mut plain = SecretBytes::with_capacity(sealed.len());
    let limit = MAX_FILE_BYTES as u64 + 1;
    content.take(limit).read_to_end(plain.vec_mut()).map_err(|_| OpenError::Changed)?;
    if plain.len() > MAX_FILE_BYTES { Err(OpenError::TooLarge) } else { Ok(plain) }
}

/// Whether an identity could open the file, as far as can be told without one.
pub(crate) fn check(sealed: &[u8]) -> Result<(), OpenError> {
    SealedHeader::read(sealed)?.check()
}

/// The error of age in our words: its own are for users of its program, in their language.
fn refusal(error: &age::DecryptError, identities: &Identities) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys => {
            OpenError::NoneOpens { identities: identities.len(), file: identities.file().to_owned() }
        }
        age::DecryptError::InvalidMac => OpenError::HeaderChanged,
        age::DecryptError::Io(_) => OpenError::CutShort,
        _ => OpenError::HeaderMalformed,
    }
}
