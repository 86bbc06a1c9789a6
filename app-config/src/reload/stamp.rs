//! When a file is due to be read again: by what `stat` says of it, links followed.
//!
//! That sees a file that was replaced, one that was written in place, and the swap of a link above it, which is how Kubernetes
//! updates a mounted secret. There is no watch that has to be set up and can be lost.
//!
//! A change counts once two looks in a row saw the same. So a file that is written in place, or removed to be written anew, is
//! not read half-way, unless that takes longer than it is from one look to the next; and a second change that is so soon after
//! the first that the file system gives both the same time is not missed.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `stat` says of a file: equal as long as nobody touched it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look sees: a stamp, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    File(Stamp),
    /// The error number, and whether a symbolic link is there all the same.
    Not(Option<i32>, bool),
}

/// A file, or the place of one, that was read and is looked at.
#[derive(Debug)]
pub(crate) struct Watched {
    file: PathBuf,
    /// What was seen when the file was last read; `None` when it could not be read, and is due again.
    read: Option<Seen>,
    /// What the last look saw.
    seen: Seen,
}

/// What a look tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// It is as it was when it was read.
    Same,
    /// It is not as it was at the last look.
    Changing,
    /// It has changed, and is to be read now.
    Changed,
}

impl Watched {
    /// A file that will be read now: from this moment on a change is one.
    pub(crate) fn new(file: PathBuf) -> Self {
        let seen = Seen::at(&file);
        Self { file, read: Some(seen), seen }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn look(&mut self) -> Look {
        let now = Seen::at(&self.file);
        let before = std::mem::replace(&mut self.seen, now);
        if self.read == Some(now) {
            Look::Same
        } else if now == before {
            self.read = Some(now);
            Look::Changed
        } else {
            Look::Changing
        }
    }

    /// It will be read now, changed or not.
    pub(crate) fn read_now(&mut self) {
        self.seen = Seen::at(&self.file);
        self.read = Some(self.seen);
    }

    /// It could not be read: the next look says that it has changed.
    pub(crate) fn read_later(&mut self) {
        self.read = None;
    }
}

impl Seen {
    fn at(file: &Path) -> Self {
        match file.metadata() {
            Ok(stat) => Self::File(Stamp {
                device: stat.dev(),
                inode: stat.ino(),
                bytes: stat.size(),
                modified: (stat.mtime(), stat.mtime_nsec()),
                changed: (stat.ctime(), stat.ctime_nsec()),
            }),
            Err(error) => Self::Not(error.raw_os_error(), file.symlink_metadata().is_ok()),
        }
    }
}

#[cfg(test)]
mod tests;
