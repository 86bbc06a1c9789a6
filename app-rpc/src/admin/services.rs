//! The interfaces `Service` and `RPCService`, and the list of all services.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;

use app_core::prelude::*;
use app_core::{ServiceState, events::KillReason, plugins::ServiceSpec, status::ServiceStatus};
use capnp::Error as RpcError;
use schema::admin_capnp::{self, network_address, r_p_c_service as rpc_service, service, service_info};

use super::levels;
use super::text::short;
use super::{count, millis, millis_of};
use crate::LinkedEndpoint;

/// Serves `Service`: one incarnation of a service.
pub(super) struct ServiceServer {
    service: Service,
}

impl ServiceServer {
    pub(super) fn new(service: Service) -> Self {
        Self { service }
    }
}

impl service::Server for ServiceServer {
    async fn id(
        self: Rc<Self>,
        _: service::IdParams,
        mut results: service::IdResults,
    ) -> Result<(), RpcError> {
        results.get().set_service_id(self.service.id().as_u64());
        Ok(())
    }

    async fn log_level(
        self: Rc<Self>,
        _: service::LogLevelParams,
        mut results: service::LogLevelResults,
    ) -> Result<(), RpcError> {
        let level = App::of(&self.service).service_log_level(self.service.id());
        results.get().set_level(levels::to_wire(level));
        Ok(())
    }

    async fn alive(
        self: Rc<Self>,
        _: service::AliveParams,
        mut results: service::AliveResults,
    ) -> Result<(), RpcError> {
        results.get().set_alive(self.service.alive());
        Ok(())
    }
}

/// Serves `RPCService`: an RPC endpoint.
pub(super) struct EndpointServer {
    app: App,
    endpoint: LinkedEndpoint,
}

impl EndpointServer {
    pub(super) fn new(app: App, endpoint: LinkedEndpoint) -> Self {
        Self { app, endpoint }
    }

    fn status(&self) -> crate::EndpointStatus {
        self.endpoint.status(&self.app)
    }
}

impl rpc_service::Server for EndpointServer {
    async fn id(
        self: Rc<Self>,
        _: rpc_service::IdParams,
        mut results: rpc_service::IdResults,
    ) -> Result<(), RpcError> {
        results.get().set_service_id(self.endpoint.service().as_u64());
        Ok(())
    }

    async fn listener_alive(
        self: Rc<Self>,
        _: rpc_service::ListenerAliveParams,
        mut results: rpc_service::ListenerAliveResults,
    ) -> Result<(), RpcError> {
        results.get().set_listener_alive(self.status().address.is_some());
        Ok(())
    }

    async fn listener_address(
        self: Rc<Self>,
        _: rpc_service::ListenerAddressParams,
        mut results: rpc_service::ListenerAddressResults,
    ) -> Result<(), RpcError> {
        let address = results.get().init_address();
        if let Some(listens_on) = self.status().address {
            write_address(listens_on, address);
        }
        Ok(())
    }

    async fn active_conns(
        self: Rc<Self>,
        _: rpc_service::ActiveConnsParams,
        mut results: rpc_service::ActiveConnsResults,
    ) -> Result<(), RpcError> {
        results.get().set_count(count(self.status().active_connections));
        Ok(())
    }

    async fn max_conns(
        self: Rc<Self>,
        _: rpc_service::MaxConnsParams,
        mut results: rpc_service::MaxConnsResults,
    ) -> Result<(), RpcError> {
        results.get().set_count(count(self.status().max_connections));
        Ok(())
    }
}

/// An entry of the list of services.
pub(super) enum Info {
    /// A service with a descriptor, and its dependencies.
    Described(Box<ServiceStatus>, Vec<ServiceId>),
    /// A service that was registered at run time.
    Registered(Service),
}

