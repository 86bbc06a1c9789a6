//! The folder of one run: under the current folder's `target`, or a temporary one. It is gone when the service has ended.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::{env, process};

use app_core::prelude::ServiceId;
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::Uid;

use super::Problem;

/// How the name of the folder begins.
const PREFIX: &str = "svc-example-dev-";
/// A file in the folder that the process holds a lock of while it lives. The lock tells the living from the dead without
/// `/proc`, and across containers that share a folder.
const LOCK: &str = "lock";
/// Only the owner may look inside.
const PRIVATE: u32 = 0o700;

/// A new folder for its owner alone, gone when this is dropped.
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
            // It says why it is of no use; what stays of it has no secrets.
            let _ = fs::remove_dir_all(&path);
        }
        forget_the_dead(&parent);
        made
    }

    /// What is in it from the start.
    fn fill(path: PathBuf) -> Result<Self, Problem> {
        let lock = hold(&path).map_err(|error| told(&path.join(LOCK), &error))?;
        let folder = Self { path, _lock: lock };
        make(&folder.configs())?;
        Ok(folder)
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The configs, as the service reads them.
    pub(super) fn configs(&self) -> PathBuf {
        self.path.join("configs")
    }

    /// The authority, and the certificates that it issued.
    pub(super) fn pki(&self) -> PathBuf {
        self.path.join("pki")
    }

    /// appctl's file of contexts.
    pub(super) fn contexts(&self) -> PathBuf {
        self.path.join("contexts.json")
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What is left over by this is removed by the next one.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Where the folder goes when nobody says where: under `target` in the current folder, if that is ours and can be written;
/// else among the temporary files.
fn unnamed_parent() -> PathBuf {
    let target = Path::new("target");
    let ours = target.metadata().is_ok_and(|found| {
        found.is_dir() && found.uid() == Uid::effective().as_raw() && found.mode() & 0o002 == 0
    });
    let under = ours.then(|| under_target(target).ok()).flatten();
    under.unwrap_or_else(env::temp_dir)
}

/// The folder `dev` in a target directory, made if it is not there. Tried by writing, which says more than its mode.
fn under_target(target: &Path) -> Result<PathBuf, Problem> {
    let parent = target.join("dev");
    let made = DirBuilder::new().recursive(true).mode(PRIVATE).create(&parent);
    made.map_err(|error| told(&parent, &error))?;
    let probe = parent.join(format!("{PREFIX}{:x}", ServiceId::random()));
    make(&probe)?;
    fs::remove_dir(&probe).map_err(|error| told(&probe, &error))?;
    Ok(parent)
}

/// Makes a folder for its owner alone, whatever the process's umask is.
fn make(path: &Path) -> Result<(), Problem> {
    let made = DirBuilder::new().mode(PRIVATE).create(path);
    made.and_then(|()| fs::set_permissions(path, Permissions::from_mode(PRIVATE)))
        .map_err(|error| told(path, &error))
}

fn told(path: &Path, error: &io::Error) -> Problem {
    format!("{}: {error}", path.display())
}

/// Makes the lock and holds it. It gets its name once it is held: nobody finds one that is free and means a living process.
fn hold(folder: &Path) -> io::Result<Flock<File>> {
    let unnamed = folder.join(format!(".{LOCK}"));
    let file = File::create(&unnamed)?;
    let lock = Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error)?;
    fs::rename(unnamed, folder.join(LOCK))?;
    Ok(lock)
}

/// Removes what processes of this user left behind that were killed.
fn forget_the_dead(parent: &Path) {
    let Ok(entries) = fs::read_dir(parent) else { return };
    for entry in entries.flatten() {
        let named = entry.file_name().as_encoded_bytes().starts_with(PREFIX.as_bytes());
        // Of the entry itself: a link is no folder.
        let ours = || {
            let found = entry.metadata();
            found.is_ok_and(|found| found.is_dir() && found.uid() == Uid::effective().as_raw())
        };
        if named && ours() && is_dead(&entry.path().join(LOCK)) {
            // One that can't be removed stays.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether the lock is there and nobody holds it.
fn is_dead(lock: &Path) -> bool {
    let free = |file| Flock::lock(file, FlockArg::LockExclusiveNonblock).is_ok();
    File::open(lock).is_ok_and(free)
}
