//! What is in an authority's folder.

use std::path::PathBuf;
use std::time::SystemTime;

use super::files::{self, Secrecy};
use super::{AUTHORITY, Directory, DirectoryError};
use crate::{CertificateInfo, CrlInfo, Serial, Validity};

/// What is in an authority's folder. No key was read for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contents {
    /// The authority.
    pub authority: CertificateInfo,
    /// The revocation lists: its own first, then those of the authorities above.
    pub crls: Vec<CrlStatus>,
    /// What was issued, the oldest first.
    pub issued: Vec<Listed>,
    /// Whether a revocation is in the index and not on the list: who revoked was interrupted, and a new list has to be made.
    pub crl_is_behind: bool,
}

/// A revocation list.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CrlStatus {
    /// What it says.
    pub info: CrlInfo,
    /// Whether it refuses everybody, as of now.
    pub stale: bool,
}

/// A certificate that was issued.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Listed {
    /// Its serial number.
    pub serial: Serial,
    /// `server`, `client` or `authority`.
    pub kind: String,
    /// The name in it.
    pub name: String,
    /// When it is valid.
    pub validity: Validity,
    /// SHA-256 of it, in hex.
    pub fingerprint: String,
    /// Where it was put.
    pub file: PathBuf,
    /// Since when it is revoked, if it is.
    pub revoked: Option<SystemTime>,
}

impl Directory {
    /// What is in the folder.
    ///
    /// # Errors
    /// A file is missing or damaged; the system refuses.
    pub fn contents(&self) -> Result<Contents, DirectoryError> {
        let _lock = self.lock()?;
        let index = self.index()?;
        let path = self.path.join(AUTHORITY);
        let authority = CertificateInfo::from_pem(&files::read(&path, Secrecy::Public)?)
            .map_err(|error| DirectoryError::Pki(path, error))?;
        let crls = CrlInfo::all_from_pem(&files::read(&self.crl(), Secrecy::Public)?)
            .map_err(|error| DirectoryError::Pki(self.crl(), error))?;
        let now = SystemTime::now();
        let own = crls.iter().find(|crl| crl.issuer == authority.subject);
        let crl_is_behind = own.is_none_or(|own| own.number < index.crl_number);
        let crls = crls.into_iter().map(|info| CrlStatus { stale: info.is_stale(now), info }).collect();
        let listed = |entry: super::index::Entry| Listed {
            serial: entry.serial,
            kind: entry.kind,
            name: entry.name,
            validity: Validity { not_before: entry.not_before, not_after: entry.not_after },
            fingerprint: entry.fingerprint,
            file: entry.file,
            revoked: entry.revoked,
        };
        Ok(Contents {
            authority,
            crls,
            issued: index.issued.into_iter().map(listed).collect(),
            crl_is_behind,
        })
    }
}
