//! Ours: an endpoint of an app with all its limits and metrics, and an `RpcClient` in tasks of a multi-thread runtime.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::time::{Duration, Instant};

use app_config::CONFIG_SERVICE_ID;
use app_core::testing::{TestApp, TestAppBuilder};
use app_core::{LogLevel, ServiceDescriptor, prelude::*};
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::{
    Authorities, Bootstrap, Endpoint, EndpointStart, KeyPair, Limits, Peer, RpcClient, RpcClientConfig,
    RpcName,
};
use app_tracing::{TRACING_SERVICE_ID, Variables};
use quota_schema::quota_capnp::quota;
use schema::rpc_capnp::rpc_server_spec;
use tokio::task::JoinSet;

use super::Who;
use super::control::{Commands, announce, multi_thread};
use super::load::{self, KEY, Load, PERMITS, REMAINING, RETRY_AFTER_MILLIS, RULE, Shape};
use super::material::Material;
use crate::rounds::Failure;

const ENDPOINT: ServiceId = ServiceId::new(0xa7c1_90e5_3b2d_4f68);

app_config::config! { app_rpc::EndpointConfig<{ ENDPOINT.as_u64() }>, "The endpoint that is measured." }
const CLIENT: ServiceId = ServiceId::new(0xd41f_6b08_97ae_c253);

/// The RPC name of the endpoint. A test app has this domain id and this app id.
pub(super) const NAME: RpcName =
    RpcName { domain: app_ids::DomainId::new(0xd0), app: app_ids::AppId::new(0xa0), service: ENDPOINT };

/// A server that grants every call.
pub(super) struct Granting;

impl quota::Server for Granting {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        let params = params.get()?;
        let known = params.get_rule()?.to_str()? == RULE && params.get_key()?.to_str()? == KEY;
        let mut results = results.get();
        results.set_granted(known && params.get_permits() == PERMITS);
        results.set_remaining(REMAINING);
        results.set_retry_after_millis(RETRY_AFTER_MILLIS);
        Ok(())
    }
}

/// The app of either side.
fn app(who: Who) -> TestAppBuilder {
    let app = TestApp::builder()
        .linked([METRICS_SERVICE_ID, CONFIG_SERVICE_ID])
        .flags(|flags| flags.log_level = LogLevel::Error);
    if who != Who::Unsampled {
        return app;
    }
    // Nothing is sent there, because no trace is sampled.
    let variables =
        [("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4318"), ("OTEL_TRACES_SAMPLER", "always_off")];
    app.linked([TRACING_SERVICE_ID]).provide(Variables::of(variables))
}

/// The server. It runs until the process ends.
pub(super) fn server(material: &Material, who: Who, commands: Commands) -> Result<(), Failure> {
    multi_thread()?.block_on(async {
        let bootstrap =
            || async { Ok(Bootstrap::new(|_: &Peer| -> quota::Client { capnp_rpc::new_client(Granting) })) };
        let start = EndpointStart::<{ ENDPOINT.as_u64() }, _>::new(bootstrap);
        let builder = app(who).service(ServiceDescriptor::of(ENDPOINT, "generous-rpc", start));
        configure(material, builder.config_dir())?;
        let app = builder.start().await;
        let address = app.get::<Endpoint<{ ENDPOINT.as_u64() }>>().address().ok_or("it does not listen")?;
        announce(address.port());
        commands.until_the_end().await;
        Ok(())
    })
}

fn configure(material: &Material, dir: &Path) -> Result<(), Failure> {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_server_spec::Builder<'_>>();
    let mut name = spec.reborrow().init_rpc_service_spec();
    name.set_domain_id(NAME.domain.as_u64());
    name.set_app_id(NAME.app.as_u64());
    name.set_service_id(NAME.service.as_u64());
    name.set_port(1);
    let mut pair = spec.reborrow().init_server_cert();
    pair.set_key(material.server.key.as_bytes());
    pair.set_cert(material.server.certificate.as_bytes());
    spec.set_ca_cert(material.authority.as_bytes());
    spec.set_max_conns(20_000);
    // All connections have the same certificate.
    spec.set_max_client_conns(20_000);
    let mut limits = spec.reborrow().init_limits();
    // A client that has not used its bootstrap capability yet holds that call open. The calls of one client are four times this.
    limits.set_max_calls(4096);
    limits.set_max_client_memory_bytes(1 << 30);
    limits.set_max_memory_bytes(1 << 30);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content)?;
    let file = dir.join(app_config::compat::service_config_id(ENDPOINT));
    fs::write(&file, content)?;
    fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
    Ok(())
}

