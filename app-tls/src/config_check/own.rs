//! Whether peers accept the own certificate.

use std::time::SystemTime;

use app_config::{Expected, Problems};
use rustls::Error;
use rustls::pki_types::CertificateDer;

use super::{ConfigCheck, SOON, moment};
use crate::{Authorities, MaterialError, Purpose, Refusal, crypto_provider, error_text, sample};

/// Adds why peers refuse the own certificate: an error if all would, a warning if only some would.
pub(super) fn report(check: &ConfigCheck<'_>, now: SystemTime, problems: &mut Problems) {
    let chain: Vec<_> = check.pair.placed().iter().map(|one| one.der.clone()).collect();
    let Some((leaf, between)) = chain.split_first() else { return };
    let mut place = problems.at(check.field);
    let mut place = place.field("cert");
    // Peers may trust any authority, so the authority above the chain is assumed.
    let above = Authorities::assumed(sample::assumed_anchors(&check.pair.top_issuer()));
    let asked = ask(&above, check, leaf, between, now, true);
    if let Err(error) = asked {
        return MaterialError::Refused(error_text::of(&error)).add_to(&mut place);
    }
    let end = check.pair.certificate().not_after;
    if end < now + SOON {
        place.warn(
            "ends within a day; have a new one issued (appctl pki renew)",
            format_args!(
                "ends at {}, and no peer accepts it from then on; have a new one issued (appctl pki renew)",
                moment(end)
            ),
        );
    }
    // Now for peers that trust the same authorities as this side.
    let (server, issuer) = (check.own == Purpose::Server, &check.pair.certificate().issuer);
    let Err(error) = ask(check.peers, check, leaf, between, now, false) else { return };
    match Refusal::of_tls(&error) {
        Refusal::UnknownAuthority if server => {
            place.note(format!(
                "is of {issuer}, which is not in caCert; clients need that authority in theirs"
            ));
        }
        Refusal::Revoked => {
            let text = "is revoked by the lists in crl, and peers with these lists refuse it; have a new one issued (appctl pki issue)";
            place.warn(text, text);
        }
        Refusal::BadCertificate if server => {
            let text = format!(
                "clients that trust the authorities in caCert refuse it: {}; have it issued by one of them",
                error_text::of(&error)
            );
            place.warn(Expected::of_code(&text), &text);
        }
        // The reports about lists and authorities cover the rest.
        _ => {}
    }
}

/// Asks webpki whether a peer with these authorities accepts the own certificate. `assuming` accepts assumed authorities.
fn ask(
    authorities: &Authorities,
    check: &ConfigCheck<'_>,
    leaf: &CertificateDer<'_>,
    between: &[CertificateDer<'_>],
    now: SystemTime,
    assuming: bool,
) -> Result<(), Error> {
    let provider = if assuming { sample::provider() } else { crypto_provider() };
    authorities.probe(check.own, check.server, &provider)?.ask(leaf, between, now)
}
