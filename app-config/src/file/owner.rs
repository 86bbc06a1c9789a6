//! Whose a file is, in a directory to which anybody may add files.
//!
//! Who may add a file there may make a config, so the mode of a file says nothing. Its owner does: root, the user of this
//! process and the owner of the directory are trusted. The same holds for each link and each directory on the way to it.
//!
//! Invariants:
//!
//! 1. The opened file counts. The walk must end at the same file; otherwise the read is tried again.
//! 2. A directory that nobody else may add to asks for no owner. So mounts of containers, whose files may belong to users
//!    that this user namespace does not know, are read as they are.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

use super::FileError;

/// Everybody may add, remove and rename entries: to write takes the right to search.
const OPEN: u32 = 0o003;

/// As [`OPEN`], for the group.
const OPEN_TO_GROUP: u32 = 0o030;

/// Without it everybody may also replace the files of others.
const STICKY: u32 = 0o1000;

/// Links that one path may lead through, as in Linux.
const MOST_LINKS: usize = 40;

/// Where the kernel says which user ids this namespace has.
const UID_MAP: &str = "/proc/self/uid_map";

/// Where the kernel says which user id stands for all others.
const OVERFLOW_UID: &str = "/proc/sys/kernel/overflowuid";

/// Whether anybody may add files. Nobody may where the mount is read-only, as Kubernetes mounts secrets (mode 1777).
pub(crate) fn is_open(path: &Path, directory: &Metadata) -> bool {
    directory.mode() & OPEN == OPEN && !is_read_only(path)
}

fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether a way to a file led through an open directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// Nobody else may add files anywhere on it.
    Closed,
    /// It did, and ended at the file that was opened.
    Trusted,
    /// It did, and ended at another file: one was replaced in between.
    Replaced,
}

