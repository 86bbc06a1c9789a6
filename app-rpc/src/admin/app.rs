//! The interface `App`: the application itself, and the capabilities of all other interfaces.

use std::rc::Rc;

use app_core::prelude::*;
use app_core::{KillOutcome, StopCause};
use capnp::Error as RpcError;
use schema::admin_capnp::{MetricsFormat, app};

use super::configs::{self, ConfigsServer};
use super::events::StreamServer;
use super::gate::Session;
use super::health::HealthServer;
use super::levels::{self, LevelsServer};
use super::metrics::ReaderServer;
use super::operations;
use super::runtime::RuntimeServer;
use super::services::{self, EndpointServer, ServiceServer};
use super::text::short;
use super::{count, failed, millis, millis_of};
use crate::LinkedEndpoint;

/// The most certificates and revocation lists whose ends are in an answer.
const MAX_ENDS: usize = 16;

/// The longest drain delay that a client may ask for.
const MAX_DRAIN_DELAY: Duration = Duration::from_secs(3600);

/// Serves `App`.
pub(super) struct AppServer {
    session: Rc<Session>,
}

impl AppServer {
    pub(super) fn new(session: Rc<Session>) -> Self {
        Self { session }
    }

    fn app(&self) -> &App {
        self.session.admin.app()
    }
}

impl app::Server for AppServer {
    async fn id(self: Rc<Self>, _: app::IdParams, mut results: app::IdResults) -> Result<(), RpcError> {
        results.get().set_app_id(self.app().id().as_u64());
        Ok(())
    }

    async fn release_id(
        self: Rc<Self>,
        _: app::ReleaseIdParams,
        mut results: app::ReleaseIdResults,
    ) -> Result<(), RpcError> {
        results.get().set_release_id(self.app().release().as_u64());
        Ok(())
    }

    async fn instance(
        self: Rc<Self>,
        _: app::InstanceParams,
        mut results: app::InstanceResults,
    ) -> Result<(), RpcError> {
        results.get().set_instance_id(self.app().instance().hex());
        Ok(())
    }

    async fn started_on(
        self: Rc<Self>,
        _: app::StartedOnParams,
        mut results: app::StartedOnResults,
    ) -> Result<(), RpcError> {
        results.get().set_started_on(millis_of(self.app().started_on()).div_euclid(1000));
        Ok(())
    }

    async fn log_level(
        self: Rc<Self>,
        _: app::LogLevelParams,
        mut results: app::LogLevelResults,
    ) -> Result<(), RpcError> {
        results.get().set_level(levels::to_wire(self.app().log_level()));
        Ok(())
    }

    async fn service_ids(
        self: Rc<Self>,
        _: app::ServiceIdsParams,
        mut results: app::ServiceIdsResults,
    ) -> Result<(), RpcError> {
        let ids = self.app().service_ids();
        let mut list = results.get().init_service_ids(count(ids.len()));
        for (place, id) in (0..).zip(ids) {
            list.set(place, id.as_u64());
        }
        Ok(())
    }

    async fn service(
        self: Rc<Self>,
        params: app::ServiceParams,
        mut results: app::ServiceResults,
    ) -> Result<(), RpcError> {
        let id = ServiceId::new(params.get()?.get_id());
        let Some(service) = self.app().service(id) else {
            return Err(RpcError::failed(format!(
                "service {} is not registered: `serviceIds` lists those that are",
                id.describe()
            )));
        };
        results.get().set_service(self.session.offer(ServiceServer::new(service)));
        Ok(())
    }

    async fn rpc_service_ids(
        self: Rc<Self>,
        _: app::RpcServiceIdsParams,
        mut results: app::RpcServiceIdsResults,
    ) -> Result<(), RpcError> {
        let endpoints = LinkedEndpoint::all(self.app());
        let mut list = results.get().init_service_ids(count(endpoints.len()));
        for (place, endpoint) in (0..).zip(endpoints) {
            list.set(place, endpoint.service().as_u64());
        }
        Ok(())
    }

