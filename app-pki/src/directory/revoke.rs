//! Revoking certificates, and making revocation lists.

use std::path::Path;
use std::time::SystemTime;

use app_tls::pem::{self, PemContent};

use super::files::{self, Secrecy};
use super::index::{Entry, Index};
use super::{Directory, DirectoryError};
use crate::{Authority, CertificateInfo, CrlInfo, PkiError, Revoked, Serial, Validity};

/// The result of a revocation.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Revocation {
    /// The serial number of the certificate.
    pub serial: Serial,
    /// The name in the certificate.
    pub name: String,
    /// When it was revoked.
    pub at: SystemTime,
    /// Whether it was revoked before.
    pub already: bool,
    /// The new list of the authority.
    pub crl: CrlInfo,
}

impl Directory {
    /// Revokes the certificate with this serial number, and makes a new list. A certificate that was revoked before keeps its date.
    ///
    /// It takes effect when servers read the new list ([`crl`](Self::crl)). They refuse the certificate from then on, and close its
    /// open connections.
    ///
    /// # Errors
    /// No certificate with this serial number was issued here, or the system refuses.
    pub fn revoke(&self, serial: &Serial) -> Result<Revocation, DirectoryError> {
        let _lock = self.lock()?;
        let index = self.index()?;
        if index.find(serial).is_none() {
            return Err(DirectoryError::UnknownSerial(serial.clone()));
        }
        self.revoke_in(index, serial)
    }

    /// Revokes the certificate in this file, and makes a new list. The index does not need to have the certificate.
    ///
    /// # Errors
    /// This authority did not issue it, or the system refuses.
    pub fn revoke_file(&self, certificate: &Path) -> Result<Revocation, DirectoryError> {
        let _lock = self.lock()?;
        let pem = files::read(certificate, Secrecy::Signed)?;
        let named = |error| DirectoryError::Pki(certificate.to_owned(), error);
        let info = CertificateInfo::from_pem(&pem).map_err(named)?;
        // The signature decides: another authority can have used the same serial number.
        self.authority()?.check_issued(&pem).map_err(named)?;
        let mut index = self.index()?;
        if index.find(&info.serial).is_none() {
            let name = info.names.first().unwrap_or(&info.subject).clone();
            index.issued.push(Entry::new(&info, name, certificate.to_owned()));
        }
        self.revoke_in(index, &info.serial)
    }

    /// Makes a new list with the same revocations. It has to be made before the old list is stale: peers with a stale list refuse
    /// everybody that this authority signed for.
    ///
    /// # Errors
    /// The system refuses.
    pub fn refresh_crl(&self) -> Result<CrlInfo, DirectoryError> {
        let _lock = self.lock()?;
        self.make_crl(self.index()?)
    }

    fn revoke_in(&self, mut index: Index, serial: &Serial) -> Result<Revocation, DirectoryError> {
        let now = SystemTime::now();
        let entry = index.find_mut(serial).ok_or_else(|| DirectoryError::UnknownSerial(serial.clone()))?;
        let already = entry.revoked.is_some();
        let at = *entry.revoked.get_or_insert(now);
        let name = entry.name.clone();
        let crl = self.make_crl(index)?;
        Ok(Revocation { serial: serial.clone(), name, at, already, crl })
    }

    fn make_crl(&self, mut index: Index) -> Result<CrlInfo, DirectoryError> {
        let authority = self.authority()?;
        let (own, above) = self.lists(&authority, &index)?;
        index.crl_number = index.crl_number.max(own.as_ref().map_or(0, |own| own.number)) + 1;
        let now = SystemTime::now();
        let before = own.map(|own| own.revoked).unwrap_or_default();
        let revoked: Vec<Revoked> = index.revoked(now, &before);
        let validity = Validity::days_from(now, index.crl_days);
        let list = authority.crl(&revoked, index.crl_number, validity)?;
        // The index comes first: a list can be made from the index, and not the other way round.
        self.put_index(&index)?;
        let mut lists = list.clone();
        above.iter().for_each(|list| lists.push_str(list));
        files::replace(&self.crl(), lists.as_bytes(), 0o444)?;
        let mut made = CrlInfo::all_from_pem(list.as_bytes())?;
        Ok(made.swap_remove(0))
    }

    /// The present list of this authority, and the lists of the authorities above. The latter come from their own folder if it can be
    /// read, and from this folder otherwise.
    fn lists(
        &self,
        authority: &Authority,
        index: &Index,
    ) -> Result<(Option<CrlInfo>, Vec<String>), DirectoryError> {
        let path = self.crl();
        let here = match files::read(&path, Secrecy::Public) {
            Ok(here) => split(&here).map_err(|error| DirectoryError::Pki(path, error))?,
            Err(DirectoryError::Io(_, error)) if error.kind() == std::io::ErrorKind::NotFound => Vec::new(),
            Err(error) => return Err(error),
        };
        let is_own = |list: &(CrlInfo, String)| list.0.issuer == authority.info().subject;
        let own = here.iter().find(|list| is_own(list)).map(|list| list.0.clone());
        let fresh = index.above.as_ref().and_then(|above| {
            let above = Self::open(above).ok()?;
            split(&files::read(&above.crl(), Secrecy::Public).ok()?).ok()
        });
        let above = fresh.unwrap_or(here).into_iter().filter(|list| !is_own(list));
        Ok((own, above.map(|(_, pem)| pem).collect()))
    }
}

/// The lists of a text, each with its PEM.
fn split(text: &[u8]) -> Result<Vec<(CrlInfo, String)>, PkiError> {
    let blocks = pem::read(text, PemContent::Crls)?.into_iter();
    blocks.map(|block| Ok((CrlInfo::from_der(&block.der)?, pem::write("X509 CRL", &block.der)))).collect()
}
