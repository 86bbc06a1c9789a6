//! An endpoint: an RPC server as a service.

mod linked;
mod preflight;

use std::any::Any;
use std::net::SocketAddr;
use std::sync::Arc;

use app_config::LiveConfig;
use app_core::listeners::{ListenError, SetBy, is_out_of_descriptors};
use app_core::prelude::*;
use app_core::{
    limits::descriptor_limit,
    plugins::{HandleType, Planned, Start, StartContext, StartFuture},
};
use app_metrics::Metrics;
use app_tls::{Expiry, ExpiryWatch};
use parking_lot::RwLock;

#[doc(hidden)]
pub use self::linked::listen_place;
pub use self::linked::{EndpointStatus, LinkedEndpoint};
use crate::errors::{RPC_BIND_FAILED, RPC_CONFIG_UNUSABLE};
use crate::ids::APP_RPC_SERVICE_ID;
use crate::server::{BoundServer, Counts, Descriptors, Meters, ServedAs, ServerControl, ServerError};
use crate::{Bootstrap, EndpointConfig, RpcName, RpcServerConfig, ServerCounts};

/// The start function of an endpoint, made from a function that returns the [`Bootstrap`]. The parameters of that function are the
/// dependencies of the endpoint. [`rpc_endpoint!`](crate::rpc_endpoint) expands to it:
///
/// ```
/// use app_core::{ServiceDescriptor, prelude::*};
/// use app_rpc::{Bootstrap, EndpointStart};
///
/// async fn bootstrap() -> Result<Bootstrap, Error> {
///     Ok(Bootstrap::new(|_peer| capnp_rpc::new_broken_cap(capnp::Error::unimplemented("nothing yet".into()))))
/// }
///
/// const PLAIN: ServiceId = ServiceId::new(0xf7a1_30c8_52de_4b96);
/// let descriptor = ServiceDescriptor::of(PLAIN, "plain-rpc", EndpointStart::<{ PLAIN.as_u64() }, _>::new(bootstrap));
/// assert!(descriptor.needs().contains(&app_metrics::METRICS_SERVICE_ID));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct EndpointStart<const SERVICE: u64, F>(F);

impl<const SERVICE: u64, F> EndpointStart<SERVICE, F> {
    /// Takes an `async fn(P1, .. Pn) -> Result<Bootstrap, Error>`.
    pub const fn new<Args>(bootstrap: F) -> Self
    where
        F: Start<Args>,
    {
        Self(bootstrap)
    }
}

impl<const SERVICE: u64, Args, F: Start<Args>> Start<Args> for EndpointStart<SERVICE, F> {
    fn needs(&self) -> Vec<ServiceId> {
        let mut needs = self.0.needs();
        needs.extend(LiveConfig::<EndpointConfig<SERVICE>>::needs());
        needs.extend(Dep::<Metrics>::needs());
        needs
    }

    fn wants(&self) -> Vec<ServiceId> {
        self.0.wants()
    }

    fn check(&self, planned: &Planned<'_>) -> Vec<Error> {
        let mut problems = self.0.check(planned);
        problems.extend(LiveConfig::<EndpointConfig<SERVICE>>::check(planned).err());
        problems.extend(Dep::<Metrics>::check(planned).err());
        if self.0.handle().is_some_and(|handle| handle != HandleType::of::<Bootstrap>()) {
            problems.push(no_bootstrap(ServiceId::new(SERVICE)));
        }
        problems
    }

    fn handle(&self) -> Option<HandleType> {
        Some(HandleType::of::<Endpoint<SERVICE>>())
    }

    fn start(&self, context: StartContext) -> StartFuture {
        let bootstrap = self.0.start(context.clone());
        Box::pin(async move {
            let wrong = |_| no_bootstrap(ServiceId::new(SERVICE));
            let bootstrap = bootstrap.await?.downcast::<Bootstrap>().map_err(wrong)?;
            let config = LiveConfig::take(&context)?;
            let metrics = Dep::<Metrics>::take(&context)?;
            let endpoint = Endpoint::<SERVICE>::start(context.service(), config, &metrics, &bootstrap)?;
            Ok(Arc::new(endpoint) as Arc<dyn Any + Send + Sync>)
        })
    }
}

fn no_bootstrap(service: ServiceId) -> Error {
    let message = format!("endpoint {}: its bootstrap function must return a Bootstrap", service.describe());
    errors::BUG.error(service).message(message).build()
}

/// The handle of an endpoint: its address and its counters.
#[derive(Clone)]
pub struct Endpoint<const SERVICE: u64> {
    listening: Arc<RwLock<Option<Listening>>>,
    counts: Arc<Counts>,
}

/// A listening server.
struct Listening {
    address: SocketAddr,
    name: RpcName,
    control: ServerControl,
}

impl<const SERVICE: u64> Exposed for Endpoint<SERVICE> {
    const SERVICE: ServiceId = ServiceId::new(SERVICE);
}