    async fn rpc_service(
        self: Rc<Self>,
        params: app::RpcServiceParams,
        mut results: app::RpcServiceResults,
    ) -> Result<(), RpcError> {
        let id = ServiceId::new(params.get()?.get_id());
        let mut endpoints = LinkedEndpoint::all(self.app()).into_iter();
        let Some(endpoint) = endpoints.find(|endpoint| endpoint.service() == id) else {
            return Err(RpcError::failed(format!(
                "service {} is not an RPC endpoint of this application: `rpcServiceIds` lists those that are",
                id.describe()
            )));
        };
        results.get().set_service(self.session.offer(EndpointServer::new(self.app().clone(), endpoint)));
        Ok(())
    }

    async fn kill(self: Rc<Self>, _: app::KillParams, _: app::KillResults) -> Result<(), RpcError> {
        self.app().kill(StopCause::Killed(format!("by {} over RPC, who gave no reason", self.session.who())));
        Ok(())
    }

    async fn runtime(
        self: Rc<Self>,
        _: app::RuntimeParams,
        mut results: app::RuntimeResults,
    ) -> Result<(), RpcError> {
        let server = RuntimeServer::new(Rc::clone(&self.session));
        results.get().set_runtime(self.session.offer(server));
        Ok(())
    }

    async fn configs(
        self: Rc<Self>,
        _: app::ConfigsParams,
        mut results: app::ConfigsResults,
    ) -> Result<(), RpcError> {
        let server = ConfigsServer::new(Rc::clone(&self.session));
        results.get().set_configs(self.session.offer(server));
        Ok(())
    }

    async fn identity(
        self: Rc<Self>,
        _: app::IdentityParams,
        mut results: app::IdentityResults,
    ) -> Result<(), RpcError> {
        let app = self.app();
        let (package, origin) = (app.package(), app.error_origin());
        let mut identity = results.get().init_identity();
        identity.set_domain_id(app.domain().as_u64());
        identity.set_app_id(app.id().as_u64());
        identity.set_release_id(app.release().as_u64());
        identity.set_instance_id(app.instance().hex());
        identity.set_version(short(package.version()));
        identity.set_name(short(package.name()));
        identity.set_platform_version(env!("CARGO_PKG_VERSION"));
        identity.set_host(short(&origin.host));
        identity.set_pid(origin.pid);
        identity.set_started_on_millis(millis_of(app.started_on()));
        identity.set_uptime_millis(millis(app.started_on().elapsed().unwrap_or_default()));
        Ok(())
    }

    async fn readiness(
        self: Rc<Self>,
        _: app::ReadinessParams,
        mut results: app::ReadinessResults,
    ) -> Result<(), RpcError> {
        let readiness = app_health::readiness(self.app());
        let mut results = results.get();
        results.set_ready(readiness.ready());
        let ends = app_tls::expiries_of(self.app());
        let mut list = results.reborrow().init_ends(count(ends.len().min(MAX_ENDS)));
        for (place, shown) in (0..).zip(ends.iter().take(MAX_ENDS)) {
            let mut end = list.reborrow().get(place);
            end.set_at_millis(millis_of(shown.at));
            end.set_service(&shown.service);
            end.set_what(&shown.what);
            end.set_name(&shown.name);
        }
        let reasons = &readiness.reasons;
        write_texts(reasons, results.reborrow().init_reasons(count(reasons.len())));
        let notes = app_health::notes(self.app());
        write_texts(&notes, results.init_notes(count(notes.len())));
        Ok(())
    }

    async fn service_infos(
        self: Rc<Self>,
        _: app::ServiceInfosParams,
        mut results: app::ServiceInfosResults,
    ) -> Result<(), RpcError> {
        let infos = services::infos(self.app());
        let notes = configs::notes(self.app());
        let mut list = results.get().init_services(count(infos.len()));
        for (place, info) in (0..).zip(&infos) {
            services::write(self.app(), info, &notes, list.reborrow().get(place));
        }
        Ok(())
    }

    async fn restart(
        self: Rc<Self>,
        params: app::RestartParams,
        mut results: app::RestartResults,
    ) -> Result<(), RpcError> {
        let params = params.get()?;
        let (id, reason) = (ServiceId::new(params.get_service_id()), params.get_reason()?.to_str()?);
        let reason = format!("{reason} (requested by {} over RPC)", self.session.who());
        let restarts = services::with_dependents(self.app(), id);
        let notes = configs::notes_before_restart(&self.session, &restarts).await;
        self.app().restart(id, reason).await.map_err(|error| failed(&error))?;
        write_texts(&notes, results.get().init_notes(count(notes.len())));
        Ok(())
    }

