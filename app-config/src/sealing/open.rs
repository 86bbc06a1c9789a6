//! Opens a sealed file. No error repeats a byte of the content, or of a key.

use std::io::Read;
use std::path::PathBuf;
use std::{error, fmt};

use super::header::{HeaderError, SealedHeader};
use super::identities::ConfigIdentities;
use super::key::ConfigIdentity;
use crate::limits::MAX_FILE_BYTES;
use crate::secret::SecretBytes;

/// Why a file is not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is larger than [`MAX_FILE_BYTES`].
    TooLarge,
    /// Its header is wrong, or no config identity could open it.
    Header(HeaderError),
    /// There is no config identity to open it with.
    NoIdentity,
    /// The file of config identities was refused. That is an error of its own.
    IdentityRefused,
    /// It is sealed to other recipients.
    NoneOpens {
        /// How many config identities were tried.
        identities: usize,
        /// The file that has them.
        file: PathBuf,
    },
    /// Its header was changed after it was sealed.
    HeaderChanged,
    /// Its content was changed or truncated after it was sealed.
    Changed,
    /// It is not sealed, and only sealed files are accepted.
    PlainRefused,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => {
                write!(f, "the file is larger than {MAX_FILE_BYTES} bytes, the most that a config may have")
            }
            Self::Header(error) => error.fmt(f),
            Self::NoIdentity => f.write_str(
                "the file is sealed, and there is no identity to open it: put one into a file config.identity in the \
                 config directory, or name its file with --config-identity",
            ),
            Self::IdentityRefused => {
                f.write_str("the file is sealed, and the file of identities that should open it is refused")
            }
            Self::NoneOpens { identities: 1, file } => write!(
                f,
                "the file is sealed to others: the one identity in {} does not open it",
                file.display()
            ),
            Self::NoneOpens { identities, file } => write!(
                f,
                "the file is sealed to others: none of the {identities} identities in {} opens it",
                file.display()
            ),
            Self::HeaderChanged => {
                f.write_str("the file is not as it was sealed: its header does not match its key")
            }
            Self::Changed => f.write_str("the file is not as it was sealed: it was changed, or cut short"),
            Self::PlainRefused => f.write_str(
                "the file is not sealed, and --require-sealed refuses plain ones: seal it (config seal, or age --recipient age1..)",
            ),
        }
    }
}

impl error::Error for OpenError {}

impl From<HeaderError> for OpenError {
    fn from(error: HeaderError) -> Self {
        Self::Header(error)
    }
}

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
