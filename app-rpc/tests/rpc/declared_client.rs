//! A client that the macro declares: its config, its reloads, its health check and its fakes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::rc::Rc;

use app_config::ConfigSchema;
use app_core::prelude::*;
use app_core::testing::{Replacement, TestApp, TestAppBuilder};
use app_health::{HealthChecks, HealthStatus};
use app_rpc::{CallError, CallFailure, Endpoint, InstanceState, LinkedClient, RpcClient};
use quota_schema::quota_capnp::quota;
use schema::rpc_capnp::rpc_client_spec;

use crate::pki::{AUTHORITY, Leaf};
use crate::stand::{ENDPOINT, NAME, Spec, builder, eventually};

const DECLARED: ServiceId = ServiceId::new(0xf14d_8b60_93c7_25ea);
const CRITICAL: ServiceId = ServiceId::new(0x9a3c_e6d1_704f_b825);

app_rpc::rpc_client! { id: DECLARED, name: "declared-client", client: Declared, doc: "A client of a test.", calls: ENDPOINT }

#[derive(Debug, Clone)]
struct Declared(RpcClient<quota::Client>);

impl From<RpcClient<quota::Client>> for Declared {
    fn from(client: RpcClient<quota::Client>) -> Self {
        Self(client)
    }
}

impl Declared {
    async fn permits(&self) -> Result<u32, CallError> {
        let build = |quota: &quota::Client| {
            let mut request = quota.acquire_request();
            request.get().set_rule("echo");
            request.get().set_permits(7);
            request
        };
        self.0.request(build, |results| Ok(results.get_remaining())).await
    }
}

// The options in another order, and those that have defaults left out.
app_rpc::rpc_client! { client: Critical, critical: true, name: "critical-client", id: CRITICAL }

struct Critical;

impl From<RpcClient<quota::Client>> for Critical {
    fn from(_: RpcClient<quota::Client>) -> Self {
        Self
    }
}

/// Puts a config of the client in place at once.
fn put(dir: &Path, client: ServiceId, change: &dyn Fn(rpc_client_spec::Builder<'_>)) {
    let mut message = capnp::message::Builder::new_default();
    let mut spec = message.init_root::<rpc_client_spec::Builder<'_>>();
    let mut name = spec.reborrow().init_rpc_service_spec();
    name.set_domain_id(NAME.domain.as_u64());
    name.set_app_id(NAME.app.as_u64());
    name.set_service_id(NAME.service.as_u64());
    name.set_port(1);
    let issued = AUTHORITY.issue(Leaf::client("client.test"));
    let mut pair = spec.reborrow().init_client_cert();
    pair.set_key(issued.key.as_bytes());
    pair.set_cert(issued.cert.as_bytes());
    spec.set_ca_cert(AUTHORITY.pem().as_bytes());
    change(spec);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let beside = dir.join("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, dir.join(app_config::compat::service_config_id(client))).unwrap();
}

fn put_address(dir: &Path, address: &str) {
    put(dir, DECLARED, &|mut spec| spec.reborrow().init_addresses(1).set(0, address));
}

/// A test app with a server.
fn with_server() -> TestAppBuilder {
    let (builder, _) = builder();
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }.put(builder.config_dir());
    builder
}

fn problems_of(app: &TestApp) -> String {
    let records = app.captured().records();
    let texts =
        records.iter().filter(|record| record["level"] != "debug").map(|record| format!("{record}\n"));
    texts.collect()
}

#[tokio::test]
async fn a_declared_client_follows_its_config_from_none_to_one_to_another() {
    let app = with_server().linked([DECLARED]).await;
    let client = app.get::<Declared>();
    let failed = client.permits().await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::NotSent);
    assert!(
        failed.reason().starts_with("client declared-client has no config: put 0xf14d8b6093c725ea"),
        "{failed}"
    );
    assert!(client.0.instances().is_empty());
    // The config comes. The handle that dependents hold works from now on.
    put_address(app.config_dir(), &server_address(&app));
    app.reload();
    eventually("it is connected", || {
        client.0.instances().iter().any(|instance| instance.state == InstanceState::Connected)
    })
    .await;
    assert_eq!(client.permits().await, Ok(7));
    // Another config: nothing listens there.
    put_address(app.config_dir(), "127.0.0.2:1");
    app.reload();
    eventually("it looks elsewhere", || {
        client.0.instances().iter().any(|instance| instance.address.port() == 1)
    })
    .await;
    let check = LinkedClient::of(DECLARED).health_check();
    let result = app.get::<HealthChecks>().run(check).await.unwrap();
    let error = result.error.unwrap().to_string();
    assert!(error.contains("no instance of d0_a0_a5d07e1c3b94f826 answers: 127.0.0.2:1: "), "{error}");
    // A bad config: the client stays with the one that it has.
    put(app.config_dir(), DECLARED, &|mut spec| spec.set_ca_cert(b"none"));
    app.reload();
    eventually("it is refused", || problems_of(&app).contains("caCert")).await;
    put_address(app.config_dir(), &server_address(&app));
    app.reload();
    eventually("it is back", || {
        client.0.instances().iter().any(|instance| instance.state == InstanceState::Connected)
    })
    .await;
    assert_eq!(client.permits().await, Ok(7));
    app.get::<HealthChecks>().run(check).await.unwrap();
    assert_eq!(app.get::<HealthChecks>().state(check).unwrap().status, HealthStatus::Passing);
    app.stop().await.expect_clean();
}

