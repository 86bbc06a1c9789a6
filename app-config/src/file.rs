//! Reading one file, of the config directory or of identities, whatever it turns out to be.
//!
//! Symbolic links are followed, since Kubernetes mounts secrets as links. What a link or a name leads to is another
//! matter: only a regular file is read, nothing is waited for (a FIFO without a writer, a terminal), and never more than
//! the limit. In a directory to which anybody may add files, its owner has to be trusted.

pub(crate) mod machine;
pub(crate) mod owner;

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::{error, fmt};

use nix::fcntl::OFlag;
use nix::unistd::geteuid;

use self::owner::Way;
use crate::limits::{MAX_FILE_BYTES, MAX_IDENTITIES_BYTES};
use crate::secret::SecretBytes;

/// The permissions that no one but the owner may have: write, for group and others.
const WRITABLE: u32 = 0o022;

/// What a file is read as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A config.
    Config,
    /// One or more identities.
    Identities,
}

impl Kind {
    /// The most bytes that it may have.
    fn limit(self) -> usize {
        match self {
            Self::Config => MAX_FILE_BYTES,
            Self::Identities => MAX_IDENTITIES_BYTES,
        }
    }
}

/// What was read.
pub(crate) struct Content {
    pub(crate) bytes: SecretBytes,
    /// The permissions of the file.
    pub(crate) mode: u32,
    /// Whether [`is_private`] holds.
    pub(crate) private: bool,
}

/// Why a file was not read.
#[derive(Debug)]
#[non_exhaustive]
pub enum FileError {
    /// Looking at it, or opening it, failed.
    Open(io::Error),
    /// It is a symbolic link that leads to nothing.
    Dangling,
    /// It is no regular file.
    NotRegular {
        /// What it is.
        kind: &'static str,
    },
    /// Others than its owner may change it.
    Writable {
        /// Its permissions.
        mode: u32,
    },
    /// Anybody may have made it.
    Owner {
        /// The file, or a link or directory on the way to it.
        path: PathBuf,
        /// Whose it is.
        uid: u32,
        /// Whether the user id is that of one user. Otherwise it stands for all that this user namespace does not know.
        known: bool,
        /// Where it is: a directory to which anybody may add files.
        directory: PathBuf,
    },
    /// It has other names too, and anybody may have given it this one.
    Linked {
        /// The file.
        path: PathBuf,
        /// Where it is: a directory to which anybody may add files.
        directory: PathBuf,
    },
    /// It was replaced each time while it was read, in a directory to which anybody may add files.
    Replaced,
    /// It is larger than it may be.
    TooLarge {
        /// What it was read as.
        kind: Kind,
    },
    /// Reading failed.
    Read(io::Error),
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("the file can't be opened"),
            Self::Dangling => f.write_str("the file is a symbolic link that leads to nothing"),
            Self::NotRegular { kind } => write!(f, "the file is {kind}, not a regular file"),
            Self::Writable { mode } => {
                write!(f, "the file may be changed by others than its owner (mode {mode:04o}): chmod go-w")
            }
            Self::Owner { path, uid, known, directory } => {
                let (path, directory) = (shown(path), shown(directory));
                let whose = if *known { "" } else { ", which stands for all that are not known in this user namespace" };
                write!(
                    f,
                    "{path} belongs to user {uid}{whose}, and anybody may add files to {directory}: chmod o-w {directory}, and \
                     chown root the file if it is a good one"
                )
            }
            Self::Linked { path, directory } => {
                let (path, directory) = (shown(path), shown(directory));
                write!(
                    f,
                    "{path} has another name (a hard link), and anybody may add names to {directory}: chmod o-w {directory}, and \
                     put a copy in its place if it is a good one"
                )
            }
            Self::Replaced => f.write_str(
                "the file is replaced again and again while it is read, in a directory to which anybody may add files: chmod o-w",
            ),
            Self::TooLarge { kind } => {
                let what = match kind {
                    Kind::Config => "a config",
                    Kind::Identities => "a file of identities",
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

/// A path for people, in one line.
fn shown(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// A file that is replaced while it is read is read again, so many times in all.
const ATTEMPTS: usize = 3;

/// The content of the file, or `None` if there is no such file.
pub(crate) fn read(path: &Path, kind: Kind) -> Result<Option<Content>, FileError> {
    for _ in 0..ATTEMPTS {
        match read_once(path, kind) {
            Err(FileError::Replaced) => {}
            read => return read,
        }
    }
    Err(FileError::Replaced)
}

fn read_once(path: &Path, kind: Kind) -> Result<Option<Content>, FileError> {
    // Looked at before it is opened too: opening a device may do something.
    match path.metadata() {
        Ok(metadata) => check(&metadata, kind)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let dangling = path.symlink_metadata().is_ok();
            return if dangling { Err(FileError::Dangling) } else { Ok(None) };
        }
        Err(error) => return Err(FileError::Open(error)),
    }
    let file = open(path).map_err(FileError::Open)?;
    // What was opened counts, not what was there before.
    let metadata = file.metadata().map_err(FileError::Read)?;
    check(&metadata, kind)?;
    if owner::check(path, &metadata)? == Way::Replaced {
        return Err(FileError::Replaced);
    }
    let limit = kind.limit();
    // Room for all that is there, so that the buffer does not move while it is filled.
    let room = usize::try_from(metadata.len()).unwrap_or(limit).min(limit) + 1;
    let mut bytes = SecretBytes::with_capacity(room);
    file.take(limit as u64 + 1).read_to_end(bytes.vec_mut()).map_err(FileError::Read)?;
    if bytes.len() > limit {
        return Err(FileError::TooLarge { kind });
    }
    Ok(Some(Content { bytes, mode: permissions(&metadata), private: is_private(&metadata) }))
}

/// Opens without waiting and without taking a terminal; the standard library closes the file in child processes.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

/// Whether a file is fit for a secret: nobody but its owner can use it, or a group may read it, and the owner is root or this
/// process's user.
///
/// The second is how secrets are handed to a service that does not run as root: Kubernetes gives files to root and the `fsGroup`
/// of the pod (mode 0440), and systemd lets a user read its credentials by an access control list, which shows as mode 0440.
#[must_use]
pub fn is_private(metadata: &Metadata) -> bool {
    let mode = permissions(metadata);
    let of_ours = [0, geteuid().as_raw()].contains(&metadata.uid());
    mode & 0o077 == 0 || (mode & 0o037 == 0 && of_ours)
}

fn permissions(metadata: &Metadata) -> u32 {
    metadata.mode() & 0o7777
}

fn check(metadata: &Metadata, kind: Kind) -> Result<(), FileError> {
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
