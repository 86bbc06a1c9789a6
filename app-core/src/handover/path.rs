//! The path of the handover socket.

use std::{
    fmt, fs, io,
    os::unix::{ffi::OsStrExt, fs::FileTypeExt, fs::MetadataExt},
    path::{Path, PathBuf},
};

/// The longest path of a socket, in bytes: `sun_path` has 108, the last is zero, and a new socket is made beside the old one with
/// four bytes more.
const MAX_BYTES: usize = 103;

/// A path that a socket can have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HandoverPath(PathBuf);

/// Checks the value of the flag.
///
/// # Errors
/// What is wrong with it, for people.
pub(crate) fn parse_path(path: PathBuf) -> Result<PathBuf, String> {
    let bytes = path.as_os_str().as_bytes();
    if bytes.len() > MAX_BYTES {
        return Err(format!(
            "the path of a socket has at most {MAX_BYTES} bytes here, and this one has {}; choose a shorter one",
            bytes.len()
        ));
    }
    if path.file_name().is_none() || bytes.ends_with(b"/") {
        return Err("it names a folder; name a file in it".to_owned());
    }
    Ok(path)
}

impl HandoverPath {
    pub(crate) fn new(path: &Path) -> Self {
        Self(path.to_owned())
    }

    pub(super) fn socket(&self) -> &Path {
        &self.0
    }

    /// Where a new socket is made, before it replaces the old one.
    pub(super) fn new_socket(&self) -> PathBuf {
        self.with(".new")
    }

    pub(super) fn lock(&self) -> PathBuf {
        self.with(".lock")
    }

    fn with(&self, end: &str) -> PathBuf {
        let mut path = self.0.clone().into_os_string();
        path.push(end);
        path.into()
    }

    /// An error about this path.
    pub(super) fn problem(&self, what: impl fmt::Display) -> String {
        format!("--handover {}: {what}", self.0.display())
    }

    /// Checks that there can be a socket, without touching anything.
    ///
    /// # Errors
    /// Why there cannot.
    pub(crate) fn check(&self) -> Result<(), String> {
        let folder =
            self.0.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        match fs::metadata(folder) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => {
                return Err(
                    self.problem(format!("{} is no folder; name a file in a folder", folder.display()))
                );
            }
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
                return Err(self.problem(format!(
                    "the folder {} does not exist; make it, for this user alone (mode 0700)",
                    folder.display()
                )));
            }
            Err(error) => {
                return Err(self.problem(format!("the folder {} cannot be used: {error}", folder.display())));
            }
        }
        match fs::symlink_metadata(&self.0) {
            Err(missing) if missing.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(error) => Err(self.problem(format!("it cannot be used: {error}"))),
            Ok(found) if !found.file_type().is_socket() => {
                Err(self.problem("a file that is no socket is there; remove it, or name another path"))
            }
            Ok(found) if found.uid() != own_user() => Err(self.problem(format!(
                "the socket there belongs to user {}, and this process to user {}; run both as one user, or name another path",
                found.uid(),
                own_user()
            ))),
            Ok(_) => Ok(()),
        }
    }
}

/// The user that this process acts as.
pub(super) fn own_user() -> u32 {
    nix::unistd::geteuid().as_raw()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_a_file_that_a_socket_can_have() {
        assert!(parse_path("/run/quota/handover".into()).is_ok());
        assert!(parse_path("x".repeat(MAX_BYTES).into()).is_ok());
        assert!(parse_path("x".repeat(MAX_BYTES + 1).into()).unwrap_err().contains("at most 103 bytes"));
        for folder in ["", "/", "..", "/run/"] {
            assert!(parse_path(folder.into()).unwrap_err().contains("names a folder"), "{folder}");
        }
    }

    #[test]
    fn what_is_in_the_way_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let checked = |path: &Path| HandoverPath::new(path).check();
        checked(&dir.path().join("socket")).unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(checked(&file).unwrap_err().contains("no socket is there"));
        assert!(checked(&file.join("socket")).unwrap_err().contains("is no folder"));
        let problem = checked(&dir.path().join("none/socket")).unwrap_err();
        assert!(problem.starts_with("--handover /") && problem.contains("does not exist"), "{problem}");
    }
}