fn server_address(app: &TestApp) -> String {
    app.get::<Endpoint<{ ENDPOINT.as_u64() }>>().address().unwrap().to_string()
}

#[tokio::test]
async fn a_critical_client_without_an_instance_keeps_the_application_from_being_ready() {
    let app = TestApp::with([CRITICAL]).await;
    eventually("not ready, with the cure", || {
        let (ready, reasons) = (app_health::readiness(app.app()).ready(), problems_of(&app));
        !ready && reasons.contains("put 0x9a3ce6d1704fb825 into the config directory")
    })
    .await;
    let _ = app.get::<Critical>();
    app.stop().await.expect_clean();
    let app = TestApp::with([DECLARED]).await;
    eventually("the check of the other client fails too", || {
        let state = app.get::<HealthChecks>().state(LinkedClient::of(DECLARED).health_check());
        state.is_ok_and(|state| state.status == HealthStatus::Failing)
    })
    .await;
    assert!(app_health::readiness(app.app()).ready(), "which is not critical");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_config_for_another_endpoint_is_refused() {
    let builder = TestApp::builder().linked([DECLARED]);
    put(builder.config_dir(), DECLARED, &|spec| {
        spec.get_rpc_service_spec().unwrap().set_service_id(0x77);
    });
    let app = builder.build();
    assert!(app.start().await.is_err());
    let log = app.captured().text();
    assert!(log.contains("rpcServiceSpec.serviceId: must be 0xa5d07e1c3b94f826: the client calls"), "{log}");
}

#[tokio::test]
async fn a_port_is_needed_unless_each_address_has_one() {
    let refused = |change: &dyn Fn(rpc_client_spec::Builder<'_>)| {
        let builder = TestApp::builder().linked([DECLARED]);
        put(builder.config_dir(), DECLARED, &|mut spec| {
            spec.reborrow().get_rpc_service_spec().unwrap().set_port(0);
            change(spec);
        });
        builder.build()
    };
    for (addresses, good) in [
        (&[][..], false),
        (&["127.0.0.1"][..], false),
        (&["127.0.0.2:1", "localhost"][..], false),
        (&["127.0.0.2:1"][..], true),
    ] {
        let app = refused(&|spec| {
            let mut list = spec.init_addresses(u32::try_from(addresses.len()).unwrap());
            for (index, address) in (0..).zip(addresses) {
                list.set(index, *address);
            }
        });
        assert_eq!(app.start().await.is_ok(), good, "{addresses:?}");
        let told =
            app.captured().text().contains("must be 1 to 65535, unless each of `addresses` has a port");
        assert_eq!(told, !good, "{addresses:?}");
    }
}

#[test]
fn a_declared_client_is_known_by_name_with_its_config_and_its_check() {
    assert_eq!(DECLARED.describe().to_string(), "declared-client (f14d8b6093c725ea)");
    let check = LinkedClient::of(DECLARED).health_check();
    assert!(check.describe().to_string().starts_with("declared-client_connected ("), "{}", check.describe());
    assert_ne!(check, LinkedClient::of(CRITICAL).health_check());
    let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == DECLARED).unwrap();
    assert_eq!(schema.doc(), "A client of a test.");
    let example = app_config::author::example_of(&schema, 7_u64.into(), 8_u64.into()).unwrap();
    for part in [
        r#""domainID": "0x7""#,
        r#""appId": "0x8""#,
        r#""serviceId": "0xa5d07e1c3b94f826""#,
        r#""key": "@client-declared-client.key""#,
        r#""caCert": "@ca.pem""#,
        r#""maxConnections": 8"#,
    ] {
        assert!(example.contains(part), "{part}: {example}");
    }
}

