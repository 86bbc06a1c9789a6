//! The config of a client.

use std::net::IpAddr;
use std::time::Duration;

use app_config::{Config, Expected, Place, Problems, quoted};
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use app_tls::ConfigCheck;
use schema::rpc_capnp::rpc_client_spec;

use super::limits::{read_message_bytes, within};
use crate::{Authorities, KeyPair, Limits, LinkedClient, Purpose, RpcName};

/// The default of `maxInstances`, and of `maxConnections` before there was that.
const MOST_INSTANCES: usize = 64;
const EARLIER_MOST: u16 = 8;

/// The largest `retriesPerSecond`. With more, the floor would be no budget: a client repeats each call of a server that is overloaded.
const MOST_RETRIES_PER_SECOND: u32 = 1000;
/// The largest `ejectAfterFailures`. After more failures in a row, an instance has failed for long, and an ejection helps nobody.
const MOST_FAILURES: u32 = 1000;

/// The checked config of an RPC client.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RpcClientConfig {
    /// The service that is called. Its server's certificate has this name.
    pub name: RpcName,
    /// The TCP port for addresses without a port.
    pub port: u16,
    /// Host names or IP addresses, with or without a port. An empty list is the host of the application.
    pub addresses: Vec<String>,
    /// Whether the instances are asked for their addresses too, over messaging. With an empty list, only they are.
    pub discover: bool,
    /// The client's certificate and its key.
    pub key_pair: KeyPair,
    /// The authorities that servers are accepted from.
    pub servers: Authorities,
    /// The most instances that the client connects to.
    pub max_connections: usize,
    /// The default time limit of a call.
    pub call_timeout: Duration,
    /// The time limit of connecting, including the handshake.
    pub connect_timeout: Duration,
    /// The age at which a new connection replaces an old one.
    pub max_connection_age: Duration,
    /// The limits for the server.
    pub limits: Limits,
    /// How many of a hundred calls may be made again because they were refused or, if they are idempotent, may have been executed.
    pub retry_percent: u32,
    /// How many calls a second may be made again beside these.
    pub retries_per_second: u32,
    /// After how many failed calls in a row an instance is ejected, while others work. 0 means never.
    pub eject_after_failures: u32,
    /// How long the first ejection of an instance lasts. Each one that follows at once lasts twice as long, up to 64 times.
    pub eject_time: Duration,
}

impl RpcClientConfig {
    /// A client of this server, with the defaults for everything else.
    #[must_use]
    pub fn new(name: RpcName, port: u16, key_pair: KeyPair, servers: Authorities) -> Self {
        Self {
            name,
            port,
            addresses: Vec::new(),
            discover: false,
            key_pair,
            servers,
            max_connections: MOST_INSTANCES,
            call_timeout: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            max_connection_age: Duration::from_secs(1800),
            limits: Limits::default(),
            retry_percent: 20,
            retries_per_second: 10,
            eject_after_failures: 5,
            eject_time: Duration::from_secs(1),
        }
    }

    /// Reads the config of a client, and adds every problem.
    pub fn read(spec: rpc_client_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let named = {
            let mut place = problems.at("rpcServiceSpec");
            RpcName::read(place.value(spec.get_rpc_service_spec())?, &mut place)
        };
        let key_pair = {
            let mut place = problems.at("clientCert");
            KeyPair::read(place.value(spec.get_client_cert())?, Purpose::Client, None, &mut place)
        };
        let servers = Authorities::read(spec.get_ca_cert(), spec.get_crl(), problems);
        if let (Some((name, _)), Some(pair), Some(peers)) = (&named, &key_pair, &servers) {
            ConfigCheck::of_client(pair, peers, &name.to_string()).run(problems);
        }
        let addresses = read_addresses(spec, &mut problems.at("addresses"))?;
        within(spec.get_max_connections().into(), 1, 1024, &mut problems.at("maxConnections"));
        within(spec.get_max_instances().into(), 1, 1024, &mut problems.at("maxInstances"));
        within(spec.get_retry_percent().into(), 0, 100, &mut problems.at("retryPercent"));
        let floor = spec.get_retries_per_second().into();
        within(floor, 0, MOST_RETRIES_PER_SECOND, &mut problems.at("retriesPerSecond"));
        let failures = spec.get_eject_after_failures().into();
        within(failures, 0, MOST_FAILURES, &mut problems.at("ejectAfterFailures"));
        within(spec.get_eject_millis(), 1, 600_000, &mut problems.at("ejectMillis"));
        for (field, value) in [
            ("callMillis", spec.get_call_millis()),
            ("connectMillis", spec.get_connect_millis()),
            ("maxConnectionAgeSeconds", spec.get_max_connection_age_seconds()),
        ] {
            within(value, 1, u32::MAX, &mut problems.at(field));
        }
        let message_bytes =
            read_message_bytes(spec.get_max_message_bytes(), &mut problems.at("maxMessageBytes"));
        let (name, port) = named?;
        let has_port = |address: &String| host_and_port(address, 0).is_some_and(|(_, port)| port != 0);
        // Instances tell their ports.
        let asks_alone = spec.get_discover() && addresses.is_empty();
        if port == 0 && !asks_alone && (addresses.is_empty() || !addresses.iter().all(has_port)) {
            let mut place = problems.at("rpcServiceSpec");
            place
                .field("port")
                .add("must be 1 to 65535, unless each of `addresses` has a port, or `discover` finds all");
        }
        let limits = Limits {
            message_bytes,
            queued_bytes: Limits::default().queued_bytes.max(message_bytes),
            peer_memory_bytes: Limits::default_peer_memory(message_bytes),
            ..Limits::default()
        };
        Some(Self {
            addresses,
            discover: spec.get_discover(),
            max_connections: most_instances(spec),
            retry_percent: spec.get_retry_percent().into(),
            retries_per_second: spec.get_retries_per_second().into(),
            eject_after_failures: spec.get_eject_after_failures().into(),
            eject_time: Duration::from_millis(spec.get_eject_millis().into()),
            call_timeout: Duration::from_millis(spec.get_call_millis().into()),
            connect_timeout: Duration::from_millis(spec.get_connect_millis().into()),
            max_connection_age: Duration::from_secs(spec.get_max_connection_age_seconds().into()),
            limits,
            ..Self::new(name, port, key_pair?, servers?)
        })
    }
}

