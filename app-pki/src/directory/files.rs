//! Reading and writing the files of an authority's folder, with checks of permissions.

use std::fs::{File, OpenOptions};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use app_config::SecretBytes;
use app_config::author::{Overwrite, place_file_with_mode};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg, OFlag};

use super::DirectoryError;

/// The largest file. The index of 100,000 certificates is smaller.
const MAX_BYTES: u64 = 64 * 1024 * 1024;
const LOCK: &str = ".lock";
/// How long to wait for another process that holds the lock.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// Who may read and write a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    /// Only the owner reads it.
    Secret,
    /// Everybody reads it, and only the owner writes it.
    Public,
    /// Everybody reads and writes it. Its signature shows whether it can be believed.
    Signed,
}

impl Secrecy {
    fn mode(self) -> u32 {
        match self {
            Self::Secret => 0o400,
            Self::Public | Self::Signed => 0o444,
        }
    }
}

/// Reads a file. It waits for nothing, and follows a link only to a regular file.
pub(super) fn read(path: &Path, secrecy: Secrecy) -> Result<SecretBytes, DirectoryError> {
    let failed = |error| DirectoryError::Io(path.to_owned(), error);
    // This check also comes before the open, because opening a device can have effects.
    let check = |metadata: &std::fs::Metadata| {
        let (mode, path) = (metadata.mode() & 0o7777, path.to_owned());
        if !metadata.is_file() {
            return Err(DirectoryError::NotRegular(path));
        }
        if secrecy == Secrecy::Secret && mode & 0o077 != 0 {
            let (may, cure) = (
                "is a private key that others than its owner may use",
                "chmod 0400, and make a new one if another user may have read it",
            );
            return Err(DirectoryError::Unsafe { path, mode, may, cure });
        }
        if secrecy != Secrecy::Signed && mode & 0o022 != 0 {
            let (may, cure) = ("may be changed by others than its owner", "chmod go-w");
            return Err(DirectoryError::Unsafe { path, mode, may, cure });
        }
        if metadata.len() > MAX_BYTES { Err(DirectoryError::TooLarge(path)) } else { Ok(()) }
    };
    check(&path.metadata().map_err(failed)?)?;
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(failed)?;
    let metadata = file.metadata().map_err(failed)?;
    check(&metadata)?;
    // With room for everything, the vector does not grow. A growing vector leaves copies of a key behind.
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0) + 1);
    file.take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    Ok(SecretBytes::from(bytes))
}

/// Writes a new file.
pub(super) fn place(path: &Path, content: &[u8], secrecy: Secrecy) -> Result<(), DirectoryError> {
    Ok(place_file_with_mode(path, content, Overwrite::Never, secrecy.mode())?)
}

/// Writes a file, which replaces the one of this name.
pub(super) fn replace(path: &Path, content: &[u8], mode: u32) -> Result<(), DirectoryError> {
    Ok(place_file_with_mode(path, content, Overwrite::Force, mode)?)
}

/// Checks that only the owner may write to the folder.
pub(super) fn check_folder(path: &Path) -> Result<(), DirectoryError> {
    let metadata = match path.metadata() {
        Ok(metadata) => metadata,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(DirectoryError::NoDirectory(path.to_owned()));
        }
        Err(error) => return Err(DirectoryError::Io(path.to_owned(), error)),
    };
    if !metadata.is_dir() {
        return Err(DirectoryError::NoDirectory(path.to_owned()));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o022 != 0 {
        let (may, cure) = ("may be changed by others than its owner", "chmod 0700");
        return Err(DirectoryError::Unsafe { path: path.to_owned(), mode, may, cure });
    }
    Ok(())
}

/// The folder's lock, held until this is dropped.
pub(super) struct Lock {
    _held: Flock<File>,
}

impl Lock {
    pub(super) fn take(folder: &Path) -> Result<Self, DirectoryError> {
        let path: PathBuf = folder.join(LOCK);
        let failed = |error| DirectoryError::Io(path.clone(), error);
        let mut options = OpenOptions::new();
        options.read(true).custom_flags(OFlag::O_NOFOLLOW.bits() | OFlag::O_NONBLOCK.bits());
        let mut file = match options.open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                options.write(true).create(true).truncate(false).mode(0o600).open(&path).map_err(failed)?
            }
            opened => opened.map_err(failed)?,
        };
        let deadline = Instant::now() + PATIENCE;
        loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(held) => return Ok(Self { _held: held }),
                Err((back, Errno::EWOULDBLOCK)) if Instant::now() < deadline => file = back,
                Err((_, Errno::EWOULDBLOCK)) => return Err(DirectoryError::Busy(folder.to_owned())),
                Err((_, error)) => return Err(failed(error.into())),
            }
            std::thread::sleep(PAUSE);
        }
    }
}
