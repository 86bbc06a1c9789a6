//! Which peers would this config accept? One answer for sealing, `--check`, a start and a reload.
//!
//! webpki answers. For each authority it is asked about a [sample](crate::sample): the certificate of a peer that this authority
//! might have issued. What webpki refuses now, it would refuse in every handshake. Finally a peer with such a certificate makes a
//! handshake in memory with the configured material.
//!
//! A config that accepts no peer is an error. A config that accepts the peers of some authorities and not of others gets a warning.

mod admission;
mod crls;
mod grants;
mod handshake;
mod own;

use std::time::{Duration, SystemTime};

use app_config::{Expected, Place, Problems};

use self::admission::Admission;
use crate::{Authorities, KeyPair, Purpose, clock, error_text};

/// A check warns of what expires this soon. Running services warn of what expires within two weeks.
const SOON: Duration = Duration::from_secs(24 * 3600);

/// The bytes that the names of all authorities may take: a server sends them to each client, in a list of at most 65,535 bytes.
const MAX_NAMES_BYTES: usize = 60_000;

/// The TLS part of a config, to be checked as a whole.
pub struct ConfigCheck<'a> {
    /// What the own certificate is shown for.
    own: Purpose,
    /// The field that has the own certificate.
    field: &'static str,
    pair: &'a KeyPair,
    /// The authorities that peers are accepted from.
    peers: &'a Authorities,
    /// The name of the server, on whichever side it is.
    server: &'a str,
    /// The names that have a grant, in the order of the config.
    grants: &'a [&'a str],
}

impl<'a> ConfigCheck<'a> {
    /// The config of a server with this name, which accepts clients of these authorities. `grants` has the names that have a
    /// grant, in the order of the config.
    #[must_use]
    pub fn of_server(
        pair: &'a KeyPair,
        clients: &'a Authorities,
        name: &'a str,
        grants: &'a [&'a str],
    ) -> Self {
        Self { own: Purpose::Server, field: "serverCert", pair, peers: clients, server: name, grants }
    }

    /// The config of a client of the server with this name, which accepts servers of these authorities.
    #[must_use]
    pub fn of_client(pair: &'a KeyPair, servers: &'a Authorities, name: &'a str) -> Self {
        Self { own: Purpose::Client, field: "clientCert", pair, peers: servers, server: name, grants: &[] }
    }

    /// Adds errors and warnings about the config as a whole, and notes which peers it accepts.
    ///
    /// With a clock that is plainly wrong nothing is checked: nearly every answer depends on the time.
    pub fn run(&self, problems: &mut Problems) {
        let now = SystemTime::now();
        if clock::is_wrong(now) {
            return;
        }
        own::report(self, now, problems);
        let admissions = admission::all(self, now);
        admission::report(self, &admissions, now, problems);
        crls::report(self, now, problems);
        if !problems.is_empty() {
            return;
        }
        // rustls does not check this limit, and would write a message that no peer can read.
        let names: usize =
            admissions.iter().filter(|one| one.root.is_some()).map(|one| one.issuer.len() + 2).sum();
        if self.own == Purpose::Server && names > MAX_NAMES_BYTES {
            let rule = "has authorities whose names are too long for a handshake; give fewer";
            return problems.at("caCert").add_in_full(rule, format_args!(
                "has authorities whose names take {names} bytes, and a handshake has room for {MAX_NAMES_BYTES}; give fewer"
            ));
        }
        let Some(first) = admissions.iter().find(|one| one.refused.is_none()) else { return };
        if let Err(error) = handshake::try_in_memory(self, &first.issuer, &first.between, now) {
            let why = error_text::of(&error);
            problems.at(self.field).field("cert").add(Expected::of_code(format_args!(
                "a handshake in memory fails with this config: {why}; use smaller certificates, fewer authorities or another key"
            )));
            return;
        }
        if self.own == Purpose::Server {
            grants::report(self, &admissions, now, problems);
        }
        self.note_accepted(&admissions, &mut problems.at("caCert"));
    }

    /// Notes the authorities whose peers are accepted.
    fn note_accepted(&self, admissions: &[Admission], place: &mut Place<'_>) {
        /// The most authorities that are named. For more, the note has their number.
        const MAX_NAMED: usize = 3;
        let accepted: Vec<_> = admissions.iter().filter(|one| one.refused.is_none()).collect();
        let name = |one: &&Admission| match one.until {
            Some(until) => format!("{} until {}", one.whose, moment(until)),
            None => one.whose.clone(),
        };
        let mut named: Vec<_> = accepted.iter().take(MAX_NAMED).map(name).collect();
        if accepted.len() > MAX_NAMED {
            named.push(format!("{} more", accepted.len() - MAX_NAMED));
        }
        let does = if self.own == Purpose::Server { "lets in clients" } else { "accepts servers" };
        place.note(format!("{does} of {}", named.join(", ")));
    }

    /// What the certificates of peers are for.
    fn purpose_of_peers(&self) -> Purpose {
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

    /// The name that a sample needs. A client looks for the server's name; a server does not look for names.
    fn sample_name(&self) -> Option<&str> {
        (self.own == Purpose::Client).then_some(self.server)
    }
}

fn moment(at: SystemTime) -> humantime::Rfc3339Timestamp {
    humantime::format_rfc3339_seconds(at)
}
