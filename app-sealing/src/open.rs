//! Opens a sealed file. No error repeats a byte of the content, or of a key.

use std::io::Read;

use app_config::SecretBytes;
use app_config::codec::MAX_FILE_BYTES;
use app_config::sealing::{HeaderError, OpenError, SealedHeader};

use crate::identities::ConfigIdentities;
use crate::key::ConfigIdentity;

/// Opens a sealed file. Returns the whole content as it was sealed.
///
/// # Errors
/// The file is not sealed in a supported way, no config identity opens it, or it was changed since.
pub fn open(sealed: &[u8], identities: &ConfigIdentities) -> Result<SecretBytes, OpenError> {
    if sealed.len() > MAX_FILE_BYTES {
        return Err(OpenError::TooLarge);
    }
    SealedHeader::read(sealed)?.check()?;
    let file = age::Decryptor::new_buffered(sealed).map_err(|error| refusal(&error, identities))?;
    let keys = identities.iter().map(ConfigIdentity::as_age);
    let content = file.decrypt(keys).map_err(|error| refusal(&error, identities))?;
    // The content is smaller than the sealed file, so the buffer never grows.
    let mut plain = SecretBytes::with_capacity(sealed.len());
    let limit = MAX_FILE_BYTES as u64 + 1;
    content.take(limit).read_to_end(plain.vec_mut()).map_err(|_| OpenError::Changed)?;
    if plain.len() > MAX_FILE_BYTES { Err(OpenError::TooLarge) } else { Ok(plain) }
}

/// Replaces the texts of age, which are for users of its program and in their language.
fn refusal(error: &age::DecryptError, identities: &ConfigIdentities) -> OpenError {
    match error {
        age::DecryptError::NoMatchingKeys => {
            OpenError::NoneOpens { identities: identities.len(), file: identities.file().to_owned() }
        }
        age::DecryptError::InvalidMac => OpenError::HeaderChanged,
        age::DecryptError::Io(_) => HeaderError::CutShort.into(),
        _ => HeaderError::Malformed.into(),
    }
}