/// Echoes a number.
struct Fake(u32);

impl quota::Server for Fake {
    async fn acquire(
        self: Rc<Self>,
        _: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> capnp::Result<()> {
        results.get().set_remaining(self.0);
        Ok(())
    }
}

impl Replacement for Fake {
    type Handle = Declared;

    fn into_handle(self) -> Declared {
        Declared(RpcClient::fake(move || Ok(capnp_rpc::new_client(Self(self.0)))))
    }
}

#[tokio::test(start_paused = true)]
async fn a_fake_takes_the_place_of_the_service() {
    let app = TestApp::with([DECLARED]).replace(DECLARED, Fake(5)).await;
    let client = app.get::<Declared>();
    let before = tokio::time::Instant::now();
    assert_eq!(client.permits().await, Ok(5));
    let both = client.0.call(|quota| async move {
        let first = quota.acquire_request().send().promise.await?.get()?.get_remaining();
        let second = quota.acquire_request().send().promise.await?.get()?.get_remaining();
        Ok(first + second)
    });
    assert_eq!(both.await, Ok(10));
    assert_eq!(before.elapsed(), Duration::ZERO, "paused time does not pass");
    assert!(client.0.check().await.is_ok() && client.0.instances().is_empty());
    assert!(!app.captured().text().contains("no config"));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_fake_that_never_answers_or_panics_ends_its_call() {
    struct Silent;
    impl quota::Server for Silent {
        async fn acquire(
            self: Rc<Self>,
            _: quota::AcquireParams,
            _: quota::AcquireResults,
        ) -> capnp::Result<()> {
            std::future::pending().await
        }
        async fn rules(self: Rc<Self>, _: quota::RulesParams, _: quota::RulesResults) -> capnp::Result<()> {
            panic!("on purpose")
        }
    }
    let client = RpcClient::<quota::Client>::fake(|| Ok(capnp_rpc::new_client(Silent)));
    let soon = tokio::time::Instant::now() + Duration::from_millis(50);
    let silent = client.request_by(soon, quota::Client::acquire_request, |_| Ok(())).await.unwrap_err();
    assert_eq!(
        (silent.failure(), silent.reason()),
        (CallFailure::MaybeExecuted, "fake: no answer by the deadline")
    );
    let panicked = client.request(quota::Client::rules_request, |_| Ok(())).await.unwrap_err();
    assert_eq!(panicked.failure(), CallFailure::MaybeExecuted);
    assert!(panicked.reason().contains("panicked"), "{panicked}");
}
