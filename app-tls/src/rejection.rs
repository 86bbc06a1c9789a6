//! Why a peer's certificate is refused, in words that help to correct it.

use std::borrow::Cow;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustls::Error;
use rustls::pki_types::{CertificateDer, UnixTime};

use crate::{Authorities, Certificate, Purpose, Refusal, list_names};

/// A peer that webpki refused, and what its certificate was checked against.
pub(crate) struct RejectedPeer<'a> {
    pub(crate) leaf: &'a CertificateDer<'a>,
    /// The rest of its chain.
    pub(crate) between: &'a [CertificateDer<'a>],
    pub(crate) now: UnixTime,
    pub(crate) authorities: &'a Authorities,
    pub(crate) purpose: Purpose,
    /// The name that its certificate should have.
    pub(crate) name: Option<Cow<'a, str>>,
}

/// The reason as a value and in words. `leaf` is `None` if the peer's certificate can't be read.
pub(crate) fn of(
    error: &Error,
    leaf: Option<&Certificate>,
    evidence: &RejectedPeer<'_>,
) -> (Refusal, String) {
    let why = Refusal::of_tls(error);
    let Some(leaf) = leaf else {
        return (Refusal::BadCertificate, "its certificate can't be read".to_owned());
    };
    let words = match why {
        Refusal::Expired => untimely(leaf, evidence, |one, now| {
            (one.not_after < now).then(|| format!("expired at {}", moment(one.not_after)))
        }),
        Refusal::NotYetValid => untimely(leaf, evidence, |one, now| {
            (one.not_before > now).then(|| format!("is not valid before {}", moment(one.not_before)))
        }),
        Refusal::UnknownAuthority => unknown(leaf, evidence),
        Refusal::WrongPurpose => match evidence.purpose {
            Purpose::Server => "its certificate is not one for servers".to_owned(),
            Purpose::Client => "its certificate is not one for clients".to_owned(),
        },
        Refusal::WrongName => {
            let expected = evidence.name.as_deref().unwrap_or_default();
            format!("its certificate is for {}, not for {expected}", list_names(&leaf.names))
        }
        Refusal::Revoked => "its certificate was revoked".to_owned(),
        Refusal::RevocationUnknown => format!(
            "none of the revocation lists here is that of {}, which its certificate is of, or of an authority above",
            leaf.issuer
        ),
        Refusal::RevocationListExpired => stale(evidence),
        Refusal::ChainTooLong => {
            "there are too many certificates between its own and an authority".to_owned()
        }
        Refusal::WrongOrder => {
            "its chain is in the wrong order: it shows the certificate of an authority first".to_owned()
        }
        _ if evidence.authorities.has(&leaf.issuer) => of_another_key(&leaf.issuer),
        _ => "its certificate is malformed, or not signed by the authority that it names".to_owned(),
    };
    (why, words)
}

fn time(now: UnixTime) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(now.as_secs())
}

fn moment(at: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(at)
}

/// Which certificate of the chain is not valid now, and why.
fn untimely(
    leaf: &Certificate,
    evidence: &RejectedPeer<'_>,
    wrong: impl Fn(&Certificate, SystemTime) -> Option<String>,
) -> String {
    let now = time(evidence.now);
    if let Some(how) = wrong(leaf, now) {
        return format!("its certificate {how}");
    }
    let between = evidence.between.iter().filter_map(|der| Certificate::parse(der));
    let found = between.into_iter().find_map(|one| {
        let how = wrong(&one, now)?;
        Some(format!("the certificate of {}, which its own is under, {how}", one.subject))
    });
    found.unwrap_or_else(|| "a certificate of its chain does not fit the time here".to_owned())
}

/// Where the chain of the peer ends, if it leads to no authority.
fn unknown(leaf: &Certificate, evidence: &RejectedPeer<'_>) -> String {
    if leaf.subject == leaf.issuer {
        return format!("its certificate is of no authority: {} signed it itself", leaf.subject);
    }
    let between: Vec<_> = evidence.between.iter().filter_map(|der| Certificate::parse(der)).collect();
    let mut top = leaf;
    for _ in 0..between.len() {
        match between.iter().find(|one| one.subject == top.issuer && one.subject != one.issuer) {
            Some(above) => top = above,
            None => break,
        }
    }
    let issuer = &top.issuer;
    if evidence.authorities.has(issuer) {
        return of_another_key(issuer);
    }
    format!(
        "its certificate is of no authority that is trusted here: {issuer} is not, and nothing shown leads further; \
         is a certificate in between missing?"
    )
}

fn of_another_key(issuer: &str) -> String {
    format!(
        "its certificate names the authority {issuer}, and is not signed with the key that is trusted here"
    )
}

/// Which revocation list is stale.
fn stale(evidence: &RejectedPeer<'_>) -> String {
    let now = time(evidence.now);
    let found = evidence.authorities.lists().iter().find_map(|list| {
        let since = list.next_update.filter(|next| *next < now)?;
        Some(format!(
            "the revocation list of {} is stale since {}: get a new one (appctl pki crl)",
            list.issuer,
            moment(since)
        ))
    });
    found.unwrap_or_else(|| "a revocation list here is stale: get a new one (appctl pki crl)".to_owned())
}
