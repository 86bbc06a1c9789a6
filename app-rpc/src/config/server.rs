//! The config of an endpoint.

use std::net::IpAddr;
use std::num::NonZero;
use std::time::Duration;

use app_config::{Config, Expected, Place, Problems};
use app_core::Identity;
use app_core::prelude::ServiceId;
use app_ids::{AppId, DomainId};
use app_tls::ConfigCheck;
use schema::rpc_capnp::{rpc_grant, rpc_server_spec, rpc_service_spec};

use super::limits::{read_limits, within};
use crate::{Authorities, Grants, KeyPair, Limits, Purpose, RpcName};

/// The default of `maxConns`.
const DEFAULT_CONNECTIONS: usize = 1024;

/// The default of `maxCallsInFlight`, and its largest value.
const DEFAULT_CALLS: usize = 16 * 1024;
const MAX_CALLS: u32 = 1 << 24;

/// The default of `maxQueueMillis`, and its largest value in milliseconds.
const DEFAULT_QUEUE: Duration = Duration::from_millis(100);
const MAX_QUEUE_MILLIS: u32 = 60_000;

/// The checked config of an RPC server.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct RpcServerConfig {
    /// The service. The server's certificate has this name.
    pub name: RpcName,
    /// The TCP port. 0 is any free port.
    pub port: u16,
    /// The address to listen on. `None` is every address of the machine.
    pub bind_address: Option<IpAddr>,
    /// The server's certificate and its key.
    pub key_pair: KeyPair,
    /// The authorities that clients are accepted from.
    pub clients: Authorities,
    /// The most open connections.
    pub max_connections: usize,
    /// The most open connections of one certificate. `None` is an eighth of all, at least 8.
    pub max_client_connections: Option<NonZero<u32>>,
    /// The most calls in flight on all connections together. One in sixteen is kept for clients with a grant, if there are any.
    pub max_calls_in_flight: usize,
    /// The longest time that calls may wait for their thread. Beyond it for half a second, calls are refused. `None` is any time.
    pub max_queue: Option<Duration>,
    /// What clients may do.
    pub grants: Grants,
    /// The limits of one connection.
    pub limits: Limits,
    /// The maximum age of a connection.
    pub max_connection_age: Duration,
    /// The number of threads that serve connections. `None` is half the number of processors, at least one.
    pub threads: Option<NonZero<u16>>,
}

impl RpcServerConfig {
    /// A server with this name, on any free port of every address, with the defaults for everything else.
    #[must_use]
    pub fn new(name: RpcName, key_pair: KeyPair, clients: Authorities) -> Self {
        Self {
            name,
            port: 0,
            bind_address: None,
            key_pair,
            clients,
            max_connections: DEFAULT_CONNECTIONS,
            max_client_connections: None,
            max_calls_in_flight: DEFAULT_CALLS,
            max_queue: Some(DEFAULT_QUEUE),
            grants: Grants::default(),
            limits: Limits::default(),
            max_connection_age: Duration::from_secs(3600),
            threads: None,
        }
    }

    /// The most open connections of one certificate.
    pub(crate) fn connections_of_client(&self) -> usize {
        let set = self.max_client_connections.map(|most| most.get().try_into().unwrap_or(usize::MAX));
        set.unwrap_or_else(|| (self.max_connections / 8).max(8))
    }

