//! Errors of an authority's folder.

use std::path::PathBuf;
use std::{error, fmt, io};

use app_config::author::PlaceError;

use crate::{PkiError, Serial};

/// Why a command changed nothing. The rules of the folder still hold.
#[derive(Debug)]
#[non_exhaustive]
pub enum DirectoryError {
    /// The content of this file, or the request about it, is not possible.
    Pki(PathBuf, PkiError),
    /// The request is not possible.
    Asked(PkiError),
    /// The system refuses the access to this file.
    Io(PathBuf, io::Error),
    /// A file can't be put in its place.
    Place(PlaceError),
    /// The path of the new folder exists already.
    Exists(PathBuf),
    /// The path does not end with the name of a folder.
    NoName(PathBuf),
    /// There is no authority in this folder.
    NoDirectory(PathBuf),
    /// There is a valid certificate with this name already.
    Issued(PathBuf),
    /// Others than the owner have too many rights.
    Unsafe {
        /// The file or folder.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
        /// What others may do.
        may: &'static str,
        /// What to do.
        cure: &'static str,
    },
    /// The path is not a regular file.
    NotRegular(PathBuf),
    /// The file is too large.
    TooLarge(PathBuf),
    /// The index is damaged.
    Index {
        /// The index.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// Another process holds the lock for too long.
    Busy(PathBuf),
    /// No certificate with this serial number was issued here.
    UnknownSerial(Serial),
    /// The certificate is not for a server or a client of this platform.
    OtherKind(PathBuf),
}

impl fmt::Display for DirectoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pki(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Asked(error) => write!(f, "{error}"),
            Self::Io(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Place(PlaceError::Exists(path)) => {
                write!(f, "{} exists, and keys and certificates are never overwritten", path.display())
            }
            Self::Place(error) => match error::Error::source(error) {
                Some(cause) => write!(f, "{error}: {cause}"),
                None => write!(f, "{error}"),
            },
            Self::Exists(path) => {
                write!(f, "{} exists: an authority is made in a new folder", path.display())
            }
            Self::NoName(path) => write!(f, "{:?} does not end with the name of a folder", path.display()),
            Self::NoDirectory(path) => write!(
                f,
                "{} is no folder of an authority: it has no index.json (\"appctl pki init DIR\" makes one)",
                path.display()
            ),
            Self::Issued(path) => write!(
                f,
                "{} exists: renew it (\"appctl pki renew\"), or put the new one into another folder (--output)",
                path.display()
            ),
            Self::Unsafe { path, mode, may, cure } => {
                write!(f, "{} {may} (mode {mode:04o}): {cure}", path.display())
            }
            Self::NotRegular(path) => write!(f, "{} is not a regular file", path.display()),
            Self::TooLarge(path) => write!(f, "{} is larger than any such file", path.display()),
            Self::Index { path, reason } => write!(
                f,
                "{} is damaged: {reason} (put a copy of it back; what is on crl.pem stays revoked)",
                path.display()
            ),
            Self::Busy(path) => {
                write!(
                    f,
                    "{}: another process works on this folder: try again when it has ended",
                    path.display()
                )
            }
            Self::UnknownSerial(serial) => {
                write!(
                    f,
                    "nothing of the serial number {serial} was issued here (\"appctl pki show DIR\" lists what was)"
                )
            }
            Self::OtherKind(path) => {
                write!(f, "{} is neither of a server nor of a client of this platform", path.display())
            }
        }
    }
}

impl error::Error for DirectoryError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Io(_, cause) => Some(cause),
            Self::Pki(_, cause) | Self::Asked(cause) => Some(cause),
            Self::Place(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<PkiError> for DirectoryError {
    fn from(error: PkiError) -> Self {
        Self::Asked(error)
    }
}

impl From<PlaceError> for DirectoryError {
    fn from(error: PlaceError) -> Self {
        Self::Place(error)
    }
}
