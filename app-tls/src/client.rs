//! The TLS config of clients.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::ServerName;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};

use crate::verifiers::ServerVerifier;
use crate::{Authorities, KeyPair, RpcName, crypto_provider};

/// The TLS config of a client with this key pair, which accepts servers of these authorities.
///
/// # Errors
/// rustls refuses the material. Material of a checked config is not refused.
pub fn client_config(key_pair: &KeyPair, servers: &Authorities) -> Result<Arc<ClientConfig>, rustls::Error> {
    client_config_with(key_pair.certified(), servers, crypto_provider()).map(Arc::new)
}

/// The TLS config of a client of a server that is no part of this platform, such as a collector of traces. It accepts servers of
/// these authorities. It shows the certificate of the key pair, if there is one, to a server that asks.
///
/// The name of the server is sent in the open, because such servers often have several names.
///
/// # Errors
/// As [`client_config`].
pub fn collector_config(
    key_pair: Option<&KeyPair>,
    servers: &Authorities,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let provider = crypto_provider();
    let verifier = Arc::new(ServerVerifier::new(servers, &provider)?);
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let mut config = match key_pair {
        Some(pair) => builder.with_client_cert_resolver(Arc::new(SingleCertAndKey::from(pair.certified()))),
        None => builder.with_no_client_auth(),
    };
    config.resumption = Resumption::disabled();
    Ok(Arc::new(config))
}

/// The same as [`client_config`] with this cryptography.
pub(crate) fn client_config_with(
    certified: Arc<CertifiedKey>,
    servers: &Authorities,
    provider: Arc<CryptoProvider>,
) -> Result<ClientConfig, rustls::Error> {
    let verifier = Arc::new(ServerVerifier::new(servers, &provider)?);
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])?
        // The verifier asks webpki, and records the reason. It accepts nothing that webpki refuses.
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    config.resumption = Resumption::disabled();
    // The server name would tell everybody on the network path which service is called.
    config.enable_sni = false;
    Ok(config)
}

/// The name that the server's certificate must have.
///
/// # Errors
/// rustls does not accept it as a DNS name. It accepts every [`RpcName`].
pub fn server_name(name: &RpcName) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(name.to_string()).map_err(|error| rustls::Error::General(error.to_string()))
}
