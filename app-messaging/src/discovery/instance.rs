//! An instance of an application, as it tells itself.
//!
//! Every program in the account can tell anything. So what is read is bounded, and an address is only a hint: the certificate of a server
//! decides.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The largest answer that is read, in bytes.
pub(super) const MAX_ANSWER_BYTES: usize = 64 << 10;

/// The most endpoints that are read of an instance.
const MAX_ENDPOINTS: usize = 256;

/// The longest of the short texts, in bytes.
const MAX_TEXT_BYTES: usize = 64;

/// An instance of an application that answered. All of it is what the instance tells. Ids are in hex.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct Instance {
    /// The application.
    pub app: String,
    /// The instance.
    pub instance: String,
    /// The domain.
    pub domain: String,
    /// The release.
    pub release: String,
    /// `starting`, `ready`, `not_ready` or `stopping`.
    pub state: String,
    /// Its RPC servers.
    pub endpoints: Vec<InstanceEndpoint>,
}

/// An RPC server of an instance.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[non_exhaustive]
pub struct InstanceEndpoint {
    /// The service that listens.
    pub service: String,
    /// The name that its certificate has.
    pub server_name: String,
    /// The address that it told.
    pub address: String,
}

/// The form on the wire: the answer to `$SRV.INFO`.
#[derive(Deserialize)]
struct Told {
    #[serde(rename = "type")]
    form: String,
    name: String,
    id: String,
    metadata: BTreeMap<String, String>,
}

impl Instance {
    /// Reads an answer. `None` for everything else, such as services of other programs.
    pub(crate) fn read(answer: &[u8]) -> Option<Self> {
        if answer.len() > MAX_ANSWER_BYTES {
            return None;
        }
        let Told { form, name, id, mut metadata } = serde_json::from_slice(answer).ok()?;
        if form != INFO_RESPONSE {
            return None;
        }
        let [domain, app, instance, release] =
            ["domain", "app", "instance", "release"].map(|key| metadata.remove(key).filter(|id| is_id(id)));
        let (domain, app, instance, release) = (domain?, app?, instance?, release?);
        if name != format!("op-{domain}-{app}") || id != instance {
            return None;
        }
        let is_word = |state: &String| {
            state.len() <= MAX_TEXT_BYTES
                && state.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
        };
        let state = metadata.remove("state").filter(is_word).unwrap_or_else(|| "unknown".to_owned());
        let endpoints = metadata.iter().filter_map(|(key, address)| {
            let service = key.strip_prefix(RPC)?.strip_suffix(ADDRESS).filter(|id| is_id(id))?;
            let server_name = metadata.get(&format!("{RPC}{service}{SERVER_NAME}"))?;
            let good = server_name.len() <= MAX_TEXT_BYTES
                && server_name.bytes().all(|byte| byte.is_ascii_graphic());
            let address: SocketAddr = address.parse().ok().filter(|_| good)?;
            let (service, server_name) = (service.to_owned(), server_name.clone());
            Some(InstanceEndpoint { service, server_name, address: address.to_string() })
        });
        let endpoints = endpoints.take(MAX_ENDPOINTS).collect();
        Some(Self { app, instance, domain, release, state, endpoints })
    }

    /// The addresses that it tells for a server.
    pub(crate) fn addresses_of(&self, server_name: &str) -> impl Iterator<Item = SocketAddr> {
        let of = move |endpoint: &&InstanceEndpoint| endpoint.server_name == server_name;
        self.endpoints.iter().filter(of).filter_map(|endpoint| endpoint.address.parse().ok())
    }
}

/// The type of the answer.
pub(super) const INFO_RESPONSE: &str = "io.nats.micro.v1.info_response";

/// The keys of an endpoint in the metadata: `rpc.{service}.address` and `rpc.{service}.server_name`.
pub(super) const RPC: &str = "rpc.";
pub(super) const ADDRESS: &str = ".address";
pub(super) const SERVER_NAME: &str = ".server_name";

fn is_id(text: &str) -> bool {
    (1..=16).contains(&text.len())
        && text.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte))
}
