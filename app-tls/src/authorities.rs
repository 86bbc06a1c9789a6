//! Authorities that peers are accepted from, and their revocation lists.

use std::fmt;
use std::sync::Arc;
use std::time::SystemTime;

use app_config::Place;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{ServerName, TrustAnchor};
use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::{CertRevocationListError, Error, RootCertStore};

use crate::crl::{self, Crl, IgnoredCrl};
use crate::key_pair::{PemCertificate, parse_certificates};
use crate::probe::Probe;
use crate::revoked::{self, RevokedSet};
use crate::{Certificate, MaterialError, Purpose, sample};

/// The authorities that certificates of peers may come from, and their revocation lists. Cheap to clone.
///
/// Without lists, nothing counts as revoked. With any list, a peer is accepted only if each authority in its chain has one that is
/// not past its "next update". Otherwise an attacker who holds lists back could undo a revocation. Of several lists of one
/// authority the newest counts.
#[derive(Clone)]
pub struct Authorities {
    roots: Arc<RootCertStore>,
    /// The certificates of the roots, in the same order.
    certificates: Arc<[PemCertificate]>,
    crls: Arc<[Crl]>,
    left_out: Arc<[IgnoredCrl]>,
}

impl Authorities {
    /// Reads authorities from PEM, at least one, and revocation lists. The text of the lists may be empty.
    ///
    /// # Errors
    /// Something is missing or unusable.
    pub fn from_pem(certificates: &[u8], crls: &[u8]) -> Result<Self, MaterialError> {
        let (roots, certificates) = parse_roots(certificates)?;
        let crls = crl::parse(crls, &roots)?;
        Ok(Self::of(roots, certificates, crls))
    }

    fn of(roots: Arc<RootCertStore>, certificates: Arc<[PemCertificate]>, crls: Vec<Crl>) -> Self {
        let bare = Self { roots, certificates, crls: Arc::default(), left_out: Arc::default() };
        let (crls, left_out) = crl::newest(crls, |list| bare.signer(list));
        Self { crls: crls.into(), left_out: left_out.into(), ..bare }
    }

    /// Reads authorities, and adds every problem. [`ConfigCheck`](crate::ConfigCheck) finds out which peers they accept.
    pub fn read(
        certificates: capnp::Result<&[u8]>,
        crls: capnp::Result<&[u8]>,
        problems: &mut app_config::Problems,
    ) -> Option<Self> {
        let of = |bytes: capnp::Result<&[u8]>, place: &mut Place<'_>| place.value(bytes).map(<[u8]>::to_vec);
        let certificates = of(certificates, &mut problems.at("caCert"))?;
        let crls = of(crls, &mut problems.at("crl"))?;
        let read = parse_roots(&certificates).map_err(|error| error.add_to(&mut problems.at("caCert"))).ok();
        // Lists are read without authorities too, so that every problem is reported at once.
        let roots = read.as_ref().map_or_else(any_root, |(roots, _)| Arc::clone(roots));
        let crls = crl::parse(&crls, &roots).map_err(|error| error.add_to(&mut problems.at("crl"))).ok();
        let ((roots, certificates), crls) = (read?, crls?);
        Some(Self::of(roots, certificates, crls))
    }

    /// Authorities for a [sample](crate::sample): anchors without certificates.
    pub(crate) fn assumed(roots: Vec<TrustAnchor<'static>>) -> Self {
        let roots = Arc::new(RootCertStore { roots });
        Self { roots, certificates: Arc::default(), crls: Arc::default(), left_out: Arc::default() }
    }

    /// How many revocation lists count.
    #[must_use]
    pub fn crls(&self) -> usize {
        self.crls.len()
    }

    /// The authorities' own certificates.
    pub(crate) fn certificates(&self) -> impl Iterator<Item = &Certificate> {
        self.certificates.iter().map(|one| &one.certificate)
    }

    /// The authorities' own certificates, each with its position in the text.
    pub(crate) fn placed(&self) -> &[PemCertificate] {
        &self.certificates
    }

    /// The revocation lists that count.
    pub(crate) fn lists(&self) -> &[Crl] {
        &self.crls
    }

    /// The revocation lists that do not count.
    pub(crate) fn left_out(&self) -> &[IgnoredCrl] {
        &self.left_out
    }

    /// Whether one of the authorities has this name.
    pub(crate) fn has(&self, subject: &str) -> bool {
        self.certificates().any(|one| one.subject == subject)
    }

