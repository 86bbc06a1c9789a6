//! An app with the admin interface, a service with a health check, and clients of each role.

use std::collections::HashMap;
use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use app_config::CONFIG_SERVICE_ID;
use app_core::ServiceDescriptor;
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use app_ids::{AppId, DomainId};
use app_metrics::METRICS_SERVICE_ID;
use app_pki::{Authority, AuthorityOptions, ClientName, Issued, LeafOptions, Subject, Validity};
use app_rpc::admin::{ADMIN_CALL, APP_RPC_SERVICE_ID, AdminEndpoint};
use app_rpc::{Authorities, CallError, KeyPair, Role, RpcClient, RpcClientConfig, RpcName};
use schema::admin_capnp::app;
use schema::rpc_capnp::{RpcRole, rpc_server_spec};

/// The name of the server: test apps have this identity.
pub(crate) const NAME: RpcName =
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service: APP_RPC_SERVICE_ID };

/// A service with a health check.
pub(crate) const STORE: ServiceId = ServiceId::new(0x5707_e000_0000_0001);

/// A service that depends on [`STORE`].
pub(crate) const SHOP: ServiceId = ServiceId::new(0x5707_e000_0000_0002);

/// The critical health check of [`STORE`].
pub(crate) const DISK: HealthCheckId = HealthCheckId::new(0xd15c);

/// An id that no service and no check has.
pub(crate) const UNKNOWN: u64 = 0xdead_beef_0000_0001;

static AUTHORITY: LazyLock<Authority> =
    LazyLock::new(|| Authority::root(&AuthorityOptions::new("an authority", Validity::days(30))).unwrap());

static SERVER: LazyLock<Issued> =
    LazyLock::new(|| AUTHORITY.issue(&Subject::Server(NAME), &LeafOptions::days(2)).unwrap());

/// A client of each role.
pub(crate) const ROLES: [Role; 3] = [Role::Read, Role::Operate, Role::Admin];

static CLIENTS: LazyLock<HashMap<Role, Issued>> = LazyLock::new(|| {
    let issue = |role: Role| {
        let name = ClientName::new(&client_name(role)).unwrap();
        (role, AUTHORITY.issue(&Subject::Client(name), &LeafOptions::days(2)).unwrap())
    };
    ROLES.into_iter().map(issue).collect()
});

/// The name in the certificate of the client with this role. The reader has no grant.
pub(crate) fn client_name(role: Role) -> String {
    format!("{role}.test")
}

pub(crate) fn certificate(role: Role) -> &'static Issued {
    &CLIENTS[&role]
}

pub(crate) fn ca_pem() -> &'static str {
    AUTHORITY.root_pem().unwrap()
}

/// Whether the health check fails.
pub(crate) static DISK_IS_FULL: AtomicBool = AtomicBool::new(false);

async fn start_store(service: Service, health: Dep<HealthChecks>) -> Result<Store, Error> {
    let spec = HealthCheckSpec::new(DISK).name("disk").interval(Duration::from_secs(3600)).critical();
    health.register(&service, spec, |_cancel| async {
        if DISK_IS_FULL.load(Ordering::SeqCst) { Err("no space left") } else { Ok(()) }
    })?;
    Ok(Store)
}

/// What the store exposes.
pub(crate) struct Store;

impl Exposed for Store {
    const SERVICE: ServiceId = STORE;
}

#[allow(clippy::unused_async, reason = "the kernel calls async functions")]
async fn start_shop(service: Service, _store: Dep<Store>) -> Result<(), Error> {
    let dying = service.token();
    service.spawn("sells", async move { dying.cancelled().await })
}

/// The config of the admin interface.
pub(crate) fn put_config(dir: &Path, change: &dyn Fn(rpc_server_spec::Builder<'_>)) {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_server_spec::Builder<'_>>();
    let mut name = spec.reborrow().init_rpc_service_spec();
    name.set_domain_id(NAME.domain.as_u64());
    name.set_app_id(NAME.app.as_u64());
    name.set_service_id(NAME.service.as_u64());
    name.set_port(1);
    let mut pair = spec.reborrow().init_server_cert();
    pair.set_key(&SERVER.key);
    pair.set_cert(SERVER.certificate.as_bytes());
    spec.set_ca_cert(ca_pem().as_bytes());
    spec.set_bind_address("127.0.0.1");
    spec.set_threads(1);
    let mut grants = spec.reborrow().init_grants(2);
    for (place, (role, granted)) in
        (0..).zip([(Role::Operate, RpcRole::Operate), (Role::Admin, RpcRole::Admin)])
    {
        let mut grant = grants.reborrow().get(place);
        grant.set_name(client_name(role));
        grant.set_role(granted);
    }
    change(spec);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let beside = dir.join("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, dir.join(app_config::compat::service_config_id(APP_RPC_SERVICE_ID))).unwrap();
}

pub(crate) fn builder() -> TestAppBuilder {
    TestApp::builder()
        .linked([APP_RPC_SERVICE_ID, METRICS_SERVICE_ID, CONFIG_SERVICE_ID, HEALTHCHECK_SERVICE_ID])
        .service(ServiceDescriptor::of(STORE, "store", start_store))
        .service(ServiceDescriptor::of(SHOP, "shop", start_shop))
}

/// A running app, and another one for the clients, which outlive the first.
pub(crate) struct Stand {
    pub(crate) app: TestApp,
    pub(crate) elsewhere: TestApp,
}

impl Stand {
    pub(crate) async fn new() -> Self {
        Self::with(&|_| {}).await
    }

    pub(crate) async fn with(change: &dyn Fn(rpc_server_spec::Builder<'_>)) -> Self {
        let builder = builder();
        put_config(builder.config_dir(), change);
        Self { app: builder.start().await, elsewhere: TestApp::empty().await }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.app.get::<AdminEndpoint>().address().unwrap()
    }

    pub(crate) fn client(&self, role: Role) -> RpcClient<app::Client> {
        client_of(&self.elsewhere, self.address(), role)
    }

    /// The audit records, in order.
    pub(crate) fn audit(&self) -> Vec<serde_json::Value> {
        let records = self.app.captured().records();
        records.into_iter().filter(|record| record["event"] == *ADMIN_CALL.hex()).collect()
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await.expect_clean();
        self.elsewhere.stop().await.expect_clean();
    }
}

/// A client with this role, in another app.
pub(crate) fn client_of(elsewhere: &TestApp, address: SocketAddr, role: Role) -> RpcClient<app::Client> {
    let issued = certificate(role);
    let pair = KeyPair::from_pem(&issued.key, issued.certificate.as_bytes()).unwrap();
    let trusted = Authorities::from_pem(ca_pem().as_bytes(), b"").unwrap();
    let mut config = RpcClientConfig::new(NAME, 1, pair, trusted);
    config.addresses = vec![address.to_string()];
    config.call_timeout = Duration::from_secs(30);
    let service = elsewhere.new_service(ServiceId::new(app_ids::random_u64()), "client");
    RpcClient::start(&service, config).unwrap()
}

/// Makes a call.
pub(crate) async fn call<T, F, Fut>(client: &RpcClient<app::Client>, call: F) -> Result<T, CallError>
where
    F: Fn(app::Client) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<T, capnp::Error>> + 'static,
    T: Send + 'static,
{
    client.call(call).await
}

/// Waits until the condition holds.
pub(crate) async fn eventually(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        while !is_so() {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(Duration::from_secs(20), waiting).await.is_ok(), "never: {what}");
}