impl<const SERVICE: u64> Endpoint<SERVICE> {
    /// The address that it listens on, with the actual port. `None` without a config.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.listening.read().as_ref().map(|listening| listening.address)
    }

    /// The name in its certificate. `None` while it does not listen.
    #[must_use]
    pub fn name(&self) -> Option<RpcName> {
        self.listening.read().as_ref().map(|listening| listening.name)
    }

    /// The most open connections. `None` while it does not listen.
    #[must_use]
    pub fn max_connections(&self) -> Option<usize> {
        self.listening.read().as_ref().map(|listening| listening.control.max_connections())
    }

    /// Its counters at this moment.
    #[must_use]
    pub fn counts(&self) -> ServerCounts {
        self.counts.snapshot()
    }

    fn start(
        service: &Service,
        mut config: LiveConfig<EndpointConfig<SERVICE>>,
        metrics: &Metrics,
        bootstrap: &Bootstrap,
    ) -> Result<Self, Error> {
        let counts = Arc::new(Counts::new(Meters::register(metrics, ServiceId::new(SERVICE))?));
        let endpoint = Self { listening: Arc::default(), counts };
        let first = config.current().0.clone();
        if let Some(first) = first {
            let bound = endpoint.bind(service, first, bootstrap)?;
            service.spawn("rpc server", endpoint.clone().serve(service.clone(), bound, config))?;
            return Ok(endpoint);
        }
        debug!(service.log(), "RPC endpoint does not listen: it has no config");
        let (later, me, bootstrap) = (endpoint.clone(), service.clone(), bootstrap.clone());
        service.spawn("rpc config", async move {
            while let Some(changed) = config.changed().await {
                let Some(first) = changed.0.clone() else { continue };
                match later.bind(&me, first, &bootstrap) {
                    Ok(bound) => return later.serve(me, bound, config).await,
                    Err(failed) => {
                        error!(me.log(), "RPC endpoint does not listen: {failed}"; "err" => #&failed);
                    }
                }
            }
            Ok(())
        })?;
        Ok(endpoint)
    }

    fn bind(
        &self,
        service: &Service,
        mut config: RpcServerConfig,
        bootstrap: &Bootstrap,
    ) -> Result<(BoundServer, ExpiryWatch), Error> {
        let app = &App::of(service);
        if app.any_port() {
            config.port = 0;
        }
        let listener = app.listen(service.name(), config.bind_address, config.port);
        let listener = listener.map_err(|failed| not_listening(service.id(), &failed))?;
        let in_use = Expiry::of_server(&config.key_pair, &config.clients);
        let name = format!("rpc-{}", service.name());
        let server_name = config.name;
        let served_as = ServedAs { name: &name, is_admin: service.id() == APP_RPC_SERVICE_ID };
        let endpoints = LinkedEndpoint::all(app).len();
        let descriptors = Descriptors::part(descriptor_limit(), endpoints);
        let (bootstrap, counts) = (bootstrap.clone(), Arc::clone(&self.counts));
        let bound =
            BoundServer::new(listener, config, descriptors, bootstrap, counts, served_as, service.log());
        let bound = bound.map_err(|failed| unusable(service.id(), failed))?;
        let (address, origin) = (bound.listener().address(), bound.listener().origin());
        *self.listening.write() = Some(Listening { address, name: server_name, control: bound.control() });
        info!(service.log(), "RPC endpoint listens"; "addr" => %address, "origin" => origin.label());
        let ends = ExpiryWatch::new(service);
        ends.show(in_use);
        Ok((bound, ends))
    }

    /// Serves and follows its config until the service is killed.
    async fn serve(
        self,
        service: Service,
        (bound, ends): (BoundServer, ExpiryWatch),
        mut config: LiveConfig<EndpointConfig<SERVICE>>,
    ) -> Result<(), Error> {
        let control = bound.control();
        let serving = bound.serve(service.token());
        let following = async {
            while let Some(changed) = config.changed().await {
                if let Some(changed) = changed.0.clone() {
                    let in_use = Expiry::of_server(&changed.key_pair, &changed.clients);
                    if reconfigure(&control, changed, service.log()) {
                        ends.show(in_use);
                    }
                }
            }
            std::future::pending::<()>().await;
        };
        let served = tokio::select! {
            served = serving => served.map_err(|panicked| panicked.of(&service)),
            () = following => Ok(()),
            () = ends.run() => Ok(()),
        };
        ends.clear();
        *self.listening.write() = None;
        info!(service.log(), "RPC endpoint stopped");
        served
    }
}

impl<const SERVICE: u64> std::fmt::Debug for Endpoint<SERVICE> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Endpoint").field("address", &self.address()).finish_non_exhaustive()
    }
}

/// Uses a new config. `false` if the old one stays in use.
fn reconfigure(control: &ServerControl, config: RpcServerConfig, log: &Logger) -> bool {
    let (serial, crls) = (config.key_pair.certificate().serial.clone(), config.clients.crls());
    let reconfigured = control.reconfigure(config);
    match &reconfigured {
        Ok(()) => {
            info!(log, "RPC endpoint goes on with its new config; what it listens on changes at the next start";
            "serial" => serial, "crls" => crls)
        }
        Err(failed) => error!(log, "RPC endpoint goes on with its old config: {failed}"),
    }
    reconfigured.is_ok()
}

