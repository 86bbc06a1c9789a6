//! The server's side of TLS.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::server::NoServerSessionStorage;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::witness::OfClients;
use super::{Authorities, KeyPair, provider};

/// What a server agrees to.
pub(crate) fn server_config(
    key_pair: &KeyPair,
    clients: &Authorities,
) -> Result<Arc<ServerConfig>, rustls::Error> {
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(Arc::new(OfClients::new(clients)?))
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(key_pair.certified())));
    // A resumed session has the verdict of the first one.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}
