//! The TLS config of servers.

use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::CryptoProvider;
use rustls::server::NoServerSessionStorage;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use crate::verifiers::ClientVerifier;
use crate::{Authorities, KeyPair, crypto_provider};

/// The TLS config of a server with this key pair, which accepts clients of these authorities.
///
/// # Errors
/// rustls refuses the material. Material of a checked config is not refused.
pub fn server_config(key_pair: &KeyPair, clients: &Authorities) -> Result<Arc<ServerConfig>, rustls::Error> {
    server_config_with(key_pair.certified(), clients, crypto_provider()).map(Arc::new)
}

/// The same as [`server_config`] with this cryptography.
pub(crate) fn server_config_with(
    certified: Arc<CertifiedKey>,
    clients: &Authorities,
    provider: Arc<CryptoProvider>,
) -> Result<ServerConfig, rustls::Error> {
    let verifier = Arc::new(ClientVerifier::new(clients, &provider)?);
    let mut config = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .with_client_cert_verifier(verifier)
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    // A resumed session would skip the check of the certificate, so a revoked one would be accepted.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(config)
}
