//! What the config says about connections, ready to be used.

use std::sync::Arc;
use std::time::Duration;

use super::account::Proof;
use crate::config::{MessagingConfig, ServerAddress};

/// What the subjects of JetStream's calls begin with, without a domain.
pub(super) const DEFAULT_API: &str = "$JS.API";

/// The TLS of connections.
pub(super) struct Tls {
    pub(super) config: Arc<async_nats::rustls::ClientConfig>,
    pub(super) first: bool,
}

/// What a connection is made with.
pub(crate) struct Settings {
    pub(super) servers: Vec<ServerAddress>,
    pub(super) proof: Proof,
    pub(super) tls: Option<Tls>,
    pub(super) connect_timeout: Duration,
    pub(super) send_timeout: Duration,
    pub(super) inbox_prefix: String,
    /// What the subjects of JetStream's calls begin with: `$JS.API` or `$JS.{domain}.API`.
    pub(super) api: String,
    /// The name that the servers show of this application.
    pub(super) name: String,
}

impl Settings {
    /// The settings of this config, under this name.
    pub(crate) fn of(config: &MessagingConfig, name: String) -> Result<Self, String> {
        let tls = config.tls.as_ref().map(|tls| {
            let made = app_tls::collector_config(tls.key_pair.as_ref(), &tls.servers);
            made.map(|config| Tls { config, first: tls.first })
                .map_err(|error| format!("TLS does not work with this config: {error}"))
        });
        Ok(Self {
            servers: config.servers.clone(),
            proof: Proof::of(&config.account)?,
            tls: tls.transpose()?,
            connect_timeout: config.connect_timeout,
            send_timeout: config.send_timeout,
            inbox_prefix: config.inbox_prefix.clone(),
            api: config
                .jetstream_domain
                .as_ref()
                .map_or_else(|| DEFAULT_API.to_owned(), |domain| format!("$JS.{domain}.API")),
            name,
        })
    }
}