/// What says where an endpoint listens.
fn in_config(service: ServiceId) -> SetBy {
    SetBy::Config { service, port: "rpcServiceSpec.port" }
}

/// The error of an endpoint that can't listen.
fn not_listening(service: ServiceId, failed: &ListenError) -> Error {
    let message = failed.explain("RPC endpoint", in_config(service));
    RPC_BIND_FAILED.error(service).message(message).build()
}

/// The error of an endpoint that can't start: what, why, and what to do.
fn unusable(service: ServiceId, failed: ServerError) -> Error {
    let config = format!("config {service:#x}");
    match failed {
        ServerError::Tls(error) => {
            let message = format!("RPC endpoint: no TLS with what {config} has");
            RPC_CONFIG_UNUSABLE.error(service).cause(error).message(message).build()
        }
        ServerError::Threads(error) => {
            let lack = ": no file descriptor is left (RLIMIT_NOFILE); raise ulimit -n";
            let cure = if is_out_of_descriptors(&error) { lack } else { "" };
            let message = format!("RPC endpoint: its threads could not be started{cure}");
            RPC_BIND_FAILED.error(service).cause(error).message(message).build()
        }
    }
}

/// Declares an endpoint: an RPC server that is a service. Every application that links the crate has it. The config of the service,
/// an `RPCServerSpec`, decides whether and where it listens.
///
/// `bootstrap` is an `async fn(P1, .. Pn) -> Result<Bootstrap, Error>` with parameters as those of a start function. The macro stands
/// for three declarations: an [`EndpointStart`](crate::EndpointStart) in a [`ServiceDescriptor`](app_core::ServiceDescriptor),
/// [`config!`](macro@app_config::config) for [`EndpointConfig`](crate::EndpointConfig), and a
/// [`LinkedEndpoint`](crate::LinkedEndpoint) for the list of endpoints.
///
/// ```
/// use app_core::prelude::*;
/// use app_rpc::Bootstrap;
/// use quota_schema::quota_capnp::quota;
/// # struct Limited;
/// # impl quota::Server for Limited {}
///
/// const QUOTA_RPC: ServiceId = ServiceId::new(0x8c61_f20d_93ae_475b);
///
/// app_rpc::rpc_endpoint! { id: QUOTA_RPC, name: "quota-rpc", doc: "Who may ask for permits.", bootstrap: bootstrap }
///
/// async fn bootstrap() -> Result<Bootstrap, Error> {
///     Ok(Bootstrap::new(|_peer| -> quota::Client { capnp_rpc::new_client(Limited) }))
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! rpc_endpoint {
    (id: $id:expr, name: $name:literal, doc: $doc:literal, bootstrap: $bootstrap:path $(, platform: $platform:expr)? $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::ServiceDescriptor::new(
                $id,
                $name,
                || $crate::__private::app_core::plugins::Start::needs(
                    &$crate::EndpointStart::<{ $id.as_u64() }, _>::new($bootstrap),
                ),
                |context| $crate::__private::app_core::plugins::Start::start(
                    &$crate::EndpointStart::<{ $id.as_u64() }, _>::new($bootstrap),
                    context,
                ),
                $crate::__private::app_core::__origin!(),
            )
            .wanting(|| $crate::__private::app_core::plugins::Start::wants(
                &$crate::EndpointStart::<{ $id.as_u64() }, _>::new($bootstrap),
            ))
            .checked(
                |planned| $crate::__private::app_core::plugins::Start::check(
                    &$crate::EndpointStart::<{ $id.as_u64() }, _>::new($bootstrap),
                    planned,
                ),
                || $crate::__private::app_core::plugins::Start::handle(
                    &$crate::EndpointStart::<{ $id.as_u64() }, _>::new($bootstrap),
                ),
            )
            $(.platform($platform))?
        }
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::__private::IdName::new(
                $crate::__private::app_core::__private::IdKind::Service,
                $id.as_u64(),
                $name,
            )
        }
        $crate::__private::inventory::submit! { $crate::LinkedEndpoint::of::<{ $id.as_u64() }>() }
        $crate::__private::inventory::submit! {
            $crate::__private::app_core::plugins::ListeningService::new($id, $crate::__private::listen_place::<{ $id.as_u64() }>)
        }
        $crate::__private::app_metrics::document! {
            $crate::ENDPOINT_METRICS[0].of_service($id),
            $crate::ENDPOINT_METRICS[1].of_service($id),
            $crate::ENDPOINT_METRICS[2].of_service($id),
            $crate::ENDPOINT_METRICS[3].of_service($id),
            $crate::ENDPOINT_METRICS[4].of_service($id),
            $crate::ENDPOINT_METRICS[5].of_service($id),
            $crate::ENDPOINT_METRICS[6].of_service($id),
            $crate::ENDPOINT_METRICS[7].of_service($id),
            $crate::ENDPOINT_METRICS[8].of_service($id),
        }
        $crate::__private::app_config::config! { $crate::EndpointConfig<{ $id.as_u64() }>, $doc }
    };
}
