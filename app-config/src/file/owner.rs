//! Checks the owner of a file in a directory to which everyone may add files.
//!
//! Everyone could make a config there, so the mode of a file proves nothing. The owner does: root, the user of this process and
//! the owner of the directory are trusted. The same holds for each link and each directory on the way to the file.
//!
//! Invariants:
//!
//! 1. The opened file counts. The walk must end at the same file; otherwise the read is tried again.
//! 2. The owner does not matter in a directory to which no other user may add files. So mounts of containers are read as they
//!    are. Their files may belong to users that this user namespace does not know.

use std::ffi::OsString;
use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};
use std::{error, fmt, io};

use nix::errno::Errno;
use nix::sys::statvfs::{FsFlags, statvfs};
use nix::unistd::geteuid;

/// Everyone may add, remove and rename entries. Writing needs the permission to search too.
const OPEN: u32 = 0o003;

/// As [`OPEN`], for the group.
const OPEN_TO_GROUP: u32 = 0o030;

/// Without it everyone may also replace the files of others.
const STICKY: u32 = 0o1000;

/// How many links one path may have, as in Linux.
const MOST_LINKS: usize = 40;

/// The file in which Linux lists the user ids of this namespace.
const UID_MAP: &str = "/proc/self/uid_map";

/// The file in which Linux names the user id that stands for all others.
const OVERFLOW_UID: &str = "/proc/sys/kernel/overflowuid";

/// Why the owner of a file is not trusted.
#[derive(Debug)]
#[non_exhaustive]
pub enum OwnerError {
    /// The way to the file can't be followed.
    Open(io::Error),
    /// A file, link or directory belongs to another user.
    Untrusted {
        /// The file, or a link or a directory on the way to it.
        path: PathBuf,
        /// Its owner.
        uid: u32,
        /// Whether the id means one user. Otherwise it stands for all users that this user namespace does not know.
        known: bool,
        /// The directory to which everyone may add files.
        directory: PathBuf,
    },
    /// The file has other names too, and everyone may have given it this one.
    Linked {
        /// The file.
        path: PathBuf,
        /// The directory to which everyone may add files.
        directory: PathBuf,
    },
}

impl fmt::Display for OwnerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(_) => f.write_str("the file can't be opened"),
            Self::Untrusted { path, uid, known, directory } => {
                let (path, directory) = (escaped(path), escaped(directory));
                let whose = if *known {
                    ""
                } else {
                    ", which stands for all that are not known in this user namespace"
                };
                write!(
                    f,
                    "{path} belongs to user {uid}{whose}, and everyone may add files to {directory}: chmod o-w {directory}, and \
                     chown root the file if it is a good one"
                )
            }
            Self::Linked { path, directory } => {
                let (path, directory) = (escaped(path), escaped(directory));
                write!(
                    f,
                    "{path} has another name (a hard link), and everyone may add names to {directory}: chmod o-w {directory}, and \
                     put a copy in its place if it is a good one"
                )
            }
        }
    }
}

impl error::Error for OwnerError {
    fn source(&self) -> Option<&(dyn error::Error + 'static)> {
        match self {
            Self::Open(cause) => Some(cause),
            Self::Untrusted { .. } | Self::Linked { .. } => None,
        }
    }
}

impl From<io::Error> for OwnerError {
    fn from(error: io::Error) -> Self {
        Self::Open(error)
    }
}

/// A path for people, in one line.
fn escaped(path: &Path) -> String {
    path.display().to_string().escape_debug().to_string()
}

/// Whether everyone may add files. Kubernetes mounts secrets with mode 1777, but read-only, so the answer is no there.
pub(crate) fn is_open(path: &Path, directory: &Metadata) -> bool {
    directory.mode() & OPEN == OPEN && !is_read_only(path)
}

fn is_read_only(path: &Path) -> bool {
    statvfs(path).is_ok_and(|mount| mount.flags().contains(FsFlags::ST_RDONLY))
}

/// Whether the way to a file leads through an open directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    /// It does not: no other user may add files on the way.
    Closed,
    /// It does, and ends at the opened file.
    Trusted,
    /// It does, and ends at another file: one was replaced meanwhile.
    Replaced,
}

