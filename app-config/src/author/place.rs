//! Putting a config file where it is read: whole or not at all, for its owner's eyes, and over nothing by accident.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{error, fmt, process};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// Only the owner reads, and nobody writes: a config is replaced, never changed.
const MODE: u32 = 0o400;

/// What to do with a file that is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overwrite {
    /// Leave it alone, and fail.
    Never,
    /// Replace it.
    Force,
}

/// Why a file was not put in its place. Nothing was changed.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlaceError {
    /// There is a file already.
    Exists(PathBuf),
    /// The path does not end with the name of a file.
    NoName(PathBuf),
    /// The file can't be written beside its place.
    Write(PathBuf, io::Error),
    /// The file can't get its name.
    Rename(PathBuf, io::Error),
}

impl fmt::Display for PlaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exists(path) => write!(f, "{} exists: it is not overwritten unless forced", path.display()),
            Self::NoName(path) => write!(f, "{:?} does not end with the name of a file", path.display()),
            Self::Write(path, _) => write!(f, "{} can't be written", path.display()),
            Self::Rename(path, _) => write!(f, "{} can't be put in its place", path.display()),
        }
    }
}

impl error::Error for PlaceError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Write(_, cause) | Self::Rename(_, cause) => Some(cause),
            Self::Exists(_) | Self::NoName(_) => None,
        }
    }
}

/// Writes a file of mode 0400. Who looks at the path sees what was there before or all of `content`, also after a crash.
///
/// The file gets a name only when it is whole, so whoever is interrupted leaves nothing behind. To replace another it is
/// called `.<name>.<random>.new` for an instant, which nothing reads; also while it is written, where the file system has no
/// files without a name.
///
/// Without [`Overwrite::Force`] the file system needs hard links, since nothing else makes a name only if it is free.
///
/// # Errors
/// There is a file and it is not to be replaced, or the file system refuses.
pub fn place_file(path: &Path, content: &[u8], overwrite: Overwrite) -> Result<(), PlaceError> {
    place_file_with_mode(path, content, overwrite, MODE)
}

/// As [`place_file`], of another mode, of which the umask leaves what it will.
///
/// # Errors
/// As [`place_file`].
pub fn place_file_with_mode(
    path: &Path,
    content: &[u8],
    overwrite: Overwrite,
    mode: u32,
) -> Result<(), PlaceError> {
    let name = path.file_name().ok_or_else(|| PlaceError::NoName(path.to_owned()))?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    // A check for the friendlier error; what counts is the link below.
    if overwrite == Overwrite::Never && path.symlink_metadata().is_ok() {
        return Err(PlaceError::Exists(path.to_owned()));
    }
    let failed = |error| PlaceError::Write(path.to_owned(), error);
    let unique = RandomState::new().hash_one(process::id());
    let beside = Beside(folder.join(format!(".{}.{unique:016x}.new", name.to_string_lossy())));
    let named = match (nameless(folder, content, mode).map_err(failed)?, overwrite) {
        (Some(file), Overwrite::Never) => link(&file, path),
        (Some(file), Overwrite::Force) => link(&file, &beside.0).and_then(|()| fs::rename(&beside.0, path)),
        (None, _) => {
            beside.write(content, mode).map_err(failed)?;
            match overwrite {
                Overwrite::Never => fs::hard_link(&beside.0, path),
                Overwrite::Force => fs::rename(&beside.0, path),
            }
        }
    };
    match named {
        Ok(()) => File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            Err(PlaceError::Exists(path.to_owned()))
        }
        Err(error) => Err(PlaceError::Rename(path.to_owned(), error)),
    }
}

/// A file that is gone when it is closed, unless it gets a name; `None` if the file system has no such files, or none can be
/// made here.
fn nameless(folder: &Path, content: &[u8], mode: u32) -> io::Result<Option<File>> {
    let flags = OFlag::O_TMPFILE.bits();
    let file = OpenOptions::new().write(true).mode(mode).custom_flags(flags).open(folder);
    // The name that it gets is made by way of /proc.
    let Some(mut file) = file.ok().filter(|file| by_descriptor(file).exists()) else { return Ok(None) };
    file.write_all(content)?;
    file.sync_all()?;
    Ok(Some(file))
}

/// Gives the file a name, if it is free.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let follow = AtFlags::AT_SYMLINK_FOLLOW;
    Ok(linkat(AT_FDCWD, &by_descriptor(file), AT_FDCWD, path, follow)?)
}

fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A file beside the place that it is for; gone when this is dropped.
struct Beside(PathBuf);

impl Beside {
    fn write(&self, content: &[u8], mode: u32) -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&self.0)?;
        file.write_all(content)?;
        file.sync_all()
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // It is not there when it was renamed, or never made.
        let _gone = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
