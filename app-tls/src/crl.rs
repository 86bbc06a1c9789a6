//! Revocation lists: read, refused where webpki does not support them, and the newest of each authority kept.
//!
//! webpki looks into the first list that it finds of an authority. With two of them, what only the second revokes would be
//! accepted. So one counts: the newest that the authority signed.

use std::sync::Arc;
use std::time::SystemTime;

use rustls::pki_types::CertificateRevocationListDer;
use rustls::server::{VerifierBuilderError, WebPkiClientVerifier};
use rustls::{CertRevocationListError, RootCertStore};
use x509_parser::prelude::{CertificateRevocationList, FromDer};
use x509_parser::x509::X509Version;

use crate::pem::{self, Position, Wanted};
use crate::{MaterialError, crypto_provider, system_time};

/// A revocation list.
#[derive(Debug, Clone)]
pub(crate) struct Crl {
    pub(crate) position: Position,
    pub(crate) der: CertificateRevocationListDer<'static>,
    /// Whose it is, for people.
    pub(crate) issuer: String,
    /// Whose it is, as its issuer's certificate says it.
    pub(crate) issuer_der: Vec<u8>,
    /// The certificates that it speaks of, where these are not all of its issuer: its issuing distribution point.
    scope: Option<Vec<u8>>,
    /// When it was made.
    pub(crate) this_update: SystemTime,
    /// When it becomes stale.
    pub(crate) next_update: Option<SystemTime>,
    /// Its number, without leading zeros.
    number: Vec<u8>,
}

/// A list that does not count.
#[derive(Debug, Clone)]
pub(crate) struct IgnoredCrl {
    pub(crate) position: Position,
    /// Whose it is, for people.
    pub(crate) issuer: String,
    /// The list that counts in its place.
    pub(crate) for_position: Position,
    /// Whether the authority signed it.
    pub(crate) signed: bool,
}

/// The lists of a text, which may be empty. `roots` is not empty.
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
    pem::read(text, Wanted::Crls)?.into_iter().map(read).collect()
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
            // Errors of webpki that rustls has no names for, and does not export.
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

/// Keeps one list of each authority for the same certificates: the newest that it signed. `signer` says which authority signed a
/// list, as far as that is known here.
pub(crate) fn newest(lists: Vec<Crl>, signer: impl Fn(&Crl) -> Option<usize>) -> (Vec<Crl>, Vec<IgnoredCrl>) {
    let of_same = |one: &Crl, other: &Crl| one.issuer_der == other.issuer_der && one.scope == other.scope;
    let doubled = |one: &Crl| lists.iter().filter(|other| of_same(one, other)).count() > 1;
    let signers: Vec<_> = lists.iter().map(|one| doubled(one).then(|| signer(one)).flatten()).collect();
    let age =
        |index: usize| (lists[index].this_update, lists[index].number.len(), lists[index].number.clone());
    // The index of the list that counts in place of the one at `index`; itself if it counts.
    let best = |index: usize| {
        let others = (0..lists.len()).filter(|other| of_same(&lists[index], &lists[*other]));
        let (signed, unsigned): (Vec<_>, Vec<_>) = others.partition(|other| signers[*other].is_some());
        // Authorities of one name, each with a key and a list of its own, are not the same.
        let own = |other: &usize| signers[index].is_none() || signers[*other] == signers[index];
        let rivals = if signed.is_empty() { unsigned } else { signed };
        // Of equals the first counts.
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
