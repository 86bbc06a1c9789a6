//! The config of a client, prepared for connecting.

use std::sync::Arc;

use app_core::plugins::discovery::Discovery;
use app_tls::{client_config, server_name};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;

use super::measured::ClientCalls;
use crate::RpcClientConfig;

/// A config, and the TLS config made from it.
pub(crate) struct Setup {
    pub(super) config: RpcClientConfig,
    pub(super) tls: Arc<ClientConfig>,
    pub(super) server: ServerName<'static>,
    /// The metrics of the client's calls.
    pub(super) calls: ClientCalls,
    /// Finds the addresses of instances, if the config asks for that.
    pub(super) discovery: Arc<Discovery>,
}

impl Setup {
    pub(crate) fn new(config: RpcClientConfig) -> Result<Self, rustls::Error> {
        let tls = client_config(&config.key_pair, &config.servers)?;
        let server = server_name(&config.name)?;
        Ok(Self { config, tls, server, calls: ClientCalls::default(), discovery: Arc::default() })
    }

    /// The same, for a client with these metrics.
    pub(super) fn measured(self, calls: ClientCalls) -> Self {
        Self { calls, ..self }
    }

    /// The same, for a client of an app with this discovery.
    pub(super) fn finding(self, discovery: Arc<Discovery>) -> Self {
        Self { discovery, ..self }
    }
}
