//! Issuing and renewing certificates as files.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use app_tls::RpcName;

use super::files::{self, Secrecy};
use super::index::{Entry, Index};
use super::{Directory, DirectoryError};
use crate::{
    Authority, CertificateInfo, CertificateKind, ClientName, KeyKind, LeafOptions, Subject, Validity,
};

/// For how many days certificates are valid by default.
const DEFAULT_DAYS: u32 = 365;

/// Options of a new certificate in files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssueOptions {
    /// Its owner.
    pub subject: Subject,
    /// The kind of its key.
    pub key: KeyKind,
    /// For how many days it is valid. Default: 365, or as long as the authority, if that is shorter.
    pub days: Option<u32>,
    /// The folder for its files. Default: the folder of the authority.
    pub into: Option<PathBuf>,
}

impl IssueOptions {
    /// A certificate for this owner, with the defaults for everything else.
    #[must_use]
    pub fn new(subject: Subject) -> Self {
        Self { subject, key: KeyKind::default(), days: None, into: None }
    }

    fn options(&self, authority: &Authority) -> LeafOptions {
        let validity = match self.days {
            Some(days) => Validity::days(days),
            None => Validity::days(DEFAULT_DAYS).until_at_most(authority.info().validity.not_after),
        };
        LeafOptions::new(validity).key(self.key)
    }
}

/// A new certificate and its files.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct IssuedFiles {
    /// The file with the certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// The file with its private key.
    pub key: PathBuf,
    /// The content of the certificate.
    pub info: CertificateInfo,
}

impl Directory {
    /// Issues a certificate: `server-{name}.pem` or `client-{name}.pem`, and `.key`. If all certificates with this name are revoked
    /// or expired, the files of the new one have a number: `..-2.pem`, `..-3.pem`.
    ///
    /// # Errors
    /// There is a valid certificate with this name already, the options are not possible, or the system refuses.
    pub fn issue(&self, wanted: &IssueOptions) -> Result<IssuedFiles, DirectoryError> {
        let _lock = self.lock()?;
        let index = self.index()?;
        let base = self.base(wanted, &wanted.subject);
        for base in bases(&base) {
            let Some(taken) = taken(&base) else {
                return self.put(&self.authority()?, wanted, &base);
            };
            if !is_over(&index, &with_suffix(&base, ".pem")) {
                return Err(DirectoryError::Issued(taken));
            }
        }
        Err(DirectoryError::Issued(base))
    }

    /// Issues another certificate with the name of the one in this file, and with a new key, as `..-2.pem`, `..-3.pem`. The old
    /// certificate stays valid until it expires or is revoked, so that both can be in use while configs change.
    ///
    /// # Errors
    /// The certificate was not issued here, or the errors of [`issue`](Self::issue).
    pub fn renew(
        &self,
        certificate: &Path,
        days: Option<u32>,
        key: KeyKind,
        into: Option<PathBuf>,
    ) -> Result<IssuedFiles, DirectoryError> {
        let _lock = self.lock()?;
        let authority = self.authority()?;
        let pem = files::read(certificate, Secrecy::Signed)?;
        let named = |error| DirectoryError::Pki(certificate.to_owned(), error);
        let info = CertificateInfo::from_pem(&pem).map_err(named)?;
        authority.check_issued(&pem).map_err(named)?;
        let subject = subject(&info).ok_or_else(|| DirectoryError::OtherKind(certificate.to_owned()))?;
        let into = into.or_else(|| certificate.parent().map(Path::to_owned));
        let wanted = IssueOptions { key, days, into, ..IssueOptions::new(subject) };
        let base = self.base(&wanted, &wanted.subject);
        let free = bases(&base).skip(1).find(|base| taken(base).is_none());
        self.put(&authority, &wanted, &free.ok_or_else(|| DirectoryError::Issued(base.clone()))?)
    }

    fn base(&self, wanted: &IssueOptions, subject: &Subject) -> PathBuf {
        let kind = match subject {
            Subject::Server(_) => "server",
            Subject::Client(_) => "client",
        };
        let into = wanted.into.as_deref().unwrap_or(&self.path);
        into.join(format!("{kind}-{}", subject.name()))
    }

    fn put(
        &self,
        authority: &Authority,
        wanted: &IssueOptions,
        base: &Path,
    ) -> Result<IssuedFiles, DirectoryError> {
        let mut index = self.index()?;
        let issued = authority.issue(&wanted.subject, &wanted.options(authority))?;
        let (certificate, key) = (with_suffix(base, ".pem"), with_suffix(base, ".key"));
        let file = certificate.strip_prefix(&self.path).unwrap_or(&certificate).to_owned();
        index.issued.push(Entry::new(&issued.info, wanted.subject.name(), file));
        self.put_index(&index)?;
        let placed = files::place(&key, &issued.key, Secrecy::Secret).and_then(|()| {
            let placed = files::place(&certificate, issued.certificate.as_bytes(), Secrecy::Public);
            // The key was made just now, and is useless without its certificate.
            placed.inspect_err(|_| drop(fs::remove_file(&key)))
        });
        if let Err(error) = placed {
            index.issued.pop();
            // If this fails, the index has an entry for a certificate that does not exist. That does no harm.
            let _taken_back = self.put_index(&index);
            return Err(error);
        }
        Ok(IssuedFiles { certificate, key, info: issued.info })
    }
}

/// Appends a suffix. `with_extension` would replace what follows a dot in the name.
fn with_suffix(base: &Path, suffix: &str) -> PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The base names for certificates of one owner, in order.
fn bases(base: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = (2..=10_000).map(|number: u32| PathBuf::from(format!("{}-{number}", base.display())));
    std::iter::once(base.to_owned()).chain(numbered)
}

/// Whether the certificate in this file was revoked or has expired. `false` if the file can't be read.
fn is_over(index: &Index, certificate: &Path) -> bool {
    let read = files::read(certificate, Secrecy::Signed).ok();
    let Some(info) = read.and_then(|pem| CertificateInfo::from_pem(&pem).ok()) else { return false };
    let known = index.issued.iter().find(|entry| entry.fingerprint == info.fingerprint);
    known.is_some_and(|entry| entry.revoked.is_some() || entry.not_after < SystemTime::now())
}

/// The file that has this base name already, if there is one.
fn taken(base: &Path) -> Option<PathBuf> {
    [".pem", ".key"]
        .map(|suffix| with_suffix(base, suffix))
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
}

/// The owner of a certificate of this platform.
fn subject(info: &CertificateInfo) -> Option<Subject> {
    let [name] = info.names.as_slice() else { return None };
    match info.kind {
        CertificateKind::Client => ClientName::new(name).ok().map(Subject::Client),
        CertificateKind::Server => {
            let id = |part: &str| u64::from_str_radix(part, 16).ok().filter(|id| *id != 0);
            let ids: Option<Vec<_>> = name.split('_').map(id).collect();
            let [domain, app, service] = ids?.try_into().ok()?;
            let (domain, app, service) = (domain.into(), app.into(), service.into());
            Some(Subject::Server(RpcName { domain, app, service })).filter(|subject| subject.name() == *name)
        }
        _ => None,
    }
}
