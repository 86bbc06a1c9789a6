//! A certificate and its private key.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_config::Place;
use rustls::pki_types::CertificateDer;
use rustls::sign::{CertifiedKey, SigningKey};
use schema::rpc_capnp::x509_key_pair;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::certificate::MAX_CHAIN;
use crate::pem::{self, Block, PemContent, Position};
use crate::{Certificate, MaterialError, Purpose, clock, crypto_provider, error_text, key_kind};

/// A certificate, the certificates between it and its authority, and its private key. Cheap to clone. `Debug` shows the
/// certificate, and nothing of the key.
#[derive(Clone)]
pub struct KeyPair {
    certified: Arc<CertifiedKey>,
    chain: Arc<[PemCertificate]>,
}

/// A certificate, and its position in the PEM text.
#[derive(Debug)]
pub(crate) struct PemCertificate {
    pub(crate) position: Position,
    pub(crate) certificate: Certificate,
    pub(crate) der: CertificateDer<'static>,
}

impl PemCertificate {
    /// Its subject in DER.
    pub(crate) fn subject_der(&self) -> Vec<u8> {
        self.parsed(|parsed| parsed.subject().as_raw().to_vec())
    }

    /// Its issuer in DER.
    pub(crate) fn issuer_der(&self) -> Vec<u8> {
        self.parsed(|parsed| parsed.issuer().as_raw().to_vec())
    }

    /// Whether its key may sign revocation lists. A certificate without a key usage allows it.
    pub(crate) fn may_sign_lists(&self) -> bool {
        let usage = |parsed: &X509Certificate<'_>| {
            parsed.key_usage().ok().flatten().is_none_or(|usage| usage.value.crl_sign())
        };
        self.parsed(usage)
    }

    fn parsed<T: Default>(&self, part: impl FnOnce(&X509Certificate<'_>) -> T) -> T {
        // It was parsed before, when it was read, so this does not fail.
        X509Certificate::from_der(&self.der).map(|(_, parsed)| part(&parsed)).unwrap_or_default()
    }

    pub(crate) fn check_time(&self, now: SystemTime) -> Result<(), MaterialError> {
        let Certificate { not_before, not_after, .. } = self.certificate;
        if not_after < now {
            return Err(MaterialError::Expired(self.position, not_after));
        }
        if not_before > now { Err(MaterialError::NotYetValid(self.position, not_before)) } else { Ok(()) }
    }
}

impl KeyPair {
    /// Reads a key pair from PEM: one private key (PKCS #8, SEC 1 or PKCS #1), and the chain with its own certificate first.
    ///
    /// # Errors
    /// The key or the chain is missing or unusable, or they do not belong together.
    pub fn from_pem(key: &[u8], certificates: &[u8]) -> Result<Self, MaterialError> {
        let chain = parse_chain(certificates)?;
        let key = parse_key(key)?;
        Self::of(key, chain)
    }

    fn of(key: Arc<dyn SigningKey>, chain: Vec<PemCertificate>) -> Result<Self, MaterialError> {
        let certified = |from: usize| {
            CertifiedKey::new(chain[from..].iter().map(|one| one.der.clone()).collect(), Arc::clone(&key))
        };
        let whole = certified(0);
        // For this rustls reads the certificate, and may refuse it for another reason than its key.
        let matched = whole.keys_match();
        if let Err(error @ rustls::Error::InvalidCertificate(_)) = &matched {
            return Err(MaterialError::Refused(error_text::of(error)));
        }
        if matched.is_err() {
            let other = (1..chain.len()).find(|from| certified(*from).keys_match().is_ok());
            return Err(other.map_or(MaterialError::KeyOfAnother, |from| {
                MaterialError::WrongOrder(chain[from].position)
            }));
        }
        Ok(Self { certified: Arc::new(whole), chain: chain.into() })
    }

    /// Its own certificate.
    #[must_use]
    pub fn certificate(&self) -> &Certificate {
        &self.chain[0].certificate
    }

    /// Its own certificate, then the rest of the chain.
    pub(crate) fn chain(&self) -> impl Iterator<Item = &Certificate> {
        self.chain.iter().map(|one| &one.certificate)
    }

    /// Its own certificate, then the rest of the chain, each with its position in the text.
    pub(crate) fn placed(&self) -> &[PemCertificate] {
        &self.chain
    }

    /// The name (DER) of the authority above the chain: the last issuer that is found from the first certificate on.
    pub(crate) fn top_issuer(&self) -> Vec<u8> {
        let mut issuer = self.chain[0].issuer_der();
        for _ in 1..self.chain.len() {
            let above =
                self.chain[1..].iter().find(|one| one.subject_der() == issuer && one.issuer_der() != issuer);
            let Some(above) = above else { break };
            issuer = above.issuer_der();
        }
        issuer
    }