    /// Reads the config of the server of `service`, and adds every problem.
    pub fn read(
        service: ServiceId,
        spec: rpc_server_spec::Reader<'_>,
        problems: &mut Problems,
    ) -> Option<Self> {
        let named = {
            let mut place = problems.at("rpcServiceSpec");
            read_name(service, place.value(spec.get_rpc_service_spec())?, &mut place)
        };
        let server = named.map(|(name, _)| name.to_string());
        let key_pair = {
            let mut place = problems.at("serverCert");
            let pair = place.value(spec.get_server_cert())?;
            KeyPair::read(pair, Purpose::Server, server.as_deref(), &mut place)
        };
        let clients = Authorities::read(spec.get_ca_cert(), spec.get_crl(), problems);
        let bind_address = {
            let mut place = problems.at("bindAddress");
            super::read_address(place.text(spec.get_bind_address())?, &mut place)
        };
        let grants = {
            let mut place = problems.at("grants");
            Grants::read(place.value(spec.get_grants())?, &mut place)
        };
        let limits = {
            let mut place = problems.at("limits");
            read_limits(place.value(spec.get_limits())?, &mut place)
        };
        let (age, threads) = (spec.get_max_connection_age_seconds(), spec.get_threads());
        within(age, 1, u32::MAX, &mut problems.at("maxConnectionAgeSeconds"));
        within(threads.into(), 0, 256, &mut problems.at("threads"));
        let (calls, queue_millis) = (spec.get_max_calls_in_flight(), spec.get_max_queue_millis());
        within(calls, 0, MAX_CALLS, &mut problems.at("maxCallsInFlight"));
        within(queue_millis, 0, MAX_QUEUE_MILLIS, &mut problems.at("maxQueueMillis"));
        let max_connections = match usize::try_from(spec.get_max_conns()) {
            Ok(0) => DEFAULT_CONNECTIONS,
            Ok(connections) => connections,
            Err(_) => usize::MAX,
        };
        if let (Some(server), Some(pair), Some(peers)) = (&server, &key_pair, &clients) {
            let names: Vec<_> = spec.get_grants().ok()?.iter().filter_map(granted).collect();
            ConfigCheck::of_server(pair, peers, server, &names).run(problems);
        }
        let (name, port) = named?;
        Some(Self {
            name,
            port,
            bind_address,
            key_pair: key_pair?,
            clients: clients?,
            max_connections,
            max_client_connections: NonZero::new(spec.get_max_client_conns()),
            max_calls_in_flight: match usize::try_from(calls) {
                Ok(0) => DEFAULT_CALLS,
                Ok(calls) => calls,
                Err(_) => usize::MAX,
            },
            max_queue: (queue_millis > 0).then(|| Duration::from_millis(queue_millis.into())),
            grants: grants?,
            limits,
            max_connection_age: Duration::from_secs(age.into()),
            threads: NonZero::new(threads),
        })
    }
}

/// The name and the port of the server of `service`.
fn read_name(
    service: ServiceId,
    spec: rpc_service_spec::Reader<'_>,
    place: &mut Place<'_>,
) -> Option<(RpcName, u16)> {
    let named = RpcName::read(spec, place);
    if named.is_some_and(|(_, port)| port == 0) {
        place
            .field("port")
            .note("is 0, so the endpoint listens on any free port; the log and `appctl status` have it");
    }
    if let Some((name, _)) = named.filter(|(name, _)| name.service != service) {
        let rule = Expected::of_code(format_args!("must be {service:#x}, whose config this is"));
        place.field("serviceId").add_found(rule, format_args!("{:#x}", name.service));
    }
    named
}

/// The name that has a grant.
fn granted(grant: rpc_grant::Reader<'_>) -> Option<&str> {
    grant.get_name().ok()?.to_str().ok()
}

/// The config of the endpoint of the service with this id. `None` without a file. The endpoint does not listen then.
#[derive(Debug, Clone)]
pub struct EndpointConfig<const SERVICE: u64>(pub Option<RpcServerConfig>);

impl<const SERVICE: u64> Config for EndpointConfig<SERVICE> {
    const SERVICE: ServiceId = ServiceId::new(SERVICE);
    type Schema = rpc_server_spec::Owned;
    const WITHOUT_FILE: Option<&'static str> = None;

    fn read(spec: rpc_server_spec::Reader<'_>, problems: &mut Problems) -> Option<Self> {
        RpcServerConfig::read(Self::SERVICE, spec, problems).map(|config| Self(Some(config)))
    }

    fn check_application(&self, application: &Identity, problems: &mut Problems) {
        let Some(config) = &self.0 else { return };
        let own = RpcName { domain: application.domain, app: application.app, service: Self::SERVICE };
        let found = config.name;
        if found != own {
            problems.at("rpcServiceSpec").add_in_full("is of another application; seal another config", format!(
                "is of {found}, this application is {own}; start it with --domain-id {:#x} --app-id {:#x}, or seal another config",
                found.domain, found.app
            ));
        }
    }

    fn example(domain: DomainId, app: AppId) -> Option<String> {
        Some(super::example::of_endpoint(domain, app, Self::SERVICE))
    }

    fn without_file() -> Self {
        Self(None)
    }
}
