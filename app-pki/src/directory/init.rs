//! Making an authority's folder, completely or not at all.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::files::{self, Secrecy};
use super::index::{Entry, Index};
use super::{AUTHORITY, CRL, Directory, DirectoryError, INDEX, KEY, ROOT};
use crate::{Authority, AuthorityOptions, Serial};

impl Directory {
    /// Makes a root authority in a folder that does not exist yet, or is empty. Its revocation lists are valid for `crl_days`. A new
    /// one has to be made before that ([`refresh_crl`](Self::refresh_crl)).
    ///
    /// # Errors
    /// `path` exists and is not an empty folder, the options are not possible, or the system refuses. Nothing was made then.
    pub fn init(path: &Path, options: &AuthorityOptions, crl_days: u32) -> Result<Self, DirectoryError> {
        let new = UnfinishedFolder::beside(path)?;
        let authority = Authority::root(options)?;
        new.fill(&authority, authority.chain_pem(), &Index::new(crl_days, None))?;
        new.finish(path, "")
    }

    /// Makes an authority under the authority of another folder, and valid no longer than that. Afterwards the key of the authority
    /// above is only needed for its own revocation lists, and for other authorities.
    ///
    /// # Errors
    /// As [`init`](Self::init), or the authority above does not allow one under it.
    pub fn init_under(
        path: &Path,
        options: &AuthorityOptions,
        crl_days: u32,
        above: &Self,
    ) -> Result<Self, DirectoryError> {
        let _lock = above.lock()?;
        let new = UnfinishedFolder::beside(path)?;
        let parent = above.authority()?;
        let validity = options.validity.until_at_most(parent.info().validity.not_after);
        let authority = parent.intermediate(&AuthorityOptions { validity, ..options.clone() })?;
        let root = files::read(&above.root(), Secrecy::Public)?;
        let folder = above.path.canonicalize();
        let folder = folder.map_err(|error| DirectoryError::Io(above.path.clone(), error))?;
        let root = String::from_utf8_lossy(&root).into_owned();
        new.fill(&authority, &root, &Index::new(crl_days, Some(folder)))?;
        let lists = files::read(&above.crl(), Secrecy::Public)?;
        let mut index = above.index()?;
        let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).join(AUTHORITY);
        index.issued.push(Entry::new(authority.info(), options.name.clone(), file));
        above.put_index(&index)?;
        new.finish(path, &String::from_utf8_lossy(&lists))
    }
}

/// A folder under a temporary name while it is made. It is removed when this is dropped before the end.
struct UnfinishedFolder {
    path: PathBuf,
    finished: bool,
}

impl UnfinishedFolder {
    fn beside(path: &Path) -> Result<Self, DirectoryError> {
        let name = path.file_name().ok_or_else(|| DirectoryError::NoName(path.to_owned()))?;
        // This check only makes the error clearer. The rename at the end decides.
        let taken = path.symlink_metadata().is_ok()
            && !fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if taken {
            return Err(DirectoryError::Exists(path.to_owned()));
        }
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.new", Serial::random()?));
        let new = Self { path: path.with_file_name(beside), finished: false };
        let made = DirBuilder::new().mode(0o700).create(&new.path);
        made.map_err(|error| DirectoryError::Io(path.to_owned(), error))?;
        Ok(new)
    }

    fn fill(&self, authority: &Authority, root: &str, index: &Index) -> Result<(), DirectoryError> {
        files::place(&self.path.join(KEY), &authority.key_pem(), Secrecy::Secret)?;
        files::place(&self.path.join(AUTHORITY), authority.chain_pem().as_bytes(), Secrecy::Public)?;
        files::place(&self.path.join(ROOT), root.as_bytes(), Secrecy::Public)?;
        index.write(&self.path.join(INDEX))
    }

    /// Adds the lists, and renames the folder.
    fn finish(mut self, path: &Path, lists_above: &str) -> Result<Directory, DirectoryError> {
        if !lists_above.is_empty() {
            files::place(&self.path.join(CRL), lists_above.as_bytes(), Secrecy::Public)?;
        }
        Directory { path: self.path.clone() }.refresh_crl()?;
        fs::rename(&self.path, path).map_err(|error| match error.kind() {
            io::ErrorKind::DirectoryNotEmpty
            | io::ErrorKind::AlreadyExists
            | io::ErrorKind::NotADirectory => DirectoryError::Exists(path.to_owned()),
            _ => DirectoryError::Io(path.to_owned(), error),
        })?;
        self.finished = true;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| DirectoryError::Io(folder.to_owned(), error))?;
        Ok(Directory { path: path.to_owned() })
    }
}

impl Drop for UnfinishedFolder {
    fn drop(&mut self) {
        if !self.finished {
            // An error does not matter: the folder may not exist yet.
            let _gone = fs::remove_dir_all(&self.path);
        }
    }
}
