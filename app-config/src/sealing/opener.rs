//! What opens sealed files, and why a file is not opened. No error repeats a byte of the content, or of a key.

use std::path::{Path, PathBuf};
use std::{error, fmt};

use super::header::HeaderError;
use crate::file::FileError;
use crate::limits::MAX_FILE_BYTES;
use crate::secret::SecretBytes;

/// The config identities of a process: they open sealed files. A [`Sealer`](super::Sealer) reads them.
pub trait Opener: fmt::Debug + Send + Sync {
    /// Opens a sealed file. Returns the whole content as it was sealed.
    ///
    /// # Errors
    /// The file is not sealed in a supported way, no identity opens it, or it was changed since.
    fn open(&self, sealed: &[u8]) -> Result<SecretBytes, OpenError>;

    /// How many identities there are, at least one.
    fn identities(&self) -> usize;

    /// The file that they were read from.
    fn file(&self) -> &Path;

    /// The recipient of each identity, in order.
    fn recipients(&self) -> Vec<String>;

    /// Problems of a file that is not refused. Never repeats the content.
    fn warnings(&self) -> &[String];
}

/// Why a file is not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is larger than [`MAX_FILE_BYTES`].
    TooLarge,
    /// Its header is wrong, or no config identity could open it.
    Header(HeaderError),
    /// No linked crate opens sealed files.
    NotLinked,
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
            Self::NotLinked => f.write_str(
                "the file is sealed, and this program can't open sealed files: link app-sealing (use app_sealing as _;)",
            ),
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

/// Why a file of config identities is refused. Never repeats its content.
#[derive(Debug)]
#[non_exhaustive]
pub enum IdentityError {
    /// It was named, and does not exist.
    Missing,
    /// It can't be read.
    File(FileError),
    /// Its content is wrong. The [`Sealer`](super::Sealer) says why.
    Content(Box<dyn error::Error + Send + Sync>),
}

impl fmt::Display for IdentityError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("there is no such file"),
            Self::File(error) => error.fmt(f),
            Self::Content(error) => error.fmt(f),
        }
    }
}

impl error::Error for IdentityError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::File(error) => error.source(),
            Self::Content(error) => error.source(),
            Self::Missing => None,
        }
    }
}
