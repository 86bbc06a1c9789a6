//! Puts a file in its place: whole or not at all, readable by its owner only, and without replacing another by accident.

use std::fs::{self, File, OpenOptions};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::{error, fmt, process};

use nix::fcntl::{AT_FDCWD, AtFlags, OFlag};
use nix::unistd::linkat;

/// Only the owner may read the file, and no one may write it: a config is replaced, never changed.
const MODE: u32 = 0o400;

/// What to do with an existing file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Overwrite {
    /// Keep it, and fail.
    Never,
    /// Replace it.
    Force,
}

/// Why a file was not put in its place. The path is unchanged.
#[derive(Debug)]
#[non_exhaustive]
pub enum PlaceError {
    /// A file exists at the path.
    Exists(PathBuf),
    /// The path does not end with a file name.
    NoName(PathBuf),
    /// The content can't be written beside the path.
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

/// Writes a file with mode 0400. A reader of the path sees the earlier file or all of `content`, also after a crash.
///
/// The file gets its name when it is whole, so an interrupted call leaves nothing behind. To replace a file, the new one is called
/// `.<name>.<random>.new` for an instant. A file system without nameless files has that name while the file is written. Nothing
/// reads files of that name.
///
/// Without [`Overwrite::Force`] the file system must have hard links. Only a link fails if the name is taken.
///
/// # Errors
/// A file exists and may not be replaced, or the file system refuses.
pub fn place_file(path: &Path, content: &[u8], overwrite: Overwrite) -> Result<(), PlaceError> {
    place_file_with_mode(path, content, overwrite, MODE)
}

/// As [`place_file`], with another mode. The umask applies.
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
    // An early check for the better error. The link below is the check that counts.
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

/// A nameless file: it is gone when it is closed, unless it gets a name. `None` if it can't be made, for example because the file
/// system has no nameless files.
fn nameless(folder: &Path, content: &[u8], mode: u32) -> io::Result<Option<File>> {
    let flags = OFlag::O_TMPFILE.bits();
    let file = OpenOptions::new().write(true).mode(mode).custom_flags(flags).open(folder);
    // The link to its name goes through /proc.
    let Some(mut file) = file.ok().filter(|file| by_descriptor(file).exists()) else { return Ok(None) };
    file.write_all(content)?;
    file.sync_all()?;
    Ok(Some(file))
}

/// Gives the file a name, unless the name is taken.
fn link(file: &File, path: &Path) -> io::Result<()> {
    let follow = AtFlags::AT_SYMLINK_FOLLOW;
    Ok(linkat(AT_FDCWD, &by_descriptor(file), AT_FDCWD, path, follow)?)
}

fn by_descriptor(file: &File) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()))
}

/// A file beside the final path. Dropping this removes it.
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
        // It does not exist if it was renamed, or never made.
        let _gone = fs::remove_file(&self.0);
    }
}

#[cfg(test)]
mod tests;
