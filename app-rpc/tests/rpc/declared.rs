//! An endpoint that the macro declares, and endpoints without a config or with a later one.

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_rpc::{Bootstrap, Endpoint};
use quota_schema::quota_capnp::quota;

use crate::pki::{AUTHORITY, Leaf};
use crate::stand::{ENDPOINT, NAME, Spec, Stand, ask, builder, client_of, config, eventually};

const DECLARED: ServiceId = ServiceId::new(0xb8e3_1f07_64a9_c25d);

app_rpc::rpc_endpoint! { id: DECLARED, name: "declared-rpc", doc: "An endpoint of a test.", bootstrap: bootstrap }

async fn bootstrap(service: Service) -> Result<Bootstrap, Error> {
    struct Nothing;
    impl quota::Server for Nothing {}
    info!(service.log(), "bootstrap was made");
    Ok(Bootstrap::new(|_| -> quota::Client { capnp_rpc::new_client(Nothing) }))
}

#[tokio::test]
async fn a_declared_endpoint_is_a_service_that_does_not_listen_without_a_config() {
    let app = TestApp::with([DECLARED]).await;
    let endpoint = app.get::<Endpoint<{ DECLARED.as_u64() }>>();
    assert_eq!(endpoint.address(), None);
    let log = app.captured().text();
    assert!(log.contains("bootstrap was made") && log.contains("does not listen: it has no config"), "{log}");
    assert_eq!(DECLARED.describe().to_string(), "declared-rpc (b8e31f0764a9c25d)");
    assert!(app_config::ConfigSchema::linked().iter().any(|schema| schema.service() == DECLARED));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_test_finds_the_port_that_an_endpoint_took_and_learns_why_there_is_none() {
    use app_rpc::testing::TestEndpoints as _;
    let name = app_rpc::RpcName { service: DECLARED, ..NAME };
    let server = AUTHORITY.issue(Leaf::server(&name.to_string()));
    let builder = TestApp::with([DECLARED]);
    let change = |mut spec: schema::rpc_capnp::rpc_server_spec::Builder<'_>| {
        let mut name = spec.reborrow().get_rpc_service_spec().unwrap();
        name.set_service_id(DECLARED.as_u64());
        name.set_port(0);
        spec.set_bind_address("");
    };
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &change }.put(builder.config_dir());
    let put = builder.config_dir().join(app_config::compat::service_config_id(ENDPOINT));
    std::fs::rename(&put, put.with_file_name(app_config::compat::service_config_id(DECLARED))).unwrap();
    let app = builder.await;
    let address = app.endpoint_address(DECLARED);
    assert!(address.ip().is_loopback() && address.port() != 0, "{address}");
    assert!(tokio::net::TcpStream::connect(address).await.is_ok());
    let announced = app_core::plugins::discovery::endpoints(&app);
    let announced = announced.iter().find(|endpoint| endpoint.service == DECLARED).unwrap();
    assert_eq!((&announced.server_name, announced.address.port()), (&name.to_string(), address.port()));
    assert!(announced.address.ip().is_unspecified(), "as it is: {}", announced.address);
    app.stop().await.expect_clean();
    let told = |app: TestApp, endpoint| {
        let panic = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| app.endpoint_address(endpoint)));
        panic.unwrap_err().downcast::<String>().unwrap()
    };
    let silent = told(TestApp::with([DECLARED]).await, DECLARED);
    assert!(
        silent.contains("endpoint declared-rpc (b8e31f0764a9c25d) does not listen: put its config"),
        "{silent}"
    );
    let unknown = told(TestApp::with([DECLARED]).await, ServiceId::new(7));
    assert!(unknown.contains("7 is no endpoint of this app; its endpoints are [declared-rpc"), "{unknown}");
}

#[tokio::test]
async fn an_endpoint_listens_once_its_config_is_there() {
    let (builder, seen) = builder();
    let app = builder.start().await;
    let stand = Stand { app, seen };
    assert_eq!(stand.endpoint().address(), None);
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &|_| {} }.put(stand.app.config_dir());
    stand.app.reload();
    eventually("it listens", || stand.endpoint().address().is_some()).await;
    let client = client_of(&stand.app, "client", config(&[stand.address()], &AUTHORITY));
    assert_eq!(client.call(|quota| ask(quota, "echo", 1)).await, Ok(1));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_config_of_another_application_or_a_busy_port_stops_the_start_and_says_why() {
    let mut elsewhere = NAME;
    elsewhere.app = app_ids::AppId::new(0xa1);
    let server = AUTHORITY.issue(Leaf::server(&elsewhere.to_string()));
    let (descriptor, _) = builder();
    let change = |mut spec: schema::rpc_capnp::rpc_server_spec::Builder<'_>| {
        spec.reborrow().get_rpc_service_spec().unwrap().set_app_id(0xa1);
    };
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &change }.put(descriptor.config_dir());
    let app = descriptor.build();
    assert!(app.start().await.is_err());
    let log = app.captured().text();
    assert!(
        log.contains("is of d0_a1_a5d07e1c3b94f826, this application is d0_a0_a5d07e1c3b94f826"),
        "{log}"
    );
    let (descriptor, _) = builder();
    let server = AUTHORITY.issue(Leaf::server(&NAME.to_string()));
    let change =
        |mut spec: schema::rpc_capnp::rpc_server_spec::Builder<'_>| spec.set_bind_address("192.0.2.1");
    Spec { server: &server, ca: &AUTHORITY.pem(), crl: "", change: &change }.put(descriptor.config_dir());
    let app = descriptor.build();
    assert!(app.start().await.is_err());
    let log = app.captured().text();
    assert!(log.contains("does not belong to this machine; set bindAddress in config"), "{log}");
    assert_eq!(ENDPOINT.hex(), "a5d07e1c3b94f826");
}
