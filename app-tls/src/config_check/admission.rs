//! The authorities whose peers a config accepts, and the reasons for the others.

use std::time::SystemTime;

use app_config::{Expected, Problems};
use rustls::pki_types::CertificateDer;
use rustls::{CertRevocationListError, CertificateError, Error};

use super::{ConfigCheck, moment};
use crate::authorities::is_stale;
use crate::key_pair::PemCertificate;
use crate::pem::Position;
use crate::{Authorities, Certificate, Purpose, error_text, sample};

/// Whether the peers of one authority are accepted.
pub(super) struct Admission {
    /// The subject of the authority as text.
    pub(super) whose: String,
    /// The authority's name in DER.
    pub(super) issuer: Vec<u8>,
    /// The certificates between a peer's own and a root.
    pub(super) between: Vec<CertificateDer<'static>>,
    /// The index of the authority in `caCert`. `None` for an intermediate authority.
    pub(super) root: Option<usize>,
    /// The position of its certificate in the text.
    position: Position,
    /// Why its peers are refused.
    pub(super) refused: Option<Error>,
    /// When its list becomes stale. Its peers are refused after that, until there is a new list.
    pub(super) until: Option<SystemTime>,
}

/// Asks webpki about each authority in `caCert`, and about each authority of the own chain that is below one of them.
pub(super) fn all(check: &ConfigCheck<'_>, now: SystemTime) -> Vec<Admission> {
    let provider = sample::provider();
    let ask = |peers: &Authorities, issuer: &[u8], between: &[CertificateDer<'_>]| {
        let leaf = sample::certificate(issuer, check.sample_name(), &sample::any_key(), now);
        peers.probe(check.purpose_of_peers(), check.server, &provider)?.ask(&leaf, between, now)
    };
    let roots = check.peers.placed().iter().enumerate().map(|(index, one)| {
        let issuer = one.subject_der();
        let asked = ask(&check.peers.alone(index), &issuer, &[]);
        admission(check, one, issuer, Some(index), asked)
    });
    let mut all: Vec<_> = roots.collect();
    let chain = check.pair.placed();
    for one in chain.iter().skip(1).filter(|one| one.certificate.is_authority) {
        let issuer = one.subject_der();
        if all.iter().any(|known| known.issuer == issuer) {
            continue;
        }
        let between: Vec<_> = chain.iter().skip(1).map(|one| one.der.clone()).collect();
        let asked = ask(check.peers, &issuer, &between);
        // An authority that is below none of those in `caCert` does not matter.
        if !matches!(asked, Err(Error::InvalidCertificate(CertificateError::UnknownIssuer))) {
            all.push(Admission { between, ..admission(check, one, issuer, None, asked) });
        }
    }
    all
}

fn admission(
    check: &ConfigCheck<'_>,
    one: &PemCertificate,
    issuer: Vec<u8>,
    root: Option<usize>,
    asked: Result<(), Error>,
) -> Admission {
    let lists = check.peers.lists().iter().filter(|list| list.issuer_der == issuer);
    Admission {
        whose: one.certificate.subject.clone(),
        until: lists.filter_map(|list| list.next_update).min(),
        issuer,
        between: Vec::new(),
        root,
        position: one.position,
        refused: asked.err(),
    }
}

/// Adds why peers are refused: an error if all of them are, a warning if some are. Warns of authorities that other software
/// refuses.
pub(super) fn report(check: &ConfigCheck<'_>, all: &[Admission], now: SystemTime, problems: &mut Problems) {
    let all_refused = all.iter().all(|one| one.refused.is_some());
    for one in all {
        let Some(error) = &one.refused else { continue };
        let line = |whose: &str, dated: bool| {
            let consequence = if all_refused {
                "and would refuse everybody".to_owned()
            } else {
                format!("and refuses the {} of {whose}", check.noun())
            };
            reason(check, one, error, whose, &consequence, dated)
        };
        // Texts about a sealed config have no names and no dates.
        let ((field, in_full), (_, rule)) = (line(&one.whose, true), line("an authority", false));
        let rule = Expected::of_code(rule);
        let mut place = problems.at(field);
        let mut place = if field == check.field { place.field("cert") } else { place };
        if all_refused { place.add_in_full(rule, in_full) } else { place.warn(rule, in_full) }
    }
    let mut place = problems.at("caCert");
    for one in check.peers.placed() {
        let Certificate { not_before, not_after, subject, .. } = &one.certificate;
        let noun = check.noun();
        let refuse =
            format!("its {noun} are accepted all the same, and other software refuses them; renew it");
        if *not_after < now {
            let rule = Expected::of_code(format_args!("{} expired: {refuse}", one.position));
            place.warn(
                rule,
                format_args!("{} ({subject}) expired at {}: {refuse}", one.position, moment(*not_after)),
            );
        } else if *not_before > now {
            let rule = Expected::of_code(format_args!("{} is not valid yet: {refuse}", one.position));
            place.warn(
                rule,
                format_args!(
                    "{} ({subject}) is not valid before {}: {refuse}",
                    one.position,
                    moment(*not_before)
                ),
            );
        }
    }
}

/// The field that is wrong, and the text.
fn reason(
    check: &ConfigCheck<'_>,
    one: &Admission,
    error: &Error,
    whose: &str,
    consequence: &str,
    dated: bool,
) -> (&'static str, String) {
    use CertRevocationListError as OfList;
    let position = one.position;
    let list = check.peers.lists().iter().find(|list| list.issuer_der == one.issuer);
    let at = list.map_or_else(|| "a list".to_owned(), |list| list.position.to_string());
    match error {
        Error::InvalidCertificate(CertificateError::UnknownRevocationStatus) => (
            "crl",
            format!(
                "has no list that speaks of what {whose} issues, {consequence}; add the list of every authority (appctl pki crl)"
            ),
        ),
        Error::InvalidCertificate(why) if is_stale(why) => {
            let since = list.and_then(|list| list.next_update).filter(|_| dated);
            let since = since.map_or_else(String::new, |since| format!(" since {}", moment(since)));
            ("crl", format!("{at} is stale{since}, {consequence}; make a new list (appctl pki crl)"))
        }
        Error::InvalidCertRevocationList(OfList::BadSignature) => (
            "crl",
            format!(
                "{at} names {whose}, and is not signed with its key, {consequence}; get the list of that authority (appctl pki crl)"
            ),
        ),
        Error::InvalidCertRevocationList(_) => (
            "crl",
            format!("{at}: {}, {consequence}; make another list (appctl pki crl)", error_text::of(error)),
        ),
        Error::InvalidCertificate(CertificateError::Revoked) => (
            "crl",
            format!("revokes the authority {whose}, {consequence}; have a new authority certificate issued"),
        ),
        _ => {
            let field = if one.root.is_some() { "caCert" } else { check.field };
            let noun = match check.purpose_of_peers() {
                Purpose::Client => "a client's certificate",
                Purpose::Server => "a certificate with the server's name",
            };
            (
                field,
                format!(
                    "{position} ({whose}) can't issue {noun} that is accepted: {}, {consequence}; use another authority",
                    error_text::of(error)
                ),
            )
        }
    }
}
