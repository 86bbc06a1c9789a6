//! What connections of a client are made with.

use std::sync::Arc;

use app_tls::{client_config, server_name};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use crate::RpcClientConfig;

/// A config, and TLS made of it.
pub(crate) struct Setup {
    pub(super) config: RpcClientConfig,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) server: ServerName<'static>,
}

impl Setup {
    pub(crate) fn new(config: RpcClientConfig) -> Result<Self, rustls::Error> {
        let tls = client_config(&config.key_pair, &config.servers)?;
        let server = server_name(&config.name)?;
        Ok(Self { config, tls, server })
    }
}