/// `maxInstances`, unless the file has a limit under the earlier name.
fn most_instances(spec: rpc_client_spec::Reader<'_>) -> usize {
    let earlier = spec.get_max_connections();
    if earlier == EARLIER_MOST { spec.get_max_instances().into() } else { earlier.into() }
}

fn read_addresses(spec: rpc_client_spec::Reader<'_>, place: &mut Place<'_>) -> Option<Vec<String>> {
    let list = place.value(spec.get_addresses())?;
    let mut addresses = Vec::new();
    for (index, address) in list.iter().enumerate() {
        let mut place = place.index(index);
        let address = place.text(address)?;
        if host_and_port(address, 0).is_none() {
            place.add_found("must be a host or an IP address, with a port or without", quoted(address));
        }
        addresses.push(address.to_owned());
    }
    Some(addresses)
}

/// The host and the port of an address. `None` if the text is not an address.
pub(crate) fn host_and_port(address: &str, default_port: u16) -> Option<(String, u16)> {
    if let Ok(ip) = address.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>() {
        return Some((ip.to_string(), default_port));
    }
    let (host, port) = match address.rsplit_once(':') {
        Some((host, port)) => (host, port.parse().ok().filter(|port| *port > 0)?),
        None => (address, default_port),
    };
    let inner = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    let host = match inner {
        Some(ip) => ip.parse::<IpAddr>().ok()?.to_string(),
        None => host.to_owned(),
    };
    let good = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    (inner.is_some() || (!host.is_empty() && host.len() <= 253 && host.chars().all(good)))
        .then_some((host, port))
}

/// The config of the client of the service with this id. `None` without a file. The service has no client then.
#[derive(Debug, Clone)]
pub struct ClientConfig<const SERVICE: u64>(pub Option<RpcClientConfig>);

impl<const SERVICE: u64> Config for ClientConfig<SERVICE> {
    const SERVICE: ServiceId = ServiceId::new(SERVICE);
    type Schema = rpc_client_spec::Owned;
    const WITHOUT_FILE: Option<&'static str> = None;

    fn read(spec: rpc_client_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        let config = RpcClientConfig::read(spec, problems)?;
        let endpoint = LinkedClient::find(Self::SERVICE).and_then(|client| client.endpoint());
        if let Some(endpoint) = endpoint.filter(|endpoint| *endpoint != config.name.service) {
            let (name, found) = (endpoint.name().unwrap_or("the endpoint"), config.name.service);
            let rule = format_args!("must be {endpoint:#x}: the client calls {name}");
            let mut place = problems.at("rpcServiceSpec");
            place.field("serviceId").add_found(Expected::of_code(rule), format_args!("{found:#x}"));
        }
        Some(Self(Some(config)))
    }

    fn example(domain: DomainId, app: AppId) -> Option<String> {
        let endpoint = LinkedClient::find(Self::SERVICE).and_then(|client| client.endpoint());
        let name = Self::SERVICE.name().map_or_else(|| Self::SERVICE.hex(), str::to_owned);
        Some(super::example::of_client(domain, app, endpoint.unwrap_or(Self::SERVICE), &name))
    }

    fn without_file() -> Self {
        Self(None)
    }
}
