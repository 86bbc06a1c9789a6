//! Whom we trust, and whose certificates were revoked.

use std::fmt;
use std::sync::Arc;

use app_config::Place;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::pki_types::pem::PemObject;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;

use super::key_pair::parse_certificates;
use super::revoked::{self, Revoked};
use super::{MaterialError, provider};

/// The authorities that certificates of peers may come from, and their revocation lists. Cheap to clone.
///
/// Once there is a list, there has to be one of every authority in a peer's chain, and none may be past its "next update":
/// whoever can hold lists back must not be able to undo a revocation.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    crls: Arc<[CertificateRevocationListDer<'static>]>,
}

impl Authorities {
    /// Authorities from PEM, at least one; and revocation lists, which may be none.
    ///
    /// # Errors
    /// Something is missing or unusable.
    pub fn from_pem(certificates: &[u8], crls: &[u8]) -> Result<Self, MaterialError> {
        let authorities = Self { roots: parse_roots(certificates)?, crls: parse_crls(crls)? };
        authorities.check_crls()?;
        Ok(authorities)
    }

    /// Reads authorities, and adds every problem.
    pub(crate) fn read(
        certificates: capnp::Result<&[u8]>,
        crls: capnp::Result<&[u8]>,
        problems: &mut app_config::Problems,
    ) -> Option<Self> {
        let of = |bytes: capnp::Result<&[u8]>, place: &mut Place<'_>| place.value(bytes).map(<[u8]>::to_vec);
        let certificates = of(certificates, &mut problems.at("caCert"))?;
        let crls = of(crls, &mut problems.at("crl"))?;
        let roots = parse_roots(&certificates).map_err(|error| problems.at("caCert").add(error)).ok();
        let crls = parse_crls(&crls).map_err(|error| problems.at("crl").add(error)).ok();
        let authorities = Self { roots: roots?, crls: crls? };
        authorities.check_crls().map_err(|error| problems.at("crl").add(error)).ok()?;
        Some(authorities)
    }

    /// How many revocation lists there are.
    #[must_use]
    pub fn crls(&self) -> usize {
        self.crls.len()
    }

    fn check_crls(&self) -> Result<(), MaterialError> {
        for (place, crl) in self.crls.iter().enumerate() {
            let one = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
            one.with_crls([crl.clone()]).build().map_err(|_| MaterialError::CrlUnusable(place))?;
        }
        Ok(())
    }

    /// What the lists name.
    pub(crate) fn revoked(&self) -> Revoked {
        revoked::named(self.crls.iter().map(|crl| crl.as_ref()))
    }

    pub(crate) fn verifier_of_clients(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        let builder = builder.with_crls(self.crls.iter().cloned()).enforce_revocation_expiration();
        builder.build().map_err(|error| rustls::Error::General(error.to_string()))
    }

    pub(crate) fn verifier_of_servers(&self) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        let builder = builder.with_crls(self.crls.iter().cloned()).enforce_revocation_expiration();
        builder.build().map_err(|error| rustls::Error::General(error.to_string()))
    }
}

fn parse_roots(pem: &[u8]) -> Result<Arc<RootCertStore>, MaterialError> {
    let mut roots = RootCertStore::empty();
    for (place, certificate) in parse_certificates(pem)?.into_iter().enumerate() {
        roots.add(certificate).map_err(|_| MaterialError::CertificateUnusable(place))?;
    }
    Ok(Arc::new(roots))
}

fn parse_crls(pem: &[u8]) -> Result<Arc<[CertificateRevocationListDer<'static>]>, MaterialError> {
    if pem.is_empty() {
        return Ok(Arc::default());
    }
    let found: Result<Vec<_>, _> = CertificateRevocationListDer::pem_slice_iter(pem).collect();
    match found {
        Ok(found) if !found.is_empty() => Ok(found.into()),
        _ => Err(MaterialError::NotPem("revocation lists")),
    }
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roots, crls } = self;
        f.debug_struct("Authorities").field("roots", &roots.len()).field("crls", &crls.len()).finish()
    }
}
