//! Which endpoints there are: each is known by its type, and this tells them without.

use std::net::SocketAddr;

use app_core::App;
use app_core::prelude::ServiceId;

use super::Endpoint;
use crate::{EndpointConfig, RpcServerConfig};

/// An endpoint that is linked into the program; [`rpc_endpoint!`](crate::rpc_endpoint) submits it, through inventory.
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
    /// Where it listens; `None` if it does not.
    pub address: Option<SocketAddr>,
    /// How many connections are open, their clients let in.
    pub active_connections: usize,
    /// How many may be open; 0 while it does not listen.
    pub max_connections: usize,
}

impl LinkedEndpoint {
    /// The endpoint of this service.
    #[must_use]
    pub const fn of<const SERVICE: u64>() -> Self {
        Self { service: ServiceId::new(SERVICE), status: status::<SERVICE>, upcoming: upcoming::<SERVICE> }
    }

    /// The service that it is.
    #[must_use]
    pub const fn service(&self) -> ServiceId {
        self.service
    }

    /// How it is in this app; not listening if its service does not run.
    #[must_use]
    pub fn status(&self, app: &App) -> EndpointStatus {
        (self.status)(app)
    }

    /// The config that it would start with; `None` without one, and when it is refused.
    pub(super) fn upcoming(&self, app: &App) -> Option<RpcServerConfig> {
        (self.upcoming)(app)
    }

    /// Those that an app was made with, sorted by id.
    #[must_use]
    pub fn all(app: &App) -> Vec<Self> {
        let has = |endpoint: &&Self| app.descriptors().iter().any(|service| service.id() == endpoint.service);
        let mut all: Vec<_> = inventory::iter::<Self>.into_iter().filter(has).copied().collect();
        all.sort_unstable_by_key(|endpoint| endpoint.service);
        all
    }
}

fn upcoming<const SERVICE: u64>(app: &App) -> Option<RpcServerConfig> {
    app_config::upcoming::<EndpointConfig<SERVICE>>(app)?.0.clone()
}

fn status<const SERVICE: u64>(app: &App) -> EndpointStatus {
    let Ok(endpoint) = app.get::<Endpoint<SERVICE>>() else { return EndpointStatus::default() };
    EndpointStatus {
        address: endpoint.address(),
        active_connections: endpoint.counts().active,
        max_connections: endpoint.max_connections().unwrap_or_default(),
    }
}
