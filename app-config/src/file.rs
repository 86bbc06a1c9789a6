//! Reads one file of configs or of config identities.
//!
//! Symbolic links are followed, since Kubernetes mounts secrets as links. Only a regular file is read, up to the limit. Opening
//! never waits, such as for a FIFO without a writer or for a terminal. In a directory to which everyone may add files, the owner
//! of the file must be trusted.

mod located;
pub(crate) mod machine;
pub(crate) mod owner;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::{error, fmt};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

pub use self::located::Located;
pub(crate) use self::located::{IDENTITIES, shown};
use self::owner::{OwnerError, Way};
use crate::limits::{MAX_FILE_BYTES, MAX_IDENTITIES_BYTES};
use crate::secret::SecretBytes;

/// The permission that only the owner may have: write access of group and others is refused.
const WRITABLE: u32 = 0o022;

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// A config.
    Config,
    /// Config identities.
    Identities,
}

impl FileKind {
    /// The most bytes that it may have.
    fn limit(self) -> usize {
        match self {
            Self::Config => MAX_FILE_BYTES,
            Self::Identities => MAX_IDENTITIES_BYTES,
        }
    }
}

/// What was read.
#[derive(Debug)]
#[non_exhaustive]
pub struct FileContent {
    /// The whole content.
    pub bytes: SecretBytes,
    /// The permissions of the file.
    pub mode: u32,
    /// Whether [`is_private`] holds.
    pub private: bool,
}

/// Why a file was not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// It can't be looked at or opened.
    Open(io::Error),
    /// It is a symbolic link to a path that does not exist.
    Dangling,
    /// It is not a regular file.
    NotRegular {
        /// What it is.
        kind: &'static str,
    },
    /// Users other than its owner may change it.
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// It is in a directory to which everyone may add files, and its owner is not trusted.
    Owner(OwnerError),
    /// It was replaced each time while it was read, in a directory to which everyone may add files.
    Replaced,
    /// It is larger than it may be.
    TooLarge {
        /// What it was read as.
        kind: FileKind,
    },
    /// Reading failed.
    Read(io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("the file can't be opened"),
            Self::Dangling => f.write_str("the file is a symbolic link to a path that does not exist"),
            Self::NotRegular { kind } => write!(f, "the file is {kind}, not a regular file"),
            Self::Writable { mode } => {
                write!(f, "the file may be changed by others than its owner (mode {mode:04o}): chmod go-w")
            }
            Self::Owner(error) => error.fmt(f),
            Self::Replaced => f.write_str(
                "the file is replaced again and again while it is read, in a directory to which everyone may add files: chmod o-w",
            ),
            Self::TooLarge { kind } => {
                let what = match kind {
                    FileKind::Config => "a config",
                    FileKind::Identities => "a file of identities",
                };
                write!(f, "the file is larger than {} bytes, the most that {what} may have", kind.limit())
            }
            Self::Read(_) => f.write_str("the file can't be read"),
        }
    }
}

impl error::Error for FileError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Open(cause) | Self::Read(cause) => Some(cause),
            _ => None,
        }
    }
}

impl From<OwnerError> for FileError {
    fn from(error: OwnerError) -> Self {
        match error {
            OwnerError::Open(error) => Self::Open(error),
            error => Self::Owner(error),
        }
    }
}

/// How many times a file is read that is replaced while it is read.
const ATTEMPTS: usize = 3;

/// The content of the file, or `None` if there is no such file.
///
/// # Errors
/// It is no regular file, may be changed by others, is larger than it may be, or can't be read.
pub fn read(path: &Path, kind: FileKind) -> Result<Option<FileContent>, FileError> {
    for _ in 0..ATTEMPTS {
        match read_once(path, kind) {
            Err(FileError::Replaced) => {}
            read => return read,
        }
    }
    Err(FileError::Replaced)
}

fn read_once(path: &Path, kind: FileKind) -> Result<Option<FileContent>, FileError> {
    // Checked before it is opened too, since opening a device can have an effect.
    match path.metadata() {
        Ok(metadata) => check(&metadata, kind)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let dangling = path.symlink_metadata().is_ok();
            return if dangling { Err(FileError::Dangling) } else { Ok(None) };
        }
        Err(error) => return Err(FileError::Open(error)),
    }
    let file = open(path).map_err(FileError::Open)?;
    // Checked again: the path may have changed since.
    let metadata = file.metadata().map_err(FileError::Read)?;
    check(&metadata, kind)?;
    if owner::check(path, &metadata)? == Way::Replaced {
        return Err(FileError::Replaced);
    }
    let limit = kind.limit();
    // Room for the whole file, so that the buffer does not move while it is filled.
    let room = usize::try_from(metadata.len()).unwrap_or(limit).min(limit) + 1;
    let mut bytes = SecretBytes::with_capacity(room);
    file.take(limit as u64 + 1).read_to_end(bytes.vec_mut()).map_err(FileError::Read)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { kind });
    }
    Ok(Some(FileContent { bytes, mode: permissions(&metadata), private: is_private(&metadata) }))
}

/// Opens without waiting, and without making a terminal the controlling one. The standard library closes the file in child
/// processes.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Whether a file is fit for a secret: only its owner has access to it. A group may read it if the owner is root or the user of
/// this process.
///
/// A service that does not run as root gets its secrets through a group. Kubernetes gives files to root and the `fsGroup` of the
/// pod (mode 0440). systemd lets a user read credentials by an access control list, which shows as mode 0440.
#[must_use]
pub fn is_private(metadata: &Metadata) -> bool {
    let mode = permissions(metadata);
    let of_ours = [0, geteuid().as_raw()].contains(&metadata.uid());
    mode & 0o077 == 0 || (mode & 0o037 == 0 && of_ours)
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn check(metadata: &Metadata, kind: FileKind) -> Result<(), FileError> {
    let found = metadata.file_type();
    if !found.is_file() {
        return Err(FileError::NotRegular {
            kind: match () {
                () if found.is_dir() => "a directory",
                () if found.is_fifo() => "a FIFO",
                () if found.is_socket() => "a socket",
                () => "a device",
            },
        });
    }
    let mode = permissions(metadata);
    if mode & WRITABLE != 0 {
        return Err(FileError::Writable { mode });
    }
    if metadata.len() > kind.limit() as u64 {
        return Err(FileError::TooLarge { kind });
    }
    Ok(())
}

#[cfg(test)]
mod tests;
