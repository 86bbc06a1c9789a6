//! A server whose calls behave as a test asks, in an app, and clients of it.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app_config::CONFIG_SERVICE_ID;
use app_core::ServiceDescriptor;
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_core::trace::TraceContext;
use app_ids::{AppId, DomainId};
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::{Bootstrap, Endpoint, EndpointStart, Peer, RpcClient, RpcClientConfig, RpcName, ServerCounts};
use quota_schema::quota_capnp::quota;
use schema::rpc_capnp::rpc_server_spec;
use tokio::sync::Notify;

use crate::pki::{AUTHORITY, Authority, Issued, Leaf};

/// The endpoint of the tests.
pub(crate) const ENDPOINT: ServiceId = ServiceId::new(0xa5d0_7e1c_3b94_f826);

app_config::config! { app_rpc::EndpointConfig<{ ENDPOINT.as_u64() }>, "The endpoint of the tests." }

/// The name of apps in tests.
pub(crate) const NAME: RpcName =
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: ENDPOINT };

/// The state that the server's handlers share with the test.
#[derive(Default)]
pub(crate) struct Seen {
    /// Calls that have begun.
    pub(crate) begun: AtomicUsize,
    /// Handlers that exist: running, and not cancelled.
    pub(crate) running: AtomicUsize,
    /// Notified to let waiting handlers continue.
    pub(crate) go_on: Notify,
    /// The contexts of the calls that had one.
    pub(crate) contexts: Mutex<Vec<TraceContext>>,
}

impl Seen {
    pub(crate) fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }

    pub(crate) fn running(&self) -> usize {
        self.running.load(Ordering::SeqCst)
    }
}

/// Panics when its call is cancelled.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("on purpose, when it was dropped");
    }
}

struct Running(Arc<Seen>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Does what the rule says: `echo`, `wait`, `hang`, `bomb`, `panic`, `fail`, `illegal`, `fatal`, `huge`, `bug`, `block`, `deadline`; all of
/// them say the client's role, `role now` that of now.
struct Obedient {
    seen: Arc<Seen>,
    peer: Peer,
}

impl quota::Server for Obedient {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> Result<(), capnp::Error> {
        // A test that sees the running call may notify it at once.
        let go_on = self.seen.go_on.notified();
        self.seen.begun.fetch_add(1, Ordering::SeqCst);
        self.seen.running.fetch_add(1, Ordering::SeqCst);
        let _running = Running(Arc::clone(&self.seen));
        self.seen.contexts.lock().unwrap().extend(TraceContext::current());
        let params = params.get()?;
        let rule = params.get_rule()?.to_str()?;
        match rule {
            "wait" => go_on.await,
            "hang" => std::future::pending().await,
            "bomb" => {
                let _bomb = Bomb;
                std::future::pending().await
            }
            "panic" => panic!("on purpose"),
            "fail" => return Err(capnp::Error::failed("on purpose".to_owned())),
            "illegal" | "fatal" | "huge" | "bug" => return Err(app_rpc::exception(error(rule))),
            "block" => block(Duration::from_millis(params.get_permits().into())),
            _ => {}
        }
        let mut results = results.get();
        results.set_granted(true);
        // The connection of the client that the call came on.
        let port = match rule {
            "port" => Some(self.peer.address.port().into()),
            "deadline" => Some(app_rpc::deadline().map_or(0, millis_until)),
            _ => None,
        };
        results.set_remaining(port.unwrap_or_else(|| params.get_permits()));
        let now = params.get_rule()?.to_str()? == "role now";
        let role = if now { self.peer.role_now() } else { self.peer.role };
        results.set_retry_after_millis(role as u32);
        Ok(())
    }

    async fn rules(
        self: Rc<Self>,
        _: quota::RulesParams,
        mut results: quota::RulesResults,
    ) -> Result<(), capnp::Error> {
        // About 1.5 MiB.
        let name = "x".repeat(1024);
        let mut rules = results.get().init_rules(1536);
        for index in 0..1536 {
            rules.reborrow().get(index).set_name(&name);
        }
        Ok(())
    }
}

/// Blocks the thread of the handler.
fn block(time: Duration) {
    let (_open, never) = std::sync::mpsc::channel::<()>();
    never.recv_timeout(time).unwrap_err();
}

/// What a handler fails with.
fn error(rule: &str) -> Error {
    let illegal = app_errors::errors::ILLEGAL_ARGUMENT.error(ENDPOINT);
    match rule {
        "illegal" => {
            let context = serde_json::json!({ "rule": "x", "key": "private" });
            let raised = illegal.message("permits: found 7; ask for fewer").cause("the cause").tag("QUOTA");
            raised.context(context).public_context(["rule"]).build()
        }
        "huge" => illegal.message("x".repeat(10_000)).cause("y".repeat(100_000)).build(),
        "fatal" => app_errors::errors::APP_NOT_ALIVE.error(ENDPOINT).build(),
        _ => app_errors::errors::BUG.error(ENDPOINT).message("an invariant").build(),
    }
}

fn millis_until(deadline: tokio::time::Instant) -> u32 {
    let left = deadline.saturating_duration_since(tokio::time::Instant::now());
    u32::try_from(left.as_millis()).unwrap_or(u32::MAX)
}

/// A config of the server, as it is in a file.
pub(crate) struct Spec<'a> {
    pub(crate) server: &'a Issued,
    pub(crate) ca: &'a str,
    pub(crate) crl: &'a str,
    pub(crate) change: &'a dyn Fn(rpc_server_spec::Builder<'_>),
}