    async fn health(
        self: Rc<Self>,
        _: app::HealthParams,
        mut results: app::HealthResults,
    ) -> Result<(), RpcError> {
        let server = HealthServer::new(Rc::clone(&self.session));
        results.get().set_health(self.session.offer(server));
        Ok(())
    }

    async fn levels(
        self: Rc<Self>,
        _: app::LevelsParams,
        mut results: app::LevelsResults,
    ) -> Result<(), RpcError> {
        let server = LevelsServer::new(Rc::clone(&self.session));
        results.get().set_levels(self.session.offer(server));
        Ok(())
    }

    async fn metrics(
        self: Rc<Self>,
        params: app::MetricsParams,
        mut results: app::MetricsResults,
    ) -> Result<(), RpcError> {
        let format = match params.get()?.get_format() {
            Ok(MetricsFormat::Text) => app_metrics::Format::Text,
            Ok(MetricsFormat::OpenMetrics) => app_metrics::Format::OpenMetrics,
            Err(unknown) => {
                return Err(RpcError::failed(format!("this release has no metrics format {}", unknown.0)));
            }
        };
        let server = ReaderServer::open(&self.session, format).await?;
        results.get().set_text(self.session.offer(server));
        Ok(())
    }

    async fn events(
        self: Rc<Self>,
        _: app::EventsParams,
        mut results: app::EventsResults,
    ) -> Result<(), RpcError> {
        let server = StreamServer::open(&self.session)?;
        results.get().set_events(self.session.offer(server));
        Ok(())
    }

    async fn reload(
        self: Rc<Self>,
        _: app::ReloadParams,
        mut results: app::ReloadResults,
    ) -> Result<(), RpcError> {
        let statuses = configs::reload(&self.session).await?;
        configs::write(&statuses, results.get().init_configs(count(statuses.len())));
        Ok(())
    }

    async fn end(self: Rc<Self>, params: app::EndParams, _: app::EndResults) -> Result<(), RpcError> {
        let params = params.get()?;
        let delay = Duration::from_millis(params.get_drain_delay_millis().into());
        if params.get_use_drain_delay() && delay > MAX_DRAIN_DELAY {
            let most = MAX_DRAIN_DELAY.as_millis();
            return Err(RpcError::failed(format!(
                "drainDelayMillis is {}: pass at most {most}",
                delay.as_millis()
            )));
        }
        let cause = format!("{} (by {} over RPC)", params.get_reason()?.to_str()?, self.session.who());
        let delay = params.get_use_drain_delay().then_some(delay);
        if self.app().kill_after(StopCause::Killed(cause), delay) == KillOutcome::Unchanged {
            let cause = self.app().cause().map(|cause| cause.to_string()).unwrap_or_default();
            let message =
                format!("the application already stops, no later than requested: {}", short(&cause));
            return Err(RpcError::failed(message));
        }
        Ok(())
    }

    async fn operations(
        self: Rc<Self>,
        _: app::OperationsParams,
        mut results: app::OperationsResults,
    ) -> Result<(), RpcError> {
        operations::list(&self.session, results.get());
        Ok(())
    }

    async fn describe_operation(
        self: Rc<Self>,
        params: app::DescribeOperationParams,
        mut results: app::DescribeOperationResults,
    ) -> Result<(), RpcError> {
        operations::describe(&self.session, params.get()?, results.get())
    }

    async fn call_operation(
        self: Rc<Self>,
        params: app::CallOperationParams,
        results: app::CallOperationResults,
    ) -> Result<(), RpcError> {
        operations::serve(Rc::clone(&self.session), params, results).await
    }

    async fn listeners(
        self: Rc<Self>,
        _: app::ListenersParams,
        mut results: app::ListenersResults,
    ) -> Result<(), RpcError> {
        let listeners = self.app().listeners();
        let mut list = results.get().init_listeners(count(listeners.len()));
        for (place, listener) in (0..).zip(&listeners) {
            let mut info = list.reborrow().get(place);
            info.set_name(short(&listener.name));
            info.set_origin(listener.origin.label());
            info.set_stored(listener.stored);
            services::write_address(listener.address, info.init_address());
        }
        Ok(())
    }
}

fn write_texts(texts: &[String], mut list: capnp::text_list::Builder<'_>) {
    for (place, text) in (0..).zip(texts) {
        list.set(place, short(text));
    }
}