/// All services: those with a descriptor, alive or not, and those that were registered at run time.
pub(super) fn infos(app: &App) -> Vec<Info> {
    let needs = |id| {
        let spec = app.service_specs().iter().find(|service| service.id() == id);
        spec.map(|spec| spec.needs().to_vec()).unwrap_or_default()
    };
    let statuses = app.service_statuses();
    let described =
        |service: &Service| statuses.binary_search_by_key(&service.id(), |status| status.id).is_ok();
    let registered: Vec<_> = app.services().into_iter().filter(|service| !described(service)).collect();
    let mut infos: Vec<_> = statuses
        .into_iter()
        .map(|status| {
            let needs = needs(status.id);
            Info::Described(Box::new(status), needs)
        })
        .chain(registered.into_iter().map(Info::Registered))
        .collect();
    infos.sort_by_key(|info| match info {
        Info::Described(status, _) => status.id,
        Info::Registered(service) => service.id(),
    });
    infos
}

/// Writes an entry of the list. `notes` has the problems with configs, by service.
pub(super) fn write(
    app: &App,
    info: &Info,
    notes: &BTreeMap<ServiceId, String>,
    mut to: service_info::Builder<'_>,
) {
    let id = match info {
        Info::Described(status, needs) => {
            write_status(status, to.reborrow());
            if let Some(policy) = app.restart_policy(status.id) {
                to.set_restart_policy(policy.to_string());
            }
            let mut list = to.reborrow().init_needs(count(needs.len()));
            for (place, need) in (0..).zip(needs) {
                list.set(place, need.as_u64());
            }
            status.id
        }
        Info::Registered(service) => {
            to.set_service_id(service.id().as_u64());
            to.set_name(short(service.name()));
            to.set_state(state(service.state()));
            if let Some(reason) = service.reason() {
                to.set_reason(short(&reason.to_string()));
            }
            if let Some(KillReason::Failed(failure)) = service.reason() {
                to.set_last_failure(short(&failure.to_string()));
            }
            to.set_tasks(count(service.tasks().len()));
            service.id()
        }
    };
    to.set_level(levels::to_wire(app.service_log_level(id)));
    to.set_config_note(short(notes.get(&id).map_or("", String::as_str)));
}

/// A service and all its dependents, direct or not.
pub(super) fn with_dependents(app: &App, id: ServiceId) -> Vec<ServiceId> {
    let mut found = vec![id];
    // The loop also visits the services that it appends.
    let mut at = 0;
    while let Some(need) = found.get(at).copied() {
        let dependents = app.service_specs().iter().filter(|service| service.needs().contains(&need));
        let new: Vec<_> = dependents.map(ServiceSpec::id).filter(|id| !found.contains(id)).collect();
        found.extend(new);
        at += 1;
    }
    found
}

fn write_status(status: &ServiceStatus, mut to: service_info::Builder<'_>) {
    to.set_service_id(status.id.as_u64());
    to.set_name(short(&status.name));
    to.set_state(state(status.state));
    to.set_reason(short(status.reason.as_deref().unwrap_or_default()));
    to.set_deaths(status.deaths);
    to.set_planned_stops(status.planned_stops);
    to.set_restarts(status.restarts);
    if let Some(failure) = &status.last_failure {
        to.set_last_failure(short(&failure.reason));
        to.set_last_failure_on_millis(millis_of(failure.at));
    }
    to.set_uptime_millis(millis(status.uptime.unwrap_or_default()));
    to.set_start_millis(millis(status.start_took.unwrap_or_default()));
    to.set_tasks(count(status.tasks));
    to.set_restarting(status.restarting.is_some());
}

fn state(state: ServiceState) -> admin_capnp::ServiceState {
    match state {
        ServiceState::Registered => admin_capnp::ServiceState::Registered,
        ServiceState::Starting => admin_capnp::ServiceState::Starting,
        ServiceState::Running => admin_capnp::ServiceState::Running,
        ServiceState::Stopping => admin_capnp::ServiceState::Stopping,
        ServiceState::Stopped => admin_capnp::ServiceState::Stopped,
        ServiceState::Failed => admin_capnp::ServiceState::Failed,
    }
}

/// Writes where something listens.
pub(super) fn write_address(listens_on: SocketAddr, mut address: network_address::Builder<'_>) {
    address.set_network("tcp");
    address.set_address(listens_on.to_string());
}
