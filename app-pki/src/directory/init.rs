//! Making an authority's folder: all of it, or nothing.

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
    /// Makes an authority that nobody is above, in a folder that is not there yet, or empty. Its revocation lists are good for
    /// `crl_days`, so that often, at least, there has to be a new one ([`refresh_crl`](Self::refresh_crl)).
    ///
    /// # Errors
    /// There is something at `path`; what is asked for is not possible; the system refuses. Nothing was made.
    pub fn init(path: &Path, options: &AuthorityOptions, crl_days: u32) -> Result<Self, DirectoryError> {
        let new = New::beside(path)?;
        let authority = Authority::root(options)?;
        new.fill(&authority, authority.chain_pem(), &Index::new(crl_days, None))?;
        new.finish(path, "")
    }

    /// Makes an authority under that of another folder, whose key is needed for nothing else afterwards than for new revocation lists.
    /// It is valid no longer than that one.
    ///
    /// # Errors
    /// As [`init`](Self::init); the authority above may have none under it.
    pub fn init_under(
        path: &Path,
        options: &AuthorityOptions,
        crl_days: u32,
        above: &Self,
    ) -> Result<Self, DirectoryError> {
        let _lock = above.lock()?;
        let new = New::beside(path)?;
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

/// A folder that is not whole yet, under another name; gone when this is dropped.
struct New {
    path: PathBuf,
    whole: bool,
}

impl New {
    fn beside(path: &Path) -> Result<Self, DirectoryError> {
        let name = path.file_name().ok_or_else(|| DirectoryError::NoName(path.to_owned()))?;
        // For the friendlier error; what counts is the rename.
        let taken = path.symlink_metadata().is_ok()
            && !fs::read_dir(path).is_ok_and(|mut entries| entries.next().is_none());
        if taken {
            return Err(DirectoryError::Exists(path.to_owned()));
        }
        let mut beside = OsString::from(".");
        beside.push(name);
        beside.push(format!(".{}.new", Serial::random()?));
        let new = Self { path: path.with_file_name(beside), whole: false };
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

    /// Adds the lists, and gives it its name.
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
        self.whole = true;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let synced = File::open(folder).and_then(|folder| folder.sync_all());
        synced.map_err(|error| DirectoryError::Io(folder.to_owned(), error))?;
        Ok(Directory { path: path.to_owned() })
    }
}

impl Drop for New {
    fn drop(&mut self) {
        if !self.whole {
            // It may not have been made.
            let _gone = fs::remove_dir_all(&self.path);
        }
    }
}
