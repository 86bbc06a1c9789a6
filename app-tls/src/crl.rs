//! Reading revocation lists. A list that webpki does not support is refused. Of each authority the newest list is kept.
//!
//! webpki looks only into the first list that it finds for an authority. With two lists, it would accept what only the second
//! revokes. So one list counts: the newest that the authority signed.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertRevocationListError, RootCertStore};
use x509_parser::prelude::{CertificateRevocationList, FromDer};
use x509_parser::x509::X509Version;

use crate::pem::{self, PemContent, Position};
use crate::{MaterialError, crypto_provider, system_time};

/// A revocation list.
#[derive(Debug, Clone)]
pub(crate) struct Crl {
    pub(crate) position: Position,
    pub(crate) der: CertificateRevocationListDer<'static>,
    /// Its issuer as text.
    pub(crate) issuer: String,
    /// Its issuer in DER, as in the subject of the issuer's certificate.
    pub(crate) issuer_der: Vec<u8>,
    /// Its issuing distribution point, if it has one: such a list covers only some certificates of its issuer.
    scope: Option<Vec<u8>>,
    /// When it was made.
    pub(crate) this_update: SystemTime,
    /// When it becomes stale.
    pub(crate) next_update: Option<SystemTime>,
    /// Its number, without leading zeros.
    number: Vec<u8>,
}

/// A list that does not count, because another counts in its place.
#[derive(Debug, Clone)]
pub(crate) struct IgnoredCrl {
    pub(crate) position: Position,
    /// Its issuer as text.
    pub(crate) issuer: String,
    /// The position of the list that counts.
    pub(crate) for_position: Position,
    /// Whether the authority signed the ignored list, as far as that is known.
    pub(crate) signed: bool,
}

/// Reads the lists of a text, which may be empty. `roots` must not be empty: webpki needs one to read a list.
pub(crate) fn parse(text: &[u8], roots: &Arc<RootCertStore>) -> Result<Vec<Crl>, MaterialError> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let read = |block: pem::Block| {
        let damaged = MaterialError::CrlDamaged(block.position);
        let Ok(([], list)) = CertificateRevocationList::from_der(&block.der) else { return Err(damaged) };
        check(&list, &block, roots)?;
        let number = list.crl_number().map(|number| number.to_bytes_be()).unwrap_or_default();
        let scope = list.extensions().iter().find(|extension| extension.oid.to_id_string() == "2.5.29.28");
        Ok(Crl {
            position: block.position,
            issuer: list.issuer().to_string(),
            issuer_der: list.issuer().as_raw().to_vec(),
            scope: scope.map(|scope| scope.value.to_vec()),
            this_update: system_time(list.last_update().timestamp()),
            next_update: list.next_update().map(|next| system_time(next.timestamp())),
            number,
            der: block.der.clone().into(),
        })
    };
    pem::read(text, PemContent::Crls)?.into_iter().map(read).collect()
}

/// Refuses a list that webpki does not support.
fn check(
    list: &CertificateRevocationList<'_>,
    block: &pem::Block,
    roots: &Arc<RootCertStore>,
) -> Result<(), MaterialError> {
    use CertRevocationListError as Why;
    let unsupported = |why| Err(MaterialError::CrlUnsupported(block.position, why));
    if list.version() != Some(X509Version::V2) {
        return unsupported("is a list of version 1");
    }
    if list.next_update().is_none() {
        return unsupported("does not say when the next list comes (next update)");
    }
    if list.extensions().is_empty() {
        return unsupported("has no number and no other extensions");
    }
    let one = WebPkiClientVerifier::builder_with_provider(Arc::clone(roots), crypto_provider());
    let built = one.with_crls([block.der.clone().into()]).build();
    match built.map(drop) {
        Ok(()) => Ok(()),
        Err(VerifierBuilderError::InvalidCrl(why)) => match why {
            Why::UnsupportedCrlVersion => unsupported("is a list of another version"),
            Why::UnsupportedDeltaCrl => unsupported("is a delta list, which has only what changed"),
            Why::UnsupportedIndirectCrl => {
                unsupported("is an indirect list, which speaks of certificates of other authorities")
            }
            Why::UnsupportedCriticalExtension => {
                unsupported("has a critical extension that is not supported")
            }
            Why::UnsupportedRevocationReason => unsupported("has a reason that is not supported"),
            Why::InvalidCrlNumber => unsupported("has a number that is none"),
            // rustls has no variants for these errors of webpki, and does not export webpki's type.
            Why::Other(other) if format!("{other:?}").contains("Partitioning") => {
                unsupported("is split by reasons, which is not supported")
            }
            Why::Other(other) if format!("{other:?}").contains("DistributionPoint") => {
                unsupported("has an issuing distribution point of a kind that is not supported")
            }
            _ => Err(MaterialError::CrlDamaged(block.position)),
        },
        Err(_) => Err(MaterialError::CrlDamaged(block.position)),
    }
}

/// Keeps one list of each authority for the same certificates: the newest that the authority signed. `signer` returns the index
/// of the authority that signed a list, as far as that is known.
pub(crate) fn newest(lists: Vec<Crl>, signer: impl Fn(&Crl) -> Option<usize>) -> (Vec<Crl>, Vec<IgnoredCrl>) {
    let of_same = |one: &Crl, other: &Crl| one.issuer_der == other.issuer_der && one.scope == other.scope;
    let doubled = |one: &Crl| lists.iter().filter(|other| of_same(one, other)).count() > 1;
    let signers: Vec<_> = lists.iter().map(|one| doubled(one).then(|| signer(one)).flatten()).collect();
    let age =
        |index: usize| (lists[index].this_update, lists[index].number.len(), lists[index].number.clone());
    // The index of the list that counts in place of the list at `index`, or `index` itself.
    let best = |index: usize| {
        let others = (0..lists.len()).filter(|other| of_same(&lists[index], &lists[*other]));
        let (signed, unsigned): (Vec<_>, Vec<_>) = others.partition(|other| signers[*other].is_some());
        // Two authorities can share a name. Each has its own key and its own list.
        let own = |other: &usize| signers[index].is_none() || signers[*other] == signers[index];
        let rivals = if signed.is_empty() { unsigned } else { signed };
        // Of equally new lists the first counts.
        rivals.into_iter().filter(own).rev().max_by_key(|other| age(*other)).unwrap_or(index)
    };
    let best: Vec<_> = (0..lists.len()).map(best).collect();
    let left_out = |index: usize| {
        let (one, counts) = (&lists[index], &lists[best[index]]);
        let signed = signers[index].is_some() || signers[best[index]].is_none();
        IgnoredCrl {
            position: one.position,
            issuer: one.issuer.clone(),
            for_position: counts.position,
            signed,
        }
    };
    let left_out = (0..lists.len()).filter(|index| best[*index] != *index).map(left_out).collect();
    let kept = lists.into_iter().enumerate().filter(|(index, _)| best[*index] == *index).map(|(_, one)| one);
    (kept.collect(), left_out)
}
