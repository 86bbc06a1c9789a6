//! Reading one file of the config directory, whatever it turns out to be.
//!
//! Symbolic links are followed, since Kubernetes mounts secrets as links. What a link or a name leads to is another
//! matter: only a regular file is read, nothing is waited for (a FIFO without a writer, a terminal), and never more than
//! the limit.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::{error, fmt};

use nix::fcntl::OFlag;

use crate::limits::MAX_FILE_BYTES;

/// The permissions that no one but the owner may have: write, for group and others.
const WRITABLE: u32 = 0o022;

/// Why a config file was not read.
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
    /// It is larger than [`MAX_FILE_BYTES`].
    TooLarge,
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
            Self::TooLarge => {
                write!(f, "the file is larger than {MAX_FILE_BYTES} bytes, the most that a config may have")
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

/// The content of the file, or `None` if there is no such file.
pub(crate) fn read(path: &Path) -> Result<Option<Vec<u8>>, FileError> {
    // Looked at before it is opened too: opening a device may do something.
    match path.metadata() {
        Ok(metadata) => check(&metadata)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let dangling = path.symlink_metadata().is_ok();
            return if dangling { Err(FileError::Dangling) } else { Ok(None) };
        }
        Err(error) => return Err(FileError::Open(error)),
    }
    let file = open(path).map_err(FileError::Open)?;
    // What was opened counts, not what was there before.
    check(&file.metadata().map_err(FileError::Read)?)?;
    let mut content = Vec::new();
    let limit = MAX_FILE_BYTES as u64 + 1;
    file.take(limit).read_to_end(&mut content).map_err(FileError::Read)?;
    if content.len() > MAX_FILE_BYTES { Err(FileError::TooLarge) } else { Ok(Some(content)) }
}

/// Opens without waiting and without taking a terminal; the standard library closes the file in child processes.
fn open(path: &Path) -> io::Result<File> {
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn check(metadata: &Metadata) -> Result<(), FileError> {
    let kind = metadata.file_type();
    if !kind.is_file() {
        return Err(FileError::NotRegular {
            kind: match () {
                () if kind.is_dir() => "a directory",
                () if kind.is_fifo() => "a FIFO",
                () if kind.is_socket() => "a socket",
                () => "a device",
            },
        });
    }
    let mode = metadata.mode() & 0o7777;
    if mode & WRITABLE != 0 {
        return Err(FileError::Writable { mode });
    }
    if metadata.len() > MAX_FILE_BYTES as u64 {
        return Err(FileError::TooLarge);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
