//! Decides by `stat`, which follows links, when a file is read again.
//!
//! `stat` sees a file that was replaced or written in place, and a link that was swapped above it. Kubernetes swaps a link to
//! update a mounted secret. A watch of the file system could be lost, so there is none.
//!
//! A change counts when two looks in a row saw the same. So a file is not read while it is being written, unless the write takes
//! longer than the time between two looks. A second change is seen even if the file system gives it the time of the first one.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// What `stat` says about a file: equal as long as the file was not touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    device: u64,
    inode: u64,
    bytes: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// What a look found: a stamp, or why there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Seen {
    File(Stamp),
    /// The error number, and whether there is a symbolic link at the path.
    Not(Option<i32>, bool),
}

/// A file, or a path without a file, that was read and is looked at.
#[derive(Debug)]
pub(in crate::configs) struct Watched {
    file: PathBuf,
    /// What was seen when the file was last read; `None` if it could not be read and must be read again.
    read: Option<Seen>,
    /// What the last look saw.
    seen: Seen,
}

/// The result of a look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::configs) enum Look {
    /// The file is unchanged since it was read.
    Same,
    /// The file has changed since the last look.
    Changing,
    /// The file has changed since it was read, and not since the last look: read it now.
    Changed,
}

impl Watched {
    /// A file that the caller will read now. A later change is seen.
    pub(in crate::configs) fn new(file: PathBuf) -> Self {
        let seen = Seen::at(&file);
        Self { file, read: Some(seen), seen }
    }

    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    pub(in crate::configs) fn look(&mut self) -> Look {
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

    /// The caller will read the file now, changed or not.
    pub(in crate::configs) fn read_now(&mut self) {
        self.seen = Seen::at(&self.file);
        self.read = Some(self.seen);
    }

    /// The file could not be read: the next look says that it has changed.
    pub(in crate::configs) fn read_later(&mut self) {
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
