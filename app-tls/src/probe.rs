//! Asks webpki whether it would accept a certificate, without a handshake.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

/// The verifier of one side, which checks the certificates of its peers.
pub(crate) enum Probe {
    /// The verifier of a server, for its clients.
    Clients(Arc<dyn ClientCertVerifier>),
    /// The verifier of a client, for servers with this name.
    Servers(Arc<WebPkiServerVerifier>, ServerName<'static>),
}

impl Probe {
    /// Checks the chain of a peer. An error is the reason why the peer would be refused.
    pub(crate) fn ask(
        &self,
        leaf: &CertificateDer<'_>,
        between: &[CertificateDer<'_>],
        now: SystemTime,
    ) -> Result<(), Error> {
        let now = unix(now);
        match self {
            Self::Clients(verifier) => verifier.verify_client_cert(leaf, between, now).map(drop),
            Self::Servers(verifier, name) => {
                verifier.verify_server_cert(leaf, between, name, &[], now).map(drop)
            }
        }
    }
}

/// A time as rustls represents it.
pub(crate) fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}