/// The client. It calls on request, until the process ends.
pub(super) fn client(material: &Material, who: Who, port: u16, commands: Commands) -> Result<(), Failure> {
    let runtime = multi_thread()?;
    runtime.block_on(async {
        let app = app(who).start().await;
        let pair = KeyPair::from_pem(material.client.key.as_bytes(), material.client.certificate.as_bytes())?;
        let servers = Authorities::from_pem(material.authority.as_bytes(), b"")?;
        let mut clients: Vec<(usize, RpcClient<quota::Client>)> = Vec::new();
        commands
            .obey(async |shape, time| {
                let made = clients.iter().find(|(connections, _)| *connections == shape.connections);
                let client = match made {
                    Some((_, client)) => client.clone(),
                    None => {
                        let mut config = RpcClientConfig::new(NAME, port, pair.clone(), servers.clone());
                        // The server listens on all of these addresses, so the client sees as many instances.
                        config.addresses =
                            (1..=shape.connections).map(|at| format!("127.0.0.{at}")).collect();
                        let service = app.new_service(
                            ServiceId::new(CLIENT.as_u64() + shape.connections as u64),
                            "bench-client",
                        );
                        let client = RpcClient::start(&service, config)?;
                        connected(&client, shape.connections).await?;
                        clients.push((shape.connections, client.clone()));
                        client
                    }
                };
                run(&client, who, shape, time).await
            })
            .await;
        Ok(())
    })
}

/// Waits until all connections are open.
async fn connected(client: &RpcClient<quota::Client>, connections: usize) -> Result<(), Failure> {
    let mut ticks = tokio::time::interval(Duration::from_millis(5));
    for _ in 0..1000 {
        let instances = client.instances();
        let connected =
            |instance: &&app_rpc::InstanceStatus| instance.state == app_rpc::InstanceState::Connected;
        if instances.iter().filter(connected).count() == connections {
            return Ok(());
        }
        ticks.tick().await;
    }
    Err(format!("not connected within 5 s: {:?}", client.instances()).into())
}

async fn run(
    client: &RpcClient<quota::Client>,
    who: Who,
    shape: Shape,
    time: Duration,
) -> Result<Load, Failure> {
    let began = Instant::now();
    let mut callers = JoinSet::new();
    for _ in 0..shape.connections * shape.in_flight {
        let client = client.clone();
        if who == Who::Calls {
            callers.spawn(load::caller(began + time, move || acquire_by_call(client.clone())));
        } else {
            callers.spawn(load::caller(began + time, move || acquire(client.clone())));
        }
    }
    load::gathered(began, callers).await
}

/// The call in ordinary user code, with `request`.
async fn acquire(client: RpcClient<quota::Client>) -> Result<(), Failure> {
    let ask = |quota: &quota::Client| {
        let mut request = quota.acquire_request();
        let mut params = request.get();
        params.set_rule(RULE);
        params.set_key(KEY);
        params.set_permits(PERMITS);
        request
    };
    let read = |results: quota::acquire_results::Reader<'_>| {
        Ok((results.get_granted(), results.get_remaining(), results.get_retry_after_millis()))
    };
    let answer = client.request(ask, read).await?;
    load::check(answer.0, answer.1, answer.2)
}

async fn acquire_by_call(client: RpcClient<quota::Client>) -> Result<(), Failure> {
    let answer = client.call(call).await?;
    load::check(answer.0, answer.1, answer.2)
}

/// The call in ordinary user code, with `call`.
pub(super) async fn call(quota: quota::Client) -> Result<(bool, u32, u32), capnp::Error> {
    let mut request = quota.acquire_request();
    let mut params = request.get();
    params.set_rule(RULE);
    params.set_key(KEY);
    params.set_permits(PERMITS);
    let response = request.send().promise.await?;
    let results = response.get()?;
    Ok((results.get_granted(), results.get_remaining(), results.get_retry_after_millis()))
}

/// The certificates in the form that other candidates use.
pub(super) fn reader_options() -> capnp::message::ReaderOptions {
    let mut options = capnp::message::ReaderOptions::new();
    options.traversal_limit_in_words(Some(Limits::default().message_bytes / 8));
    options
}
