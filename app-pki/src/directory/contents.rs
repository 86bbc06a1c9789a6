//! The contents of an authority's folder.

use std::path::PathBuf;
use std::time::SystemTime;

use super::files::{self, Secrecy};
use super::{AUTHORITY, Directory, DirectoryError};
use crate::{CertificateInfo, CrlInfo, Serial, Validity};

/// The contents of an authority's folder. It has no keys.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Contents {
    /// The authority.
    pub authority: CertificateInfo,
    /// The revocation lists: its own first, then those of the authorities above.
    pub crls: Vec<CrlStatus>,
    /// The issued certificates, the oldest first.
    pub issued: Vec<IssuedCertificate>,
    /// Whether the index has a revocation that the list lacks, because a command was interrupted. A new list has to be made.
    pub crl_is_behind: bool,
}

/// A revocation list of the folder.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct CrlStatus {
    /// Its content.
    pub info: CrlInfo,
    /// Whether it is stale now, so that peers refuse everybody that its authority signed for.
    pub stale: bool,
}

/// An issued certificate, as the index has it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedCertificate {
    /// Its serial number.
    pub serial: Serial,
    /// `server`, `client` or `authority`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// When it is valid.
    pub validity: Validity,
    /// Its SHA-256 in hex.
    pub fingerprint: String,
    /// Its file, relative to the folder or absolute.
    pub file: PathBuf,
    /// When it was revoked, if it was.
    pub revoked: Option<SystemTime>,
}

impl Directory {
    /// Reads the folder, without its keys.
    ///
    /// # Errors
    /// A file is missing or damaged, or the system refuses.
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
        let listed = |entry: super::index::Entry| IssuedCertificate {
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