    pub(crate) fn certified(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.certified)
    }

    /// Checks that it can be shown for this purpose at this moment, under this name if there is one to show.
    ///
    /// # Errors
    /// The certificate is for another purpose, has another name, is not valid now, or is weak.
    pub fn check(&self, purpose: Purpose, name: Option<&str>, now: SystemTime) -> Result<(), MaterialError> {
        let leaf = self.certificate();
        if leaf.is_authority {
            return Err(MaterialError::IsAuthority);
        }
        if !leaf.serves(purpose) {
            return Err(MaterialError::WrongPurpose(purpose));
        }
        if let Some(name) = name.filter(|name| !leaf.is_named(name)) {
            return Err(MaterialError::Unnamed { expected: name.to_owned(), found: leaf.names.clone() });
        }
        for one in &*self.chain {
            if let Some(weakness) = &one.certificate.weakness {
                return Err(MaterialError::CertificateWeak(one.position, weakness.clone()));
            }
        }
        self.check_time(now)
    }

    /// Checks that peers can accept it at this moment: its own certificate and each authority between it and a root must be
    /// valid. Other certificates of the chain do not matter.
    fn check_time(&self, now: SystemTime) -> Result<(), MaterialError> {
        if clock::is_wrong(now) {
            return Ok(());
        }
        let mut current = &self.chain[0];
        current.check_time(now)?;
        for _ in 1..self.chain.len() {
            let signs = |one: &&PemCertificate| {
                let Certificate { subject, issuer, .. } = &one.certificate;
                *subject == current.certificate.issuer && subject != issuer
            };
            let mut above = self.chain[1..].iter().filter(signs);
            let Some(first) = above.next() else { break };
            let valid = [first].into_iter().chain(above).find(|one| one.check_time(now).is_ok());
            first.check_time(now).or_else(|error| valid.map(|_| ()).ok_or(error))?;
            current = valid.unwrap_or(first);
        }
        Ok(())
    }

    /// Whether a key or a certificate is there, for configs where a key pair may be left out. Both empty is left out.
    #[must_use]
    pub fn is_given(spec: capnp::Result<x509_key_pair::Reader<'_>>) -> bool {
        // What can't be read is there, and reading it says why.
        let given = |part: &capnp::Result<&[u8]>| part.as_ref().map_or(true, |bytes| !bytes.is_empty());
        spec.map_or(true, |pair| [pair.get_key(), pair.get_cert()].iter().any(given))
    }

    /// Reads a key pair, and adds every problem.
    pub fn read(
        spec: x509_key_pair::Reader<'_>,
        purpose: Purpose,
        name: Option<&str>,
        place: &mut Place<'_>,
    ) -> Option<Self> {
        let key = place.field("key").value(spec.get_key())?;
        let certificates = place.field("cert").value(spec.get_cert())?;
        let key = parse_key(key).map_err(|error| error.add_to(&mut place.field("key"))).ok();
        let chain = parse_chain(certificates).map_err(|error| error.add_to(&mut place.field("cert"))).ok();
        let pair = Self::of(key?, chain?).and_then(|pair| {
            pair.check(purpose, name, SystemTime::now())?;
            Ok(pair)
        });
        let added = pair.map_err(|error| {
            let field = if error.of() == PemContent::Key { "key" } else { "cert" };
            error.add_to(&mut place.field(field));
        });
        added.ok()
    }
}

/// Reads the key. rustls overwrites the DER that it was read from. app-config overwrites the text, if it is part of a config.
fn parse_key(text: &[u8]) -> Result<Arc<dyn SigningKey>, MaterialError> {
    let mut keys = pem::read(text, PemContent::Key)?;
    let more = keys.get(1).map(|second| second.position);
    let Block { encoding, der, .. } = keys.swap_remove(0);
    let key = encoding.private_key(der);
    if let Some(second) = more {
        return Err(MaterialError::ManyKeys(second));
    }
    let kept = key.clone_key();
    crypto_provider()
        .key_provider
        .load_private_key(key)
        .map_err(|_| key_kind::error_of(encoding, kept.secret_der()))
}

fn parse_chain(text: &[u8]) -> Result<Vec<PemCertificate>, MaterialError> {
    let chain = parse_certificates(text)?;
    if chain.len() > MAX_CHAIN {
        return Err(MaterialError::ChainTooLong(chain.len()));
    }
    Ok(chain)
}

/// Reads the certificates of a text, at least one.
pub(crate) fn parse_certificates(text: &[u8]) -> Result<Vec<PemCertificate>, MaterialError> {
    let placed = |block: Block| {
        let certificate = Certificate::parse(&block.der);
        let certificate = certificate.ok_or(MaterialError::CertificateDamaged(block.position))?;
        Ok(PemCertificate { position: block.position, certificate, der: block.der.into() })
    };
    pem::read(text, PemContent::Certificates)?.into_iter().map(placed).collect()
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("certificate", self.certificate()).finish_non_exhaustive()
    }
}
