//! The client's side of TLS.

use std::sync::Arc;

use rustls::ClientConfig;
use rustls::client::Resumption;
use rustls::pki_types::ServerName;
use rustls::sign::SingleCertAndKey;
use rustls::version::{TLS12, TLS13};

use super::witness::OfServers;
use super::{Authorities, KeyPair, provider};
use crate::RpcName;

/// What a client agrees to.
pub(crate) fn client_config(
    key_pair: &KeyPair,
    servers: &Authorities,
) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13, &TLS12])?
        // It asks webpki, and notes the reason: nothing is let through that webpki refuses.
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OfServers::new(servers)?))
        .with_client_cert_resolver(Arc::new(SingleCertAndKey::from(key_pair.certified())));
    config.resumption = Resumption::disabled();
    // It would tell everybody on the way which service is called.
    config.enable_sni = false;
    Ok(Arc::new(config))
}

/// The name that the server's certificate must have.
pub(crate) fn server_name(name: &RpcName) -> Result<ServerName<'static>, rustls::Error> {
    ServerName::try_from(name.to_string()).map_err(|error| rustls::Error::General(error.to_string()))
}
