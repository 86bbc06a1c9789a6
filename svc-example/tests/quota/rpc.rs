//! The service over RPC, through its own client.

use std::{fs, os::unix::fs::PermissionsExt, time::Duration};

use app_config::ConfigSchema;
use app_config::author::compile;

use app_config::compat::service_config_id;
use app_core::{prelude::*, testing::TestApp};
use app_pki::{Authority, AuthorityOptions, ClientName, Issued, LeafOptions, Subject, Validity};
use app_rpc::testing::TestEndpoints as _;
use app_rpc::{Authorities, CallFailure, KeyPair, RpcClient, RpcClientConfig, RpcName};
use quota_client::QuotaClient;
use serde_json::json;
use svc_example::{QUOTA, QUOTA_RPC, Quota};

/// The RPC name of the endpoint. A test app has this domain id and this app id.
const NAME: RpcName =
    RpcName { domain: app_ids::DomainId::new(0xd0), app: app_ids::AppId::new(0xa0), service: QUOTA_RPC };

/// A test app with the endpoint, and a client of it.
struct Remote {
    app: TestApp,
    quota: QuotaClient,
}

impl Remote {
    async fn start() -> Self {
        let authority = AuthorityOptions::new("authority", Validity::days(2));
        let authority = Authority::root(&authority).unwrap();
        let ca = authority.root_pem().unwrap().to_owned();
        let server = authority.issue(&Subject::Server(NAME), &LeafOptions::days(1)).unwrap();
        let name = ClientName::new("mailer.test").unwrap();
        let caller = authority.issue(&Subject::Client(name), &LeafOptions::days(1)).unwrap();
        let builder = TestApp::builder().linked([QUOTA_RPC]);
        // One permit a second. No test runs long enough to need more.
        crate::put(builder.config_dir(), &crate::content(&[("default", 1, 100, 10)]));
        put(builder.config_dir(), &server, &ca);
        let app = builder.start().await;
        let address = app.endpoint_address(QUOTA_RPC);
        let pair = KeyPair::from_pem(&caller.key, caller.certificate.as_bytes()).unwrap();
        let servers = Authorities::from_pem(ca.as_bytes(), b"").unwrap();
        let mut config = RpcClientConfig::new(NAME, 1, pair, servers);
        config.addresses = vec![address.to_string()];
        let client = RpcClient::start(&app.new_service(ServiceId::random(), "mailer"), config).unwrap();
        Self { app, quota: QuotaClient::from(client) }
    }
}

/// Writes the config of the endpoint, made from JSON.
fn put(configs: &std::path::Path, server: &Issued, ca: &str) {
    let files = tempfile::tempdir().unwrap();
    fs::write(files.path().join("key.pem"), &*server.key).unwrap();
    fs::write(files.path().join("cert.pem"), &server.certificate).unwrap();
    fs::write(files.path().join("ca.pem"), ca).unwrap();
    let id = |id: u64| format!("{id:#x}");
    let config = json!({
        "rpcServiceSpec": {
            "domainID": id(0xd0), "appId": id(0xa0), "serviceId": id(QUOTA_RPC.as_u64()), "port": 1,
        },
        "serverCert": { "key": "@key.pem", "cert": "@cert.pem" }, "caCert": "@ca.pem", "bindAddress": "127.0.0.1",
    });
    let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == QUOTA_RPC).unwrap();
    let content = compile(&schema, &config.to_string(), Some(files.path())).unwrap();
    let path = configs.join(service_config_id(QUOTA_RPC));
    fs::write(&path, &*content).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
}

#[tokio::test]
async fn permits_are_granted_and_denied_over_rpc_as_in_the_process() {
    let Remote { app, quota } = Remote::start().await;
    let grant = quota.acquire("default", "alice", 90).await.unwrap();
    assert_eq!((grant.granted, grant.retry_after), (true, Duration::ZERO));
    let denied = quota.acquire("default", "alice", 100).await.unwrap();
    assert!(!denied.granted && denied.retry_after > Duration::ZERO, "{denied:?}");
    assert!(denied.retry_after <= Duration::from_secs(90), "{denied:?}");
    // The same buckets as over RPC.
    assert!(!app.get::<Quota>().acquire("default", "alice", 100).await.unwrap().granted);
    assert!(quota.acquire("default", "bob", 100).await.unwrap().granted);
    let rules = quota.rules().await.unwrap();
    let told: Vec<_> =
        rules.iter().map(|rule| (&*rule.name, rule.permits, rule.burst, rule.max_keys)).collect();
    let limits = app.get::<Quota>().limits();
    let in_effect = limits.rules().iter().map(|rule| (&*rule.name, rule.permits, rule.burst, rule.max_keys));
    assert_eq!(told, in_effect.collect::<Vec<_>>());
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_caller_is_told_what_it_did_wrong_and_that_it_was_not_the_network() {
    let Remote { app, quota } = Remote::start().await;
    for (rule, key, permits, reason) in [
        ("nobody", "alice", 1, "there is no rule \"nobody\""),
        ("default", "", 1, "key: must not be empty"),
        ("default", "alice", 0, "permits: must not be zero"),
        ("default", "alice", 101, "permits: 101 is more than the burst"),
    ] {
        let failed = quota.acquire(rule, key, permits).await.unwrap_err();
        assert_eq!(failed.failure(), CallFailure::Failed, "{failed}");
        assert!(failed.reason().contains(reason), "{failed}");
        assert_eq!(failed.name(), NAME);
    }
    app.stop().await.expect_clean();
}

#[test]
fn the_endpoint_runs_while_the_service_does() {
    let endpoint =
        app_core::plugins::linked_services().into_iter().find(|linked| linked.id() == QUOTA_RPC).unwrap();
    assert!(endpoint.needs().contains(&QUOTA));
    assert_eq!(QUOTA_RPC.describe().to_string(), "quota-rpc (6e3ddab0aff337db)");
}
