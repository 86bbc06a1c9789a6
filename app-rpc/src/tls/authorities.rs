//! Whom we trust, and whose certificates were revoked.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_config::Place;
use rustls::RootCertStore;
use rustls::client::WebPkiServerVerifier;
use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::key_pair::parse_certificates;
use super::pem::{self, Position, Wanted};
use super::revoked::{self, Revoked};
use super::{Certificate, MaterialError, clock, provider, time};

/// The authorities that certificates of peers may come from, and their revocation lists. Cheap to clone.
///
/// Once there is a list, there has to be one of every authority in a peer's chain, and none may be past its "next update":
/// whoever can hold lists back must not be able to undo a revocation.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    certificates: Arc<[Certificate]>,
    crls: Arc<[Crl]>,
}

/// A revocation list.
#[derive(Debug)]
pub(crate) struct Crl {
    position: Position,
    der: CertificateRevocationListDer<'static>,
    /// Whose it is, for people.
    pub(crate) issuer: String,
    /// When it becomes stale; some lists do not say.
    pub(crate) next_update: Option<SystemTime>,
}

impl Authorities {
    /// Authorities from PEM, at least one; and revocation lists, which may be none.
    ///
    /// # Errors
    /// Something is missing or unusable.
    pub fn from_pem(certificates: &[u8], crls: &[u8]) -> Result<Self, MaterialError> {
        let (roots, certificates) = parse_roots(certificates)?;
        let authorities = Self { roots, certificates, crls: parse_crls(crls)? };
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
        let roots = parse_roots(&certificates).map_err(|error| error.add_to(&mut problems.at("caCert"))).ok();
        let crls = parse_crls(&crls).map_err(|error| error.add_to(&mut problems.at("crl"))).ok();
        let ((roots, certificates), crls) = (roots?, crls?);
        let authorities = Self { roots, certificates, crls };
        let checked = authorities.check_crls().and_then(|()| authorities.check_fresh(clock::now()));
        checked.map_err(|error| error.add_to(&mut problems.at("crl"))).ok()?;
        Some(authorities)
    }

    /// How many revocation lists there are.
    #[must_use]
    pub fn crls(&self) -> usize {
        self.crls.len()
    }

    /// The authorities' own certificates.
    pub(crate) fn certificates(&self) -> &[Certificate] {
        &self.certificates
    }

    /// The revocation lists.
    pub(crate) fn lists(&self) -> &[Crl] {
        &self.crls
    }

    /// Whether this is the name of one of the authorities.
    pub(crate) fn has(&self, subject: &str) -> bool {
        self.certificates.iter().any(|one| one.subject == subject)
    }

    fn check_crls(&self) -> Result<(), MaterialError> {
        for crl in &*self.crls {
            let one = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
            one.with_crls([crl.der.clone()]).build().map_err(|_| MaterialError::CrlDamaged(crl.position))?;
        }
        Ok(())
    }

    /// Refuses lists that are stale, all of them: with such lists no peer is let in.
    fn check_fresh(&self, now: SystemTime) -> Result<(), MaterialError> {
        let since = |crl: &Crl| crl.next_update.filter(|next| *next < now);
        if clock::is_wrong(now) || !self.crls.iter().all(|crl| since(crl).is_some()) {
            return Ok(());
        }
        let stale =
            self.crls.first().and_then(|crl| Some(MaterialError::CrlsStale(crl.position, since(crl)?)));
        stale.map_or(Ok(()), Err)
    }

    /// What the lists name.
    pub(crate) fn revoked(&self) -> Revoked {
        revoked::named(self.crls.iter().map(|crl| crl.der.as_ref()))
    }

    pub(crate) fn verifier_of_clients(&self) -> Result<Arc<dyn ClientCertVerifier>, rustls::Error> {
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        let builder =
            builder.with_crls(self.crls.iter().map(|crl| crl.der.clone())).enforce_revocation_expiration();
        builder.build().map_err(|error| rustls::Error::General(error.to_string()))
    }

    pub(crate) fn verifier_of_servers(&self) -> Result<Arc<WebPkiServerVerifier>, rustls::Error> {
        let builder = WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), provider());
        let builder =
            builder.with_crls(self.crls.iter().map(|crl| crl.der.clone())).enforce_revocation_expiration();
        builder.build().map_err(|error| rustls::Error::General(error.to_string()))
    }
}

type Roots = (Arc<RootCertStore>, Arc<[Certificate]>);

fn parse_roots(text: &[u8]) -> Result<Roots, MaterialError> {
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for placed in parse_certificates(text)? {
        let damaged = |_| MaterialError::CertificateDamaged(placed.position);
        if let Some(weakness) = &placed.certificate.weakness {
            return Err(MaterialError::CertificateWeak(placed.position, weakness.clone()));
        }
        roots.add(placed.der).map_err(damaged)?;
        certificates.push(placed.certificate);
    }
    Ok((Arc::new(roots), certificates.into()))
}

fn parse_crls(text: &[u8]) -> Result<Arc<[Crl]>, MaterialError> {
    if text.is_empty() {
        return Ok(Arc::default());
    }
    let read = |block: pem::Block| {
        let damaged = MaterialError::CrlDamaged(block.position);
        let (issuer, next_update) = match CertificateRevocationList::from_der(&block.der) {
            Ok(([], list)) => {
                (list.issuer().to_string(), list.next_update().map(|next| time(next.timestamp())))
            }
            _ => return Err(damaged),
        };
        Ok(Crl { position: block.position, der: block.der.into(), issuer, next_update })
    };
    pem::read(text, Wanted::Crls)?.into_iter().map(read).collect()
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roots, crls, .. } = self;
        f.debug_struct("Authorities").field("roots", &roots.len()).field("crls", &crls.len()).finish()
    }
}
