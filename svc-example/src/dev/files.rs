//! The folder of one run: in `target` of the current folder, or a temporary one. It is removed when the service ends.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, process};

use app_core::prelude::ServiceId;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;

use super::Problem;

/// Prefix of the folder's name.
const PREFIX: &str = "svc-example-dev-";
/// A file in the folder. The process holds a lock on it while it lives. So other processes find out whether it lives, even
/// without `/proc` and across containers that share a folder.
const LOCK: &str = "lock";
/// Mode of folders that only the owner may use.
const PRIVATE: u32 = 0o700;

/// A new folder that only its owner may use. It is removed when this value is dropped.
pub(super) struct Folder {
    path: PathBuf,
    _lock: Flock<File>,
}

impl Folder {
    pub(super) fn new() -> Result<Self, Problem> {
        let parent = match env::var_os("CARGO_TARGET_DIR").filter(|named| !named.is_empty()) {
            Some(named) => {
                under_target(Path::new(&named)).map_err(|error| format!("{error}; see CARGO_TARGET_DIR"))?
            }
            None => unnamed_parent(),
        };
        let path = parent.join(format!("{PREFIX}{}-{:x}", process::id(), ServiceId::random()));
        make(&path).map_err(|error| {
            format!("{error}; make a folder `target` here, or name one with CARGO_TARGET_DIR or TMPDIR")
        })?;
        let made = path.canonicalize().map_err(|error| told(&path, &error)).and_then(Self::fill);
        if made.is_err() {
            // The error is reported. A folder that cannot be removed holds no secrets yet.
            let _ = fs::remove_dir_all(&path);
        }
        remove_abandoned(&parent);
        made
    }

    /// Makes the lock and the folder of the configs.
    fn fill(path: PathBuf) -> Result<Self, Problem> {
        let lock = hold(&path).map_err(|error| told(&path.join(LOCK), &error))?;
        let folder = Self { path, _lock: lock };
        make(&folder.configs())?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The config directory of the service.
    pub(super) fn configs(&self) -> PathBuf {
        self.path.join("configs")
    }

    /// The PKI folder: the authority and its certificates.
    pub(super) fn pki(&self) -> PathBuf {
        self.path.join("pki")
    }

    /// The contexts file of `appctl`.
    pub(super) fn contexts(&self) -> PathBuf {
        self.path.join("contexts.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // If this fails, the next run removes the folder.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// The parent of the folder if no variable names one: `target` in the current folder if this user owns it and can write to it,
/// otherwise the folder of temporary files.
fn unnamed_parent() -> PathBuf {
    let target = Path::new("target");
    let ours = target.metadata().is_ok_and(|found| {
        found.is_dir() && found.uid() == Uid::effective().as_raw() && found.mode() & 0o002 == 0
    });
    let under = ours.then(|| under_target(target).ok()).flatten();
    under.unwrap_or_else(env::temp_dir)
}

/// The folder `dev` in a target directory, made if it is missing. Writes to it as a test, because its mode does not tell enough.
fn under_target(target: &Path) -> Result<PathBuf, Problem> {
    let parent = target.join("dev");
    let made = DirBuilder::new().recursive(true).mode(PRIVATE).create(&parent);
    made.map_err(|error| told(&parent, &error))?;
    let probe = parent.join(format!("{PREFIX}{:x}", ServiceId::random()));
    make(&probe)?;
    fs::remove_dir(&probe).map_err(|error| told(&probe, &error))?;
    Ok(parent)
}

/// Makes a folder that only its owner may use. The umask does not matter.
fn make(path: &Path) -> Result<(), Problem> {
    let made = DirBuilder::new().mode(PRIVATE).create(path);
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(PRIVATE)))
        .map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &io::Error) -> Problem {
    format!("{}: {error}", path.display())
}

/// Makes the lock file and locks it. The file gets its name after it is locked, so no process finds it unlocked while this
/// process lives.
fn hold(folder: &Path) -> io::Result<Flock<File>> {
    let unnamed = folder.join(format!(".{LOCK}"));
    let file = File::create(&unnamed)?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes the folders of this user's processes that were killed.
fn remove_abandoned(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let named = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        // The metadata of the entry itself: a link to a folder does not count.
        let ours = || {
            let found = entry.metadata();
            found.is_ok_and(|found| found.is_dir() && found.uid() == Uid::effective().as_raw())
        };
        if named && ours() && is_dead(&entry.path().join(LOCK)) {
            // A folder that cannot be removed stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the lock file exists and no process holds the lock.
fn is_dead(lock: &Path) -> bool {
    let free = |file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok();
    File::open(lock).is_ok_and(free)
}
