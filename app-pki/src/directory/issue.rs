//! Issuing into files.

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

/// For how many days certificates are valid, if nobody says otherwise.
const DEFAULT_DAYS: u32 = 365;

/// A certificate that is wanted.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Wanted {
    /// Whom it is for.
    pub subject: Subject,
    /// The kind of its key.
    pub key: KeyKind,
    /// For how many days it is valid. Default: 365, or as long as the authority, if that is shorter.
    pub days: Option<u32>,
    /// The folder that it is put into. Default: that of the authority.
    pub into: Option<PathBuf>,
}

impl Wanted {
    /// With the defaults of everything else.
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

/// A certificate that was put in its place.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Placed {
    /// The certificate, and those between it and the root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// What the certificate says.
    pub info: CertificateInfo,
}

impl Directory {
    /// Issues a certificate: `server-{name}.pem` or `client-{name}.pem`, and `.key`. Where the certificates of this name were all
    /// revoked or have expired, the new one lies beside them: `..-2.pem`, `..-3.pem`.
    ///
    /// # Errors
    /// There is one already that is still good; what is asked for is not possible; the system refuses.
    pub fn issue(&self, wanted: &Wanted) -> Result<Placed, DirectoryError> {
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

    /// Issues another certificate of the same name, with a key of its own, beside the one in this file: `..-2.pem`, `..-3.pem`. The
    /// one before, unless it was revoked, stays good until it expires, so that both can be in use while configs change.
    ///
    /// # Errors
    /// The certificate is not one that was issued here; else as [`issue`](Self::issue).
    pub fn renew(
        &self,
        certificate: &Path,
        days: Option<u32>,
        key: KeyKind,
        into: Option<PathBuf>,
    ) -> Result<Placed, DirectoryError> {
        let _lock = self.lock()?;
        let authority = self.authority()?;
        let pem = files::read(certificate, Secrecy::Signed)?;
        let named = |error| DirectoryError::Pki(certificate.to_owned(), error);
        let info = CertificateInfo::from_pem(&pem).map_err(named)?;
        authority.check_issued(&pem).map_err(named)?;
        let subject = subject(&info).ok_or_else(|| DirectoryError::OtherKind(certificate.to_owned()))?;
        let into = into.or_else(|| certificate.parent().map(Path::to_owned));
        let wanted = Wanted { key, days, into, ..Wanted::new(subject) };
        let base = self.base(&wanted, &wanted.subject);
        let free = bases(&base).skip(1).find(|base| taken(base).is_none());
        self.put(&authority, &wanted, &free.ok_or_else(|| DirectoryError::Issued(base.clone()))?)
    }

    fn base(&self, wanted: &Wanted, subject: &Subject) -> PathBuf {
        let kind = match subject {
            Subject::Server(_) => "server",
            Subject::Client(_) => "client",
        };
        let into = wanted.into.as_deref().unwrap_or(&self.path);
        into.join(format!("{kind}-{}", subject.name()))
    }

    fn put(&self, authority: &Authority, wanted: &Wanted, base: &Path) -> Result<Placed, DirectoryError> {
        let mut index = self.index()?;
        let issued = authority.issue(&wanted.subject, &wanted.options(authority))?;
        let (certificate, key) = (with_suffix(base, ".pem"), with_suffix(base, ".key"));
        let file = certificate.strip_prefix(&self.path).unwrap_or(&certificate).to_owned();
        index.issued.push(Entry::new(&issued.info, wanted.subject.name(), file));
        self.put_index(&index)?;
        let placed = files::place(&key, &issued.key, Secrecy::Secret).and_then(|()| {
            let placed = files::place(&certificate, issued.certificate.as_bytes(), Secrecy::Public);
            // Made just now, by us, and of no use.
            placed.inspect_err(|_| drop(fs::remove_file(&key)))
        });
        if let Err(error) = placed {
            index.issued.pop();
            // If it stays there, it is of a certificate that nobody has.
            let _taken_back = self.put_index(&index);
            return Err(error);
        }
        Ok(Placed { certificate, key, info: issued.info })
    }
}

/// Not `with_extension`: names have dots.
fn with_suffix(base: &Path, suffix: &str) -> PathBuf {
    let mut path = base.as_os_str().to_owned();
    path.push(suffix);
    path.into()
}

/// The names that certificates of one subject get, one after another.
fn bases(base: &Path) -> impl Iterator<Item = PathBuf> {
    let numbered = (2..=10_000).map(|number: u32| PathBuf::from(format!("{}-{number}", base.display())));
    std::iter::once(base.to_owned()).chain(numbered)
}

/// Whether the certificate in this file is of no use any more: it was revoked, or has expired. A file that can't be read is not.
fn is_over(index: &Index, certificate: &Path) -> bool {
    let read = files::read(certificate, Secrecy::Signed).ok();
    let Some(info) = read.and_then(|pem| CertificateInfo::from_pem(&pem).ok()) else { return false };
    let known = index.issued.iter().find(|entry| entry.fingerprint == info.fingerprint);
    known.is_some_and(|entry| entry.revoked.is_some() || entry.not_after < SystemTime::now())
}

/// What has the name already.
fn taken(base: &Path) -> Option<PathBuf> {
    [".pem", ".key"]
        .map(|suffix| with_suffix(base, suffix))
        .into_iter()
        .find(|path| path.symlink_metadata().is_ok())
}

/// Whom a certificate is for.
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
