//! The list of all endpoints. Each endpoint has a type of its own, and the list works without these types.

use std::net::SocketAddr;

use app_core::App;
use app_core::listeners::ListenPlace;
use app_core::plugins::discovery::{AnnouncedEndpoint, EndpointList};
use app_core::prelude::ServiceId;

use super::Endpoint;
use crate::{EndpointConfig, RpcName, RpcServerConfig};

/// An endpoint that is linked into the program. [`rpc_endpoint!`](crate::rpc_endpoint) submits it through inventory.
#[derive(Debug, Clone, Copy)]
pub struct LinkedEndpoint {
    service: ServiceId,
    status: fn(&App) -> EndpointStatus,
    upcoming: fn(&App) -> Option<RpcServerConfig>,
}

inventory::collect!(LinkedEndpoint);

/// An endpoint at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndpointStatus {
    /// The address that it listens on. `None` if it does not listen.
    pub address: Option<SocketAddr>,
    /// The name in its certificate. `None` if it does not listen.
    pub name: Option<RpcName>,
    /// Open connections with an accepted client.
    pub active_connections: usize,
    /// The most open connections. 0 while it does not listen.
    pub max_connections: usize,
}

impl LinkedEndpoint {
    /// The endpoint of this service.
    #[must_use]
    pub const fn of<const SERVICE: u64>() -> Self {
        Self { service: ServiceId::new(SERVICE), status: status::<SERVICE>, upcoming: upcoming::<SERVICE> }
    }

    /// The id of its service.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// Its status in this app. It does not listen if its service does not run.
    #[must_use]
    pub fn status(&self, app: &App) -> EndpointStatus {
        (self.status)(app)
    }

    /// The config that it would start with. `None` if there is none, or if it is refused.
    pub(super) fn upcoming(&self, app: &App) -> Option<RpcServerConfig> {
        (self.upcoming)(app)
    }

    /// All endpoints of an app, sorted by id.
    #[must_use]
    pub fn all(app: &App) -> Vec<Self> {
        let has =
            |endpoint: &&Self| app.service_specs().iter().any(|service| service.id() == endpoint.service);
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().filter(has).copied().collect();
        all.sort_unstable_by_key(|endpoint| endpoint.service);
        all
    }
}

inventory::submit! { EndpointList::new(announced) }

/// What other processes may learn of the endpoints that listen.
fn announced(app: &App) -> Vec<AnnouncedEndpoint> {
    let told = |endpoint: &LinkedEndpoint| {
        let status = endpoint.status(app);
        let server_name = status.name?.to_string();
        Some(AnnouncedEndpoint { service: endpoint.service, server_name, address: status.address? })
    };
    LinkedEndpoint::all(app).iter().filter_map(told).collect()
}

fn upcoming<const SERVICE: u64>(app: &App) -> Option<RpcServerConfig> {
    app_config::upcoming::<EndpointConfig<SERVICE>>(app)?.0.clone()
}

/// Where the endpoint of this service will listen, for [`rpc_endpoint!`](crate::rpc_endpoint).
#[doc(hidden)]
#[must_use]
pub fn listen_place<const SERVICE: u64>(app: &App) -> Option<ListenPlace> {
    let config = upcoming::<SERVICE>(app)?;
    let port = if app.any_port() { 0 } else { config.port };
    Some(ListenPlace {
        address: config.bind_address,
        port,
        set_by: super::in_config(ServiceId::new(SERVICE)),
    })
}

fn status<const SERVICE: u64>(app: &App) -> EndpointStatus {
    let Ok(endpoint) = app.get::<Endpoint<SERVICE>>() else { return EndpointStatus::default() };
    EndpointStatus {
        address: endpoint.address(),
        name: endpoint.name(),
        active_connections: endpoint.counts().active,
        max_connections: endpoint.max_connections().unwrap_or_default(),
    }
}
