//! Warnings about revocation lists.

use std::time::SystemTime;

use app_config::{Expected, Problems};
use x509_parser::prelude::{CertificateRevocationList, FromDer};

use super::{ConfigCheck, SOON, moment};
use crate::Certificate;
use crate::crl::{Crl, IgnoredCrl};

/// Warns of lists that do not count, can't be verified with these authorities, become stale soon, or are from the future.
pub(super) fn report(check: &ConfigCheck<'_>, now: SystemTime, problems: &mut Problems) {
    let (peers, noun) = (check.peers, check.noun());
    let mut place = problems.at("crl");
    let mut warn = |rule: String, in_full: String| place.warn(Expected::of_code(rule), in_full);
    for IgnoredCrl { position, issuer, for_position, signed } in peers.left_out() {
        let why = |issuer: &str| {
            if *signed {
                format!(
                    "{position} does not count: {for_position} is a list of {issuer} too, and not older; remove one"
                )
            } else {
                format!(
                    "{position} does not count: {issuer}, which it names, signed {for_position} and not this; remove it"
                )
            }
        };
        warn(why("its authority"), why(issuer));
    }
    let own: Vec<_> = check.pair.placed().iter().skip(1).map(|one| (one.subject_der(), one)).collect();
    let roots: Vec<_> = peers.placed().iter().map(|one| (one.subject_der(), one)).collect();
    for list in peers.lists() {
        let Crl { position, issuer, this_update, .. } = list;
        let of_list = roots.iter().chain(&own).filter(|(subject, _)| *subject == list.issuer_der);
        let issuers: Vec<_> = of_list.map(|(_, one)| *one).collect();
        // Texts about a sealed config have no names and no dates.
        let mut tell = |line: &dyn Fn(&str) -> String| warn(line("an authority"), line(issuer));
        if issuers.is_empty() {
            tell(&|whose| {
                format!(
                    "{position} is a list of {whose}, which is not in caCert: its signature can't be checked here; is it the right list?"
                )
            });
        }
        if issuers.iter().any(|one| revokes(list, &one.certificate)) {
            tell(&|whose| {
                format!(
                    "{position} revokes its own authority {whose}, which has no effect; remove that from caCert"
                )
            });
        }
        if issuers.iter().any(|one| !one.may_sign_lists()) {
            tell(&|whose| {
                format!("{position} is of {whose}, whose key usage lacks cRLSign: other software refuses it")
            });
        }
        if *this_update > now {
            warn(
                format!("{position} is from the future; is the clock of this machine right?"),
                format!(
                    "{position} is from the future ({}); is the clock of this machine right?",
                    moment(*this_update)
                ),
            );
        }
        if let Some(next) = list.next_update.filter(|next| *next > now && *next < now + SOON) {
            let cure = "are refused from then on; put a new list in place before (appctl pki crl)";
            warn(
                format!("{position} ends within a day, and its {noun} {cure}"),
                format!("{position} ends at {}, and the {noun} of {issuer} {cure}", moment(next)),
            );
        }
    }
}

/// Whether a list revokes its own authority, which is a root.
fn revokes(list: &Crl, authority: &Certificate) -> bool {
    let Ok((_, parsed)) = CertificateRevocationList::from_der(&list.der) else { return false };
    let hex = |serial: &[u8]| serial.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    authority.subject == authority.issuer
        && parsed.iter_revoked_certificates().any(|revoked| hex(revoked.raw_serial()) == authority.serial)
}
