//! Why a sealed file is not opened, and why something is not sealed. Never with a byte of what is inside, or of a key.

use std::path::PathBuf;
use std::{error, fmt};

use super::{MAX_HEADER_BYTES, MAX_RECIPIENTS};
use crate::limits::MAX_FILE_BYTES;
use crate::problems::quoted;

/// Why a sealed file is not opened.
#[derive(Debug)]
#[non_exhaustive]
pub enum OpenError {
    /// It is not sealed.
    NotSealed,
    /// It is larger than [`MAX_FILE_BYTES`].
    TooLarge,
    /// It is in age's text form.
    Armored,
    /// It is of another version of age's format.
    UnknownVersion,
    /// It ends inside its header, or right after it.
    CutShort,
    /// Its header does not end within [`MAX_HEADER_BYTES`].
    HeaderTooLarge,
    /// Its header is not what age writes.
    HeaderMalformed,
    /// It is sealed with a passphrase.
    Passphrase,
    /// It is sealed to recipients that are not supported, and to no other.
    OtherRecipients {
        /// The types of its stanzas, as the file names them.
        types: Vec<String>,
    },
    /// There is no identity to open it with.
    NoIdentity,
    /// There is a file of identities, and it was refused: it has an error of its own.
    IdentityRefused,
    /// It is sealed to others.
    NoneOpens {
        /// How many identities were tried.
        identities: usize,
        /// Where they are from.
        file: PathBuf,
    },
    /// Its header was changed after it was sealed.
    HeaderChanged,
    /// Its content was changed or cut short after it was sealed.
    Changed,
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSealed => f.write_str("the file is not sealed (age)"),
            Self::TooLarge => {
                write!(f, "the file is larger than {MAX_FILE_BYTES} bytes, the most that a config may have")
            }
            Self::Armored => f.write_str("the file is sealed in age's text form: seal it without --armor"),
            Self::UnknownVersion => {
                f.write_str("the file is sealed in a version of age's format that is not known here")
            }
            Self::CutShort => f.write_str("the sealed file is cut short"),
            Self::HeaderTooLarge => write!(
                f,
                "the header of the sealed file does not end within {MAX_HEADER_BYTES} bytes, the most that is allowed: \
                 seal it to fewer recipients"
            ),
            Self::HeaderMalformed => f.write_str("the header of the sealed file is malformed"),
            Self::Passphrase => {
                f.write_str("the file is sealed with a passphrase: seal it to a recipient (age --recipient age1..)")
            }
            Self::OtherRecipients { types } => {
                let shown: Vec<_> = types.iter().take(4).map(|name| quoted(name)).collect();
                let more = if types.len() > shown.len() { ", .." } else { "" };
                write!(
                    f,
                    "the file is sealed to {}{more}, and only X25519 recipients (age1..) are supported",
                    shown.join(", ")
                )
            }
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
        }
    }
}

impl error::Error for OpenError {}

/// Why something is not sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SealError {
    /// Nobody could open it.
    NoRecipient,
    /// There are more than [`MAX_RECIPIENTS`].
    TooManyRecipients {
        /// How many.
        recipients: usize,
    },
    /// It is sealed already.
    Sealed,
    /// Sealed it would have more than [`MAX_FILE_BYTES`].
    TooLarge {
        /// How many bytes it would have.
        bytes: usize,
    },
}

impl fmt::Display for SealError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoRecipient => f.write_str("there is no recipient: nobody could open it"),
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