/// Follows the path by hand, from its directory on, to the file that was opened.
pub(super) fn check(path: &Path, opened: &Metadata) -> Result<Way, FileError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else { return Ok(Way::Closed) };
    let base = folder.metadata().map_err(FileError::Open)?;
    let mut walk = Walk { at: folder.to_owned(), base, rest: vec![name.to_owned()], links: 0, open: false };
    let end = match walk.walk_on() {
        Ok(end) => end,
        // Gone since it was opened. Or it never had a name: a descriptor of this process, by way of /proc.
        Err(Stop::Io(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(Stop::Io(error)) => return Err(FileError::Open(error)),
        Err(Stop::Refused(error)) => return Err(error),
    };
    Ok(match end {
        _ if !walk.open => Way::Closed,
        Some(end) if id(&end) == id(opened) => Way::Trusted,
        _ => Way::Replaced,
    })
}

/// What makes a file itself.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

enum Stop {
    Io(io::Error),
    Refused(FileError),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

struct Walk {
    /// The directory that was reached.
    at: PathBuf,
    /// The directory that the way began in. Who named it trusts it.
    base: Metadata,
    /// What is still to be walked, last first.
    rest: Vec<OsString>,
    links: usize,
    /// Whether a directory on the way was open.
    open: bool,
}

impl Walk {
    /// What the path leads to.
    fn walk_on(&mut self) -> Result<Option<Metadata>, Stop> {
        let mut last = None;
        while let Some(name) = self.rest.pop() {
            let here = self.at.join(&name);
            if name == ".." {
                self.at = here;
                continue;
            }
            let entry = here.symlink_metadata()?;
            self.trust(&here, &entry)?;
            if entry.is_symlink() {
                self.follow(&here)?;
            } else if !self.rest.is_empty() {
                self.at = here;
            }
            last = Some(entry);
        }
        Ok(last)
    }

    fn follow(&mut self, link: &Path) -> io::Result<()> {
        self.links += 1;
        if self.links > MOST_LINKS {
            return Err(Errno::ELOOP.into());
        }
        let target = fs::read_link(link)?;
        if target.is_absolute() {
            self.at = PathBuf::from("/");
        }
        let steps = target.components().filter_map(|step| match step {
            Component::Normal(name) => Some(name.to_owned()),
            Component::ParentDir => Some("..".into()),
            _ => None,
        });
        self.rest.extend(steps.collect::<Vec<_>>().into_iter().rev());
        Ok(())
    }

    /// Refuses an entry that anybody may have made.
    fn trust(&mut self, here: &Path, entry: &Metadata) -> Result<(), Stop> {
        let folder = self.at.metadata()?;
        if !is_open(&self.at, &folder) || id(entry) == id(&self.base) {
            return Ok(());
        }
        self.open = true;
        let (path, directory) = (here.to_owned(), self.at.clone());
        if !is_trusted(entry.uid(), folder.uid()) {
            let known = !is_unknown(entry.uid());
            return Err(Stop::Refused(FileError::Owner { path, uid: entry.uid(), known, directory }));
        }
        if entry.is_file() && entry.nlink() > 1 {
            return Err(Stop::Refused(FileError::Linked { path, directory }));
        }
        Ok(())
    }
}

/// Whether the owner of a file may make configs in a directory of this owner.
fn is_trusted(owner: u32, of_directory: u32) -> bool {
    [0, geteuid().as_raw(), of_directory].contains(&owner) && !is_unknown(owner)
}

/// Whether the id stands for every user that this user namespace does not know. Two files that show it may be of two users.
fn is_unknown(uid: u32) -> bool {
    let overflow = fs::read_to_string(OVERFLOW_UID).ok().and_then(|text| text.trim().parse().ok());
    uid == overflow.unwrap_or(65_534) && fs::read_to_string(UID_MAP).is_ok_and(|map| !is_whole(&map))
}

/// Whether a map of user ids has all of them, as on a machine without user namespaces.
fn is_whole(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(u32::MAX)
}

/// What should be said of a directory of configs although it is read. Empty if it is not there.
pub(crate) fn warnings(path: &Path) -> Vec<String> {
    let Ok(directory) = path.metadata() else { return Vec::new() };
    if !directory.is_dir() {
        return Vec::new();
    }
    let (shown, mode) = (path.display(), directory.mode() & 0o7777);
    let mut warnings = Vec::new();
    if is_open(path, &directory) {
        let may = if mode & STICKY == 0 { "be changed by everybody" } else { "get files from everybody" };
        warnings.push(format!("the config directory {shown} may {may} (mode {mode:04o}): chmod o-w"));
    } else if mode & OPEN_TO_GROUP == OPEN_TO_GROUP && !is_own_group(&directory) && !is_read_only(path) {
        let gid = directory.gid();
        warnings.push(format!(
            "the config directory {shown} may be changed by every member of group {gid} (mode {mode:04o}): chmod g-w, unless \
             all of them may make configs"
        ));
    }
    warnings.extend(replaceable(path, &directory));
    warnings
}

/// Whether the group is root's, or that of one user alone: by custom it has the number of the user.
fn is_own_group(directory: &Metadata) -> bool {
    [0, directory.uid()].contains(&directory.gid())
}

/// Whether anybody may put another directory into the place of this one, or may have made it.
fn replaceable(path: &Path, directory: &Metadata) -> Option<String> {
    let whole = path.canonicalize().ok()?;
    let shown = path.display();
    let of_others = |folder: &&Path| {
        folder.metadata().is_ok_and(|found| is_open(folder, &found) && found.mode() & STICKY == 0)
    };
    if let Some(folder) = whole.ancestors().skip(1).find(of_others) {
        let folder = folder.display();
        return Some(format!(
            "the config directory {shown} may be replaced by everybody, since it is in {folder}: chmod o-w {folder}, or chmod +t {folder}"
        ));
    }
    let folder = whole.parent()?;
    let parent = folder.metadata().ok().filter(|found| is_open(folder, found))?;
    let uid = directory.uid();
    (!is_trusted(uid, parent.uid())).then(|| {
        let folder = folder.display();
        format!(
            "the config directory {shown} belongs to user {uid}, who may have made it: anybody may add files to {folder}; name another directory, or chown it"
        )
    })
}

#[cfg(test)]
mod tests;
