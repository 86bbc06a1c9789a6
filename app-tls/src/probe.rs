//! Asks webpki whether a certificate would be accepted, outside of any handshake.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

/// A verifier of one side's peers.
pub(crate) enum Probe {
    /// What a server asks about its clients.
    Clients(Arc<dyn ClientCertVerifier>),
    /// What a client asks about its servers, which have this name.
    Servers(Arc<WebPkiServerVerifier>, ServerName<'static>),
}

impl Probe {
    /// Whether a peer that shows this chain would be accepted.
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

/// A moment, as rustls has it.
pub(crate) fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}
