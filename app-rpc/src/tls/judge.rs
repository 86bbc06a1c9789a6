//! Would this config let anyone in, and whom? One answer for sealing, `--check`, a start and a reload.
//!
//! The answer is webpki's. For each authority it is asked about a [sample](super::sample): the certificate of a peer that this
//! authority might have made. What it refuses now, it would refuse in every handshake. At last a peer with such a certificate
//! shakes hands with what is configured, in memory.
//!
//! A config that lets nobody in is an error. Where it lets some peers in and not others, that is a warning.

mod admission;
mod grants;
mod handshake;
mod lists;
mod own;
mod words;

use std::time::{Duration, SystemTime};

use app_config::{Expected, Place, Problems};

use self::admission::Admission;
pub(super) use self::words::of as words;
use super::{Authorities, KeyPair, Purpose, clock};

/// What ends so soon is warned of where a config is judged. The services warn of what ends in two weeks.
const SOON: Duration = Duration::from_secs(24 * 3600);

/// The bytes that the names of all authorities may take: a server sends them to each client, in a list of at most 65,535 bytes.
const MOST_NAME_BYTES: usize = 60_000;

/// What a config says of TLS.
pub(crate) struct Material<'a> {
    /// What the own certificate is shown for.
    pub(crate) own: Purpose,
    /// The field that has the own certificate.
    pub(crate) field: &'static str,
    pub(crate) pair: &'a KeyPair,
    /// Whose peers are accepted.
    pub(crate) peers: &'a Authorities,
    /// The name of the server, whichever side that is.
    pub(crate) server: &'a str,
    /// The names that have a grant, in the order of the config.
    pub(crate) grants: &'a [&'a str],
}

impl Material<'_> {
    /// What the certificates of peers are for.
    fn peers_are(&self) -> Purpose {
        match self.own {
            Purpose::Server => Purpose::Client,
            Purpose::Client => Purpose::Server,
        }
    }

    /// Peers in words.
    fn noun(&self) -> &'static str {
        match self.own {
            Purpose::Server => "clients",
            Purpose::Client => "servers",
        }
    }

    /// What a sample has to be named: a server is looked for by its name.
    fn sample_name(&self) -> Option<&str> {
        (self.own == Purpose::Client).then_some(self.server)
    }
}

/// Adds what is wrong with the config as a whole, what to be warned of, and whom it lets in.
///
/// By a clock that is plainly wrong nothing is judged: nearly everything depends on the time.
pub(crate) fn judge(material: &Material<'_>, problems: &mut Problems) {
    let now = clock::now();
    if clock::is_wrong(now) {
        return;
    }
    own::judge(material, now, problems);
    let admissions = admission::all(material, now);
    admission::tell(material, &admissions, now, problems);
    lists::tell(material, now, problems);
    if !problems.is_empty() {
        return;
    }
    // rustls does not look at this bound, and would write a message that no peer can read.
    let names: usize =
        admissions.iter().filter(|one| one.root.is_some()).map(|one| one.issuer.len() + 2).sum();
    if material.own == Purpose::Server && names > MOST_NAME_BYTES {
        let rule = "has authorities whose names are too long for a handshake; give fewer";
        return problems.at("caCert").add_in_full(rule, format_args!(
            "has authorities whose names take {names} bytes, and a handshake has room for {MOST_NAME_BYTES}; give fewer"
        ));
    }
    let Some(first) = admissions.iter().find(|one| one.refused.is_none()) else { return };
    if let Err(error) = handshake::shake(material, &first.issuer, &first.between, now) {
        let why = words::of(&error);
        problems.at(material.field).field("cert").add(Expected::of_code(format_args!(
            "a handshake in memory fails with this config: {why}; use smaller certificates, fewer authorities or another key"
        )));
        return;
    }
    if material.own == Purpose::Server {
        grants::tell(material, &admissions, now, problems);
    }
    tell_whom(material, &admissions, &mut problems.at("caCert"));
}

/// Tells whose peers are let in.
fn tell_whom(material: &Material<'_>, admissions: &[Admission], place: &mut Place<'_>) {
    /// Authorities that are named; of more their number is told.
    const NAMED: usize = 3;
    let let_in: Vec<_> = admissions.iter().filter(|one| one.refused.is_none()).collect();
    let name = |one: &&Admission| match one.until {
        Some(until) => format!("{} until {}", one.whose, moment(until)),
        None => one.whose.clone(),
    };
    let mut named: Vec<_> = let_in.iter().take(NAMED).map(name).collect();
    if let_in.len() > NAMED {
        named.push(format!("{} more", let_in.len() - NAMED));
    }
    let does = if material.own == Purpose::Server { "lets in clients" } else { "accepts servers" };
    place.note(format!("{does} of {}", named.join(", ")));
}

fn moment(at: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(at)
}
