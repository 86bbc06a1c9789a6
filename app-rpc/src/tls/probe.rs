//! Asks webpki whether a certificate would be accepted, outside of any handshake.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use rustls::Error;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::danger::ClientCertVerifier;

use super::{Authorities, Purpose};

/// A verifier of one side's peers.
pub(super) enum Probe {
    /// What a server asks about its clients.
    Clients(Arc<dyn ClientCertVerifier>),
    /// What a client asks about its servers, which have this name.
    Servers(Arc<WebPkiServerVerifier>, ServerName<'static>),
}

impl Probe {
    /// Of peers with this purpose, of these authorities. `server` is the name that a server must have.
    pub(super) fn of(
        authorities: &Authorities,
        peers: Purpose,
        server: &str,
        provider: &Arc<CryptoProvider>,
    ) -> Result<Self, Error> {
        Ok(match peers {
            Purpose::Client => Self::Clients(authorities.verifier_of_clients(provider)?),
            Purpose::Server => {
                let name = ServerName::try_from(server.to_owned());
                let name = name.map_err(|error| Error::General(error.to_string()))?;
                Self::Servers(authorities.verifier_of_servers(provider)?, name)
            }
        })
    }

    /// Whether a peer that shows this chain would be accepted.
    pub(super) fn ask(
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
pub(super) fn unix(at: SystemTime) -> UnixTime {
    UnixTime::since_unix_epoch(at.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO))
}