/// Follows the path step by step, from its directory to the opened file.
pub(super) fn check(path: &Path, opened: &Metadata) -> Result<Way, OwnerError> {
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let Some(name) = path.file_name() else { return Ok(Way::Closed) };
    let base = folder.metadata()?;
    let mut walk =
        PathWalk { at: folder.to_owned(), base, rest: vec![name.to_owned()], links: 0, open: false };
    let end = match walk.walk_on() {
        Ok(end) => end,
        // Removed since it was opened. Or it has no name: a descriptor of this process, through /proc.
        Err(OwnerError::Open(error)) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(error),
    };
    Ok(match end {
        _ if !walk.open => Way::Closed,
        Some(end) if id(&end) == id(opened) => Way::Trusted,
        _ => Way::Replaced,
    })
}

/// What identifies a file.
fn id(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

struct PathWalk {
    /// The directory that the walk has reached.
    at: PathBuf,
    /// The directory in which the way begins. It is trusted, since it was named.
    base: Metadata,
    /// The names that are left, last first.
    rest: Vec<OsString>,
    links: usize,
    /// Whether a directory on the way was open.
    open: bool,
}

impl PathWalk {
    /// Walks to the end of the path.
    fn walk_on(&mut self) -> Result<Option<Metadata>, OwnerError> {
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

    /// Refuses an entry that everyone may have made.
    fn trust(&mut self, here: &Path, entry: &Metadata) -> Result<(), OwnerError> {
        let folder = self.at.metadata()?;
        if !is_open(&self.at, &folder) || id(entry) == id(&self.base) {
            return Ok(());
        }
        self.open = true;
        let (path, directory) = (here.to_owned(), self.at.clone());
        if !is_trusted(entry.uid(), folder.uid()) {
            let known = !is_unknown(entry.uid());
            return Err(OwnerError::Untrusted { path, uid: entry.uid(), known, directory });
        }
        if entry.is_file() && entry.nlink() > 1 {
            return Err(OwnerError::Linked { path, directory });
        }
        Ok(())
    }
}

/// Whether the owner of a file is trusted in a directory of this owner.
fn is_trusted(owner: u32, of_directory: u32) -> bool {
    [0, geteuid().as_raw(), of_directory].contains(&owner) && !is_unknown(owner)
}

/// Whether the id stands for all users that this user namespace does not know. Two files with it may have two owners.
fn is_unknown(uid: u32) -> bool {
    let overflow = fs::read_to_string(OVERFLOW_UID).ok().and_then(|text| text.trim().parse().ok());
    uid == overflow.unwrap_or(65_534) && fs::read_to_string(UID_MAP).is_ok_and(|map| !is_whole(&map))
}

/// Whether a map of user ids has every id, as without user namespaces.
fn is_whole(map: &str) -> bool {
    let counts = map.lines().filter_map(|line| line.split_whitespace().nth(2)?.parse::<u64>().ok());
    counts.sum::<u64>() >= u64::from(u32::MAX)
}

/// Warnings about a config directory. Empty if it does not exist.
pub(crate) fn warnings(path: &Path) -> Vec<String> {
    let Ok(directory) = path.metadata() else { return Vec::new() };
    if !directory.is_dir() {
        return Vec::new();
    }
    let (shown, mode) = (path.display(), directory.mode() & 0o7777);
    let mut warnings = Vec::new();
    if is_open(path, &directory) {
        let may = if mode & STICKY == 0 { "be changed by everyone" } else { "get files from everyone" };
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

/// Whether the group is root's, or a user's own group: by custom it has the number of the user.
fn is_own_group(directory: &Metadata) -> bool {
    [0, directory.uid()].contains(&directory.gid())
}

/// A warning if everyone may replace the directory, or may have made it.
fn replaceable(path: &Path, directory: &Metadata) -> Option<String> {
    let whole = path.canonicalize().ok()?;
    let shown = path.display();
    let of_others = |folder: &&Path| {
        folder.metadata().is_ok_and(|found| is_open(folder, &found) && found.mode() & STICKY == 0)
    };
    if let Some(folder) = whole.ancestors().skip(1).find(of_others) {
        let folder = folder.display();
        return Some(format!(
            "the config directory {shown} may be replaced by everyone, since it is in {folder}: chmod o-w {folder}, or chmod +t {folder}"
        ));
    }
    let folder = whole.parent()?;
    let parent = folder.metadata().ok().filter(|found| is_open(folder, found))?;
    let uid = directory.uid();
    (!is_trusted(uid, parent.uid())).then(|| {
        let folder = folder.display();
        format!(
            "the config directory {shown} belongs to user {uid}, who may have made it, since everyone may add files to {folder}: name another directory, or chown it"
        )
    })
}

#[cfg(test)]
mod tests;