    /// Whether this authority has name constraints for the certificates that it issues.
    pub(crate) fn constrains_names(&self, index: usize) -> bool {
        self.roots.roots.get(index).is_some_and(|anchor| anchor.name_constraints.is_some())
    }

    /// One of the authorities, with all lists.
    pub(crate) fn alone(&self, index: usize) -> Self {
        let roots = self.roots.roots.get(index).cloned().into_iter().collect();
        Self { roots: Arc::new(RootCertStore { roots }), ..self.clone() }
    }

    /// The index of the authority that signed this list. `None` if none of them did, or if webpki can't answer.
    fn signer(&self, list: &Crl) -> Option<usize> {
        let now = SystemTime::now();
        let signed = |index: &usize| {
            let mut alone = self.alone(*index);
            alone.crls = Arc::new([list.clone()]);
            let sample = sample::certificate(&list.issuer_der, None, &sample::any_key(), now);
            let probe = alone.probe(Purpose::Client, "", &sample::provider());
            match probe.and_then(|probe| probe.ask(&sample, &[], now)) {
                Ok(()) => true,
                // webpki checks the signature before the dates.
                Err(Error::InvalidCertificate(why)) => is_stale(&why),
                Err(Error::InvalidCertRevocationList(why)) => {
                    why == CertRevocationListError::IssuerInvalidForCrl
                }
                Err(_) => false,
            }
        };
        let named = |index: &usize| self.certificates[*index].subject_der() == list.issuer_der;
        (0..self.certificates.len()).filter(named).find(signed)
    }

    /// The certificates that the lists revoke.
    #[must_use]
    pub fn revoked(&self) -> RevokedSet {
        revoked::named(self.crls.iter().map(|crl| crl.der.as_ref()))
    }

    /// Asks webpki about peers with this purpose. `server` is the name that a server must have.
    pub(crate) fn probe(
        &self,
        peers: Purpose,
        server: &str,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Probe, Error> {
        Ok(match peers {
            Purpose::Client => Probe::Clients(self.verifier_of_clients(provider)?),
            Purpose::Server => {
                let name = ServerName::try_from(server.to_owned());
                let name = name.map_err(|error| Error::General(error.to_string()))?;
                Probe::Servers(self.verifier_of_servers(provider)?, name)
            }
        })
    }

    pub(crate) fn verifier_of_clients(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Error> {
        let builder =
            WebPkiClientVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(provider));
        let builder =
            builder.with_crls(self.crls.iter().map(|crl| crl.der.clone())).enforce_revocation_expiration();
        builder.build().map_err(|error| Error::General(error.to_string()))
    }

    pub(crate) fn verifier_of_servers(
        &self,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Arc<WebPkiServerVerifier>, Error> {
        let builder =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&self.roots), Arc::clone(provider));
        let builder =
            builder.with_crls(self.crls.iter().map(|crl| crl.der.clone())).enforce_revocation_expiration();
        builder.build().map_err(|error| Error::General(error.to_string()))
    }
}

/// Whether webpki refuses a certificate because its revocation list is stale.
pub(crate) fn is_stale(why: &rustls::CertificateError) -> bool {
    use rustls::CertificateError as Why;
    matches!(why, Why::ExpiredRevocationList | Why::ExpiredRevocationListContext { .. })
}

/// A store that is not empty: webpki reads lists with no other.
fn any_root() -> Arc<RootCertStore> {
    Arc::new(RootCertStore { roots: sample::assumed_anchors(&[]) })
}

type Roots = (Arc<RootCertStore>, Arc<[PemCertificate]>);

fn parse_roots(text: &[u8]) -> Result<Roots, MaterialError> {
    let mut roots = RootCertStore::empty();
    let mut certificates = Vec::new();
    for placed in parse_certificates(text)? {
        let damaged = |_| MaterialError::CertificateDamaged(placed.position);
        if let Some(weakness) = &placed.certificate.weakness {
            return Err(MaterialError::CertificateWeak(placed.position, weakness.clone()));
        }
        // webpki accepts any certificate as an authority. With a client's own here, that client could issue others.
        if !placed.certificate.is_authority {
            return Err(MaterialError::NotAuthority(placed.position));
        }
        roots.add(placed.der.clone()).map_err(damaged)?;
        certificates.push(placed);
    }
    Ok((Arc::new(roots), certificates.into()))
}

impl fmt::Debug for Authorities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { roots, crls, .. } = self;
        f.debug_struct("Authorities").field("roots", &roots.len()).field("crls", &crls.len()).finish()
    }
}
