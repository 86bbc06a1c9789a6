//! The config of the messaging service: what `schema/capnp/messaging.capnp` says, read strictly.

mod credentials;
mod read;
mod server;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use app_config::{Config, Problems, SecretBytes};
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId, StreamId};
use app_tls::{Authorities, KeyPair};
use schema::messaging_capnp::messaging_spec;

pub(crate) use self::credentials::{read_credentials, user_key};
pub use self::server::ServerAddress;
use crate::ids::MESSAGING_SERVICE_ID;

/// The default of `maxMessageBytes`: 256 KiB.
pub const DEFAULT_MAX_MESSAGE_BYTES: usize = 256 << 10;

/// The checked config of the messaging service.
#[derive(Debug)]
#[non_exhaustive]
pub struct MessagingConfig {
    /// The servers of one cluster. Empty if messages stay inside of the process.
    pub servers: Vec<ServerAddress>,
    /// How the application proves who it is.
    pub account: Account,
    /// TLS, if it is used.
    pub tls: Option<TlsConfig>,
    /// How long connecting may take.
    pub connect_timeout: Duration,
    /// How long storing a message, an answer or a confirmation may take.
    pub send_timeout: Duration,
    /// The largest packed payload, in bytes.
    pub max_message_bytes: usize,
    /// How many messages may wait for their acknowledgement.
    pub max_waiting_acks: usize,
    /// Whether the application is not ready without a server.
    pub required: bool,
    /// Who makes streams and consumers.
    pub provision: Provisioning,
    /// Settings of streams in place of the declared ones.
    pub streams: BTreeMap<StreamId, StreamSettings>,
    /// Whether instances answer requests of NATS' services protocol.
    pub publish_services: bool,
    /// Whether messages stay inside of the process.
    pub in_process: bool,
    /// What the subjects of answers begin with.
    pub inbox_prefix: String,
    /// The JetStream domain of the streams, if it is not the one of the server.
    pub jetstream_domain: Option<String>,
}

/// How an application proves to a server who it is. `Debug` shows no secret, and secrets are overwritten on drop.
#[derive(Default)]
#[non_exhaustive]
pub enum Account {
    /// It does not.
    #[default]
    None,
    /// By the content of a credentials file.
    Credentials(SecretBytes),
    /// By the seed of an nkey.
    NkeySeed(SecretBytes),
    /// By name and password.
    User(String, SecretBytes),
    /// By a token.
    Token(SecretBytes),
}

impl fmt::Debug for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Credentials(_) => f.write_str("Credentials(..)"),
            Self::NkeySeed(_) => f.write_str("NkeySeed(..)"),
            Self::User(user, _) => f.debug_tuple("User").field(user).finish_non_exhaustive(),
            Self::Token(_) => f.write_str("Token(..)"),
        }
    }
}

/// The TLS of connections to servers.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TlsConfig {
    /// The authorities that servers are accepted from.
    pub servers: Authorities,
    /// The certificate that the client shows, if it shows one.
    pub key_pair: Option<KeyPair>,
    /// Whether TLS begins before the server says anything.
    pub first: bool,
}

/// Who makes streams and consumers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Provisioning {
    /// The services make what is missing, and extend what is there.
    #[default]
    Ensure,
    /// The services only compare.
    Verify,
}

/// Where a stream keeps its messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum StreamStorage {
    /// In files.
    #[default]
    File,
    /// In memory.
    Memory,
}

/// Settings of a stream, in place of the declared ones. `None` means as declared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct StreamSettings {
    /// How many servers keep a copy.
    pub replicas: Option<u8>,
    /// Where the stream keeps its messages.
    pub storage: Option<StreamStorage>,
    /// How long a message is kept.
    pub max_age: Option<Duration>,
    /// How many bytes are kept.
    pub max_bytes: Option<u64>,
    /// How long ids of messages are remembered.
    pub duplicate_window: Option<Duration>,
}

/// The values of the example that is printed: a server without TLS, and what is empty by default.
const EXAMPLE: &str = r#"{
    "servers": ["nats://127.0.0.1:4222"], "credentials": "", "nkeySeed": "", "user": "", "password": "", "token": "", "caCert": "",
    "clientCert": { "key": "", "cert": "" }, "tlsFirst": false, "required": false, "streams": [], "inProcess": false,
    "inboxPrefix": "", "domain": ""
}"#;

impl Config for MessagingConfig {
    const SERVICE: ServiceId = MESSAGING_SERVICE_ID;
    type Schema = messaging_spec::Owned;

    fn read(spec: messaging_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        read::read(spec, problems)
    }

    fn example(_: DomainId, _: AppId) -> Option<String> {
        Some(EXAMPLE.to_owned())
    }

    fn without_file() -> Self {
        Self::without_config()
    }
}

impl MessagingConfig {
    /// The fields that differ and that only a start takes over. A connection follows all others while it runs.
    pub(crate) fn changes_for_the_next_start(&self, to: &Self) -> Vec<&'static str> {
        [
            (self.servers.is_empty() != to.servers.is_empty(), "servers"),
            (self.in_process != to.in_process, "inProcess"),
            (self.send_timeout != to.send_timeout, "sendMillis"),
            (self.max_message_bytes != to.max_message_bytes, "maxMessageBytes"),
            (self.max_waiting_acks != to.max_waiting_acks, "maxWaitingAcks"),
            (self.required != to.required, "required"),
            (self.provision != to.provision, "provision"),
            (self.streams != to.streams, "streams"),
            (self.publish_services != to.publish_services, "publishServices"),
        ]
        .into_iter()
        .filter_map(|(differs, field)| differs.then_some(field))
        .collect()
    }

    /// What holds without a config: the defaults, and no place for stored messages.
    pub(crate) fn without_config() -> Self {
        Self {
            servers: Vec::new(),
            account: Account::None,
            tls: None,
            connect_timeout: Duration::from_secs(5),
            send_timeout: Duration::from_secs(5),
            max_message_bytes: DEFAULT_MAX_MESSAGE_BYTES,
            max_waiting_acks: 1024,
            required: false,
            provision: Provisioning::Ensure,
            streams: BTreeMap::new(),
            publish_services: true,
            in_process: false,
            inbox_prefix: read::DEFAULT_INBOX_PREFIX.to_owned(),
            jetstream_domain: None,
        }
    }
}

app_config::config! { MessagingConfig, "Where messages go: the NATS servers, their account, and the streams." }
