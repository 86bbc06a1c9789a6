//! An authority in a folder: its key, its certificate, its revocation list, and an index of all certificates that it issued.
//!
//! | file | mode | what it is |
//! |---|---|---|
//! | `ca.key` | 0400 | the private key of the authority |
//! | `ca.pem` | 0444 | the root: what peers trust (`caCert` of configs) |
//! | `authority.pem` | 0444 | the authority's certificate, and those between it and the root |
//! | `crl.pem` | 0444 | the revocation lists of the authority and of all above it (`crl` of configs); replaced |
//! | `index.json` | 0600 | all that was issued, and what of it was revoked; replaced |
//! | `server-*.pem`, `client-*.pem` | 0444 | certificates that were issued, with their chains |
//! | `server-*.key`, `client-*.key` | 0400 | their private keys |
//!
//! 1. A file gets its name when it is complete and on disk. Keys and certificates never replace a file.
//! 2. Every change happens under the lock, so that two processes at once lose nothing.
//! 3. A certificate is in the index before its file gets a name. So every certificate that exists can be revoked.
//! 4. A revocation is in the index before the list is made. A certificate on a list stays on it until it has expired, even if the
//!    index is replaced by an older one.

mod contents;
mod errors;
mod files;
mod index;
mod init;
mod issue;
mod revoke;

use std::path::{Path, PathBuf};

pub use self::contents::{Contents, CrlStatus, IssuedCertificate};
pub use self::errors::DirectoryError;
use self::files::{Lock, Secrecy};
use self::index::Index;
pub use self::issue::{IssueOptions, IssuedFiles};
pub use self::revoke::Revocation;
use crate::Authority;

const KEY: &str = "ca.key";
const ROOT: &str = "ca.pem";
const AUTHORITY: &str = "authority.pem";
const CRL: &str = "crl.pem";
const INDEX: &str = "index.json";

/// An authority in a folder.
///
/// ```
/// use app_pki::{AuthorityOptions, ClientName, Directory, Subject, Validity, IssueOptions};
///
/// let folder = tempfile::tempdir()?;
/// let pki = Directory::init(&folder.path().join("pki"), &AuthorityOptions::new("an authority", Validity::days(3650)), 30)?;
/// let placed = pki.issue(&IssueOptions::new(Subject::Client(ClientName::new("deploy.example.com")?)))?;
/// assert!(placed.certificate.ends_with("client-deploy.example.com.pem"));
/// assert!(!pki.revoke(&placed.info.serial)?.already);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct Directory {
    path: PathBuf,
}

impl Directory {
    /// Opens the folder of an authority.
    ///
    /// # Errors
    /// There is no authority, or others than the owner may write to the folder.
    pub fn open(path: &Path) -> Result<Self, DirectoryError> {
        files::check_folder(path)?;
        if path.join(INDEX).symlink_metadata().is_err() {
            return Err(DirectoryError::NoDirectory(path.to_owned()));
        }
        Ok(Self { path: path.to_owned() })
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The file with the root, which peers trust.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.path.join(ROOT)
    }

    /// The file with the revocation lists, which peers need.
    #[must_use]
    pub fn crl(&self) -> PathBuf {
        self.path.join(CRL)
    }

    fn lock(&self) -> Result<Lock, DirectoryError> {
        Lock::take(&self.path)
    }

    fn authority(&self) -> Result<Authority, DirectoryError> {
        let (key, chain) = (self.path.join(KEY), self.path.join(AUTHORITY));
        let key_pem = files::read(&key, Secrecy::Secret)?;
        let chain_pem = files::read(&chain, Secrecy::Public)?;
        Authority::from_pem(&key_pem, &chain_pem).map_err(|error| DirectoryError::Pki(key, error))
    }

    fn index(&self) -> Result<Index, DirectoryError> {
        Index::read(&self.path.join(INDEX))
    }

    fn put_index(&self, index: &Index) -> Result<(), DirectoryError> {
        index.write(&self.path.join(INDEX))
    }
}

#[cfg(test)]
mod tests;
