//! Grants for names that no client can have.

use std::time::SystemTime;

use app_config::{Problems, quoted};

use super::ConfigCheck;
use super::admission::Admission;
use crate::probe::Probe;
use crate::sample;

/// The most names that webpki is asked about. This many take milliseconds.
const MAX_ASKED: usize = 256;

/// Warns of grants for names that no accepted certificate can have, and notes the number of grants.
pub(super) fn report(check: &ConfigCheck<'_>, all: &[Admission], now: SystemTime, problems: &mut Problems) {
    let mut place = problems.at("grants");
    let let_in: Vec<_> = all.iter().filter(|one| one.refused.is_none()).filter_map(|one| one.root).collect();
    let constrained = let_in.iter().all(|root| check.peers.constrains_names(*root));
    let roots =
        let_in.iter().map(|root| (check.peers.placed()[*root].subject_der(), check.peers.alone(*root)));
    let probes: Vec<_> = roots
        .filter(|_| constrained)
        .filter_map(|(issuer, alone)| {
            let probe = alone.probe(check.purpose_of_peers(), check.server, &sample::provider()).ok()?;
            Some((issuer, probe))
        })
        .collect();
    for (index, name) in check.grants.iter().enumerate() {
        let mut place = place.index(index);
        let mut place = place.field("name");
        let is_allowed = |(issuer, probe): &(Vec<u8>, Probe)| {
            let leaf = sample::certificate(issuer, Some(name), &sample::any_key(), now);
            probe.ask(&leaf, &[], now).is_ok()
        };
        if !name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c)) {
            let why = if name.contains('*') { "wildcards have no meaning here" } else { "it is no DNS name" };
            place.warn(
                "is of no client; give a name (DNS) of a certificate",
                format_args!("{} is of no client: {why}; give a name (DNS) of a certificate", quoted(name)),
            );
        } else if index < MAX_ASKED && !probes.is_empty() && !probes.iter().any(is_allowed) {
            place.warn("is of no client: the name constraints of the authorities in caCert exclude it", format_args!(
                "{} is of no client: the name constraints of the authorities in caCert exclude it; give another name",
                quoted(name)
            ));
        }
    }
    match check.grants.len() {
        0 => place.note("none: every client that is let in may read, and nothing else"),
        1 => place.note("1 name has a role; every other client that is let in may read"),
        count => place.note(format!("{count} names have a role; every other client that is let in may read")),
    }
}
