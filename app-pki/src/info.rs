//! Reading certificates and revocation lists, to show them.

use std::fmt;
use std::time::SystemTime;

use app_tls::pem::{self, PemContent};
use app_tls::{Certificate, Purpose, system_time};
use rustls::pki_types::CertificateDer;
use sha2::{Digest, Sha256};
use x509_parser::certificate::X509Certificate;
use x509_parser::prelude::FromDer;
use x509_parser::revocation_list::CertificateRevocationList;

use crate::{PkiError, Revoked, Serial, Validity};

/// The purpose of a certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CertificateKind {
    /// It signs certificates and revocation lists.
    Authority,
    /// Servers show it.
    Server,
    /// Clients show it.
    Client,
    /// It is for both sides, for neither, or for something else.
    Other,
}

impl fmt::Display for CertificateKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Authority => "authority",
            Self::Server => "server",
            Self::Client => "client",
            Self::Other => "other",
        })
    }
}

/// The content of a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CertificateInfo {
    /// Its purpose.
    pub kind: CertificateKind,
    /// Its DNS names.
    pub names: Vec<String>,
    /// Its subject as text.
    pub subject: String,
    /// Its issuer as text.
    pub issuer: String,
    /// Its serial number.
    pub serial: Serial,
    /// When it is valid.
    pub validity: Validity,
    /// Its SHA-256 in hex.
    pub fingerprint: String,
}

impl CertificateInfo {
    /// Reads the first certificate of a text.
    ///
    /// # Errors
    /// The text is not PEM of a certificate, or the certificate is damaged.
    pub fn from_pem(pem: &[u8]) -> Result<Self, PkiError> {
        Self::from_der(&first_certificate(pem)?)
    }

    /// Reads all certificates of a text, at least one.
    ///
    /// # Errors
    /// The text is not PEM of certificates, or a certificate is damaged.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, PkiError> {
        certificates(pem)?.iter().map(Self::from_der).collect()
    }

    pub(super) fn from_der(der: &CertificateDer<'_>) -> Result<Self, PkiError> {
        let leaf = Certificate::parse(der).ok_or(PkiError::Damaged("certificate"))?;
        let parsed = parse(der)?;
        let kind = match (parsed.is_ca(), leaf.serves(Purpose::Server), leaf.serves(Purpose::Client)) {
            (true, ..) => CertificateKind::Authority,
            (_, true, false) => CertificateKind::Server,
            (_, false, true) => CertificateKind::Client,
            _ => CertificateKind::Other,
        };
        Ok(Self {
            kind,
            names: leaf.names,
            subject: parsed.subject().to_string(),
            issuer: parsed.issuer().to_string(),
            serial: Serial::from_bytes(parsed.raw_serial()),
            validity: Validity { not_before: leaf.not_before, not_after: leaf.not_after },
            fingerprint: Sha256::digest(der).iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }
}

/// The content of a revocation list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct CrlInfo {
    /// Its issuer as text.
    pub issuer: String,
    /// Its number. Each new list of an authority has a larger one. 0 if the list has none.
    pub number: u64,
    /// When it was made.
    pub this_update: SystemTime,
    /// When it becomes stale. After that, peers with this list refuse everybody that its authority signed for. `None` for a list of
    /// other software without this date.
    pub next_update: Option<SystemTime>,
    /// The revoked certificates.
    pub revoked: Vec<Revoked>,
}

impl CrlInfo {
    /// Reads all lists of a text, at least one.
    ///
    /// # Errors
    /// The text is not PEM of revocation lists, or a list is damaged.
    pub fn all_from_pem(pem: &[u8]) -> Result<Vec<Self>, PkiError> {
        pem::read(pem, PemContent::Crls)?.iter().map(|block| Self::from_der(&block.der)).collect()
    }

    pub(super) fn from_der(der: &[u8]) -> Result<Self, PkiError> {
        let damaged = PkiError::Damaged("revocation list");
        let (_, parsed) = CertificateRevocationList::from_der(der).map_err(|_| damaged)?;
        let revoked = parsed.iter_revoked_certificates().map(|revoked| Revoked {
            serial: Serial::from_bytes(revoked.raw_serial()),
            at: system_time(revoked.revocation_date.timestamp()),
        });
        Ok(Self {
            issuer: parsed.issuer().to_string(),
            number: parsed.crl_number().and_then(|number| number.try_into().ok()).unwrap_or(0),
            this_update: system_time(parsed.last_update().timestamp()),
            next_update: parsed.next_update().map(|next| system_time(next.timestamp())),
            revoked: revoked.collect(),
        })
    }

    /// Whether it is past its next update at this time.
    #[must_use]
    pub fn is_stale(&self, now: SystemTime) -> bool {
        self.next_update.is_some_and(|next| next < now)
    }
}

pub(super) fn parse<'a>(der: &'a CertificateDer<'_>) -> Result<X509Certificate<'a>, PkiError> {
    match X509Certificate::from_der(der) {
        Ok(([], parsed)) => Ok(parsed),
        _ => Err(PkiError::Damaged("certificate")),
    }
}

pub(super) fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, PkiError> {
    Ok(pem::read(pem, PemContent::Certificates)?.into_iter().map(|block| block.der.into()).collect())
}

pub(super) fn first_certificate(pem: &[u8]) -> Result<CertificateDer<'static>, PkiError> {
    let mut found = certificates(pem)?;
    Ok(found.swap_remove(0))
}