impl Spec<'_> {
    pub(crate) fn message(&self) -> capnp::message::Builder<capnp::message::HeapAllocator> {
        let mut message = capnp::message::Builder::new_default();
        let mut spec = message.init_root::<rpc_server_spec::Builder<'_>>();
        let mut name = spec.reborrow().init_rpc_service_spec();
        name.set_domain_id(NAME.domain.as_u64());
        name.set_app_id(NAME.app.as_u64());
        name.set_service_id(NAME.service.as_u64());
        name.set_port(1);
        let mut pair = spec.reborrow().init_server_cert();
        pair.set_key(self.server.key.as_bytes());
        pair.set_cert(self.server.cert.as_bytes());
        spec.set_ca_cert(self.ca.as_bytes());
        spec.set_crl(self.crl.as_bytes());
        spec.set_bind_address("127.0.0.1");
        spec.set_threads(1);
        (self.change)(spec);
        message
    }

    /// Puts it in place at once.
    pub(crate) fn put(&self, dir: &Path) {
        let mut content = Vec::new();
        app_config::codec::marshal(&self.message(), &mut content).unwrap();
        let beside = dir.join("new");
        fs::write(&beside, content).unwrap();
        fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
        fs::rename(beside, dir.join(app_config::compat::service_config_id(ENDPOINT))).unwrap();
    }
}

/// A running server.
pub(crate) struct Stand {
    pub(crate) app: TestApp,
    pub(crate) seen: Arc<Seen>,
}

/// The server's descriptor, and the state that its handlers share with the test.
pub(crate) fn descriptor() -> (ServiceDescriptor, Arc<Seen>) {
    let seen = Arc::<Seen>::default();
    let shared = Arc::clone(&seen);
    let bootstrap = move || {
        let shared = Arc::clone(&shared);
        async move {
            Ok(Bootstrap::new(move |peer: &Peer| -> quota::Client {
                capnp_rpc::new_client(Obedient { seen: Arc::clone(&shared), peer: peer.clone() })
            }))
        }
    };
    let start = EndpointStart::<{ ENDPOINT.as_u64() }, _>::new(bootstrap);
    (ServiceDescriptor::of(ENDPOINT, "obedient-rpc", start), seen)
}

pub(crate) fn builder() -> (TestAppBuilder, Arc<Seen>) {
    let (descriptor, seen) = descriptor();
    let builder = TestApp::builder().service(descriptor).linked([METRICS_SERVICE_ID, CONFIG_SERVICE_ID]);
    (builder, seen)
}

impl Stand {
    /// A server with a valid certificate, which accepts clients of the tests' authority.
    pub(crate) async fn new() -> Self {
        Self::with(&|_| {}).await
    }

    /// A server with another config.
    pub(crate) async fn with(change: &dyn Fn(rpc_server_spec::Builder<'_>)) -> Self {
        let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
        Self::of(Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change }).await
    }

    pub(crate) async fn of(spec: Spec<'_>) -> Self {
        let (builder, seen) = builder();
        spec.put(builder.config_dir());
        Self { app: builder.start().await, seen }
    }

    pub(crate) fn endpoint(&self) -> Arc<Endpoint<{ ENDPOINT.as_u64() }>> {
        self.app.get::<Endpoint<{ ENDPOINT.as_u64() }>>()
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.endpoint().address().unwrap()
    }

    pub(crate) fn counts(&self) -> ServerCounts {
        self.endpoint().counts()
    }

    /// A client of this server in its app.
    pub(crate) fn client(&self) -> RpcClient<quota::Client> {
        client_of(&self.app, "client", config(&[self.address()], &AUTHORITY))
    }
}

/// A config of a client of these servers.
pub(crate) fn config(addresses: &[SocketAddr], authority: &Authority) -> RpcClientConfig {
    let pair = AUTHORITY.issue(Leaf::client("client.test")).pair();
    let mut config = RpcClientConfig::new(NAME, 1, pair, authority.trust());
    config.addresses = addresses.iter().map(ToString::to_string).collect();
    config
}

/// A client that belongs to a service of its own.
pub(crate) fn client_of(
    app: &TestApp,
    name: &'static str,
    config: RpcClientConfig,
) -> RpcClient<quota::Client> {
    let service = app.new_service(ServiceId::new(app_ids::random_u64()), name);
    RpcClient::start(&service, config).unwrap()
}

/// What the server answers: how many permits were asked for.
pub(crate) async fn ask(quota: quota::Client, rule: &str, permits: u32) -> Result<u32, capnp::Error> {
    let mut request = quota.acquire_request();
    request.get().set_rule(rule);
    request.get().set_permits(permits);
    Ok(request.send().promise.await?.get()?.get_remaining())
}

/// Longer than anything takes that goes well, on a machine that is busy with other things.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while !is_so() {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(PATIENCE, waiting).await.is_ok(), "never: {what}");
}
