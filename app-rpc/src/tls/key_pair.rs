//! A certificate and its private key.

use std::fmt;
use std::sync::Arc;

use app_config::Place;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SigningKey};
use schema::rpc_capnp::x509_key_pair;

use super::{Certificate, Purpose, provider};

/// Certificates that a peer is shown. rustls takes no longer chain either.
const MAX_CHAIN: usize = 8;

/// Why something is no material for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum MaterialError {
    /// There is nothing.
    Missing,
    /// It is not PEM, or not of what it should be.
    NotPem(&'static str),
    /// There is more than one private key.
    ManyKeys,
    /// The private key is of a kind that is not supported, or damaged.
    KeyUnusable,
    /// The certificate of this place is damaged.
    CertificateUnusable(usize),
    /// The chain has this many certificates.
    ChainTooLong(usize),
    /// The private key is not the certificate's.
    KeyOfAnother,
    /// The certificate is not for this purpose.
    WrongPurpose(Purpose),
    /// The certificate lacks the name that peers look for.
    Unnamed {
        /// The name that it should have.
        expected: String,
        /// Those that it has.
        found: Vec<String>,
    },
    /// The revocation list of this place is damaged.
    CrlUnusable(usize),
}

impl fmt::Display for MaterialError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing => f.write_str("has to be given"),
            Self::NotPem(what) => write!(f, "must be {what} in PEM"),
            Self::ManyKeys => f.write_str("must be one private key, found more"),
            Self::KeyUnusable => f.write_str(
                "is damaged, or of a kind that is not supported: use ECDSA P-256 or P-384, Ed25519 or RSA",
            ),
            Self::CertificateUnusable(place) => write!(f, "certificate {place} is damaged (counted from 0)"),
            Self::ChainTooLong(found) => {
                write!(f, "must have at most {MAX_CHAIN} certificates, found {found}")
            }
            Self::KeyOfAnother => f.write_str("is not the key of the certificate"),
            Self::WrongPurpose(Purpose::Server) => {
                f.write_str("may not be used by servers: its extended key usage lacks serverAuth")
            }
            Self::WrongPurpose(Purpose::Client) => {
                f.write_str("may not be used by clients: its extended key usage lacks clientAuth")
            }
            Self::Unnamed { expected, found } => {
                write!(f, "must have the name (DNS) {expected}, found {}", list(found))
            }
            Self::CrlUnusable(place) => write!(f, "revocation list {place} is damaged (counted from 0)"),
        }
    }
}

impl std::error::Error for MaterialError {}

fn list(names: &[String]) -> String {
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// A certificate, those between it and the authority, and its private key. Cheap to clone; `Debug` shows whose it is, and
/// nothing of the key.
#[derive(Clone)]
pub struct KeyPair {
    certified: Arc<CertifiedKey>,
    leaf: Certificate,
}

impl KeyPair {
    /// A key pair from PEM: one private key (PKCS #8, SEC 1 or PKCS #1), and the certificates, its own first.
    ///
    /// # Errors
    /// Either is missing or unusable, or they do not belong together.
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self, MaterialError> {
        let chain = parse_chain(certificates)?;
        let key = parse_key(key)?;
        Self::of(key, chain)
    }

    fn of(key: Arc<dyn SigningKey>, chain: Vec<CertificateDer<'static>>) -> Result<Self, MaterialError> {
        let leaf = chain.first().and_then(|der| Certificate::parse(der));
        let leaf = leaf.ok_or(MaterialError::CertificateUnusable(0))?;
        let certified = CertifiedKey::new(chain, key);
        certified.keys_match().map_err(|_| MaterialError::KeyOfAnother)?;
        Ok(Self { certified: Arc::new(certified), leaf })
    }

    /// Whose it is.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.leaf
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Whether it can be shown for this, under this name if there is one to show.
    pub(crate) fn check(&self, purpose: Purpose, name: Option<&str>) -> Result<(), MaterialError> {
        if !self.leaf.serves(purpose) {
            return Err(MaterialError::WrongPurpose(purpose));
        }
        match name {
            Some(name) if !self.leaf.is_named(name) => {
                Err(MaterialError::Unnamed { expected: name.to_owned(), found: self.leaf.names.clone() })
            }
            _ => Ok(()),
        }
    }

    /// Reads a key pair, and adds every problem.
    pub(crate) fn read(
        spec: x509_key_pair::Reader<'_>,
        purpose: Purpose,
        name: Option<&str>,
        place: &mut Place<'_>,
    ) -> Option<Self> {
        let key = place.field("key").value(spec.get_key())?;
        let certificates = place.field("cert").value(spec.get_cert())?;
        let key = parse_key(key).map_err(|error| place.field("key").add(error)).ok();
        let chain = parse_chain(certificates).map_err(|error| place.field("cert").add(error)).ok();
        let pair = match Self::of(key?, chain?) {
            Ok(pair) => pair,
            Err(error @ MaterialError::KeyOfAnother) => {
                place.field("key").add(error);
                return None;
            }
            Err(error) => {
                place.field("cert").add(error);
                return None;
            }
        };
        if let Err(error) = pair.check(purpose, name) {
            place.field("cert").add(error);
        }
        Some(pair)
    }
}

/// The key, as it is used. What it was read from, rustls overwrites; the text is its owner's, and app-config overwrites that of configs.
fn parse_key(pem: &[u8]) -> Result<Arc<dyn SigningKey>, MaterialError> {
    if pem.is_empty() {
        return Err(MaterialError::Missing);
    }
    let mut keys = PrivateKeyDer::pem_slice_iter(pem);
    match (keys.next(), keys.next()) {
        (Some(Ok(key)), None) => {
            provider().key_provider.load_private_key(key).map_err(|_| MaterialError::KeyUnusable)
        }
        (Some(Ok(_)), Some(_)) => Err(MaterialError::ManyKeys),
        _ => Err(MaterialError::NotPem("a private key")),
    }
}

fn parse_chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    let chain = parse_certificates(pem)?;
    if chain.len() > MAX_CHAIN {
        return Err(MaterialError::ChainTooLong(chain.len()));
    }
    Ok(chain)
}

/// The certificates of a text, at least one, each of which is one.
pub(super) fn parse_certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, MaterialError> {
    if pem.is_empty() {
        return Err(MaterialError::Missing);
    }
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let found = found.map_err(|_| MaterialError::NotPem("certificates"))?;
    if found.is_empty() {
        return Err(MaterialError::NotPem("certificates"));
    }
    match found.iter().position(|der| Certificate::parse(der).is_none()) {
        Some(place) => Err(MaterialError::CertificateUnusable(place)),
        None => Ok(found),
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("certificate", &self.leaf).finish_non_exhaustive()
    }
}
