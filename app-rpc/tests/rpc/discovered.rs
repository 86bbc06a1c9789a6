//! A client that asks for addresses: it finds the server, believes its certificate alone, and follows the instances.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use app_core::plugins::discovery::{AddressFinder, Discovery, SoughtServer};
use app_ids::AppId;
use app_rpc::{InstanceState, RpcName};
use futures_util::future::BoxFuture;
use parking_lot::Mutex;
use schema::rpc_capnp::rpc_server_spec;
use tokio::time::Instant;

use crate::pki::{AUTHORITY, Leaf};
use crate::stand::{ENDPOINT, NAME, Spec, Stand, ask, builder, client_of, config, eventually};

/// What instances tell.
#[derive(Default)]
struct Told(Mutex<Vec<SocketAddr>>);

impl AddressFinder for Told {
    fn find(&self, server: SoughtServer, _: Instant) -> BoxFuture<'_, Result<Vec<SocketAddr>, String>> {
        assert_eq!((server.domain, server.app, server.service), (NAME.domain, NAME.app, ENDPOINT));
        let told = self.0.lock().clone();
        Box::pin(async move { Ok(told) })
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_finds_the_server_and_the_certificate_decides() {
    let stand = Stand::new().await;
    let told = stand.provide(&[]);
    // A server of the same authority, of another application.
    let other = RpcName { app: AppId::new(0xa1), ..NAME };
    let issued = AUTHORITY.issue(Leaf::server(&other.to_string()));
    let change = |mut spec: rpc_server_spec::Builder<'_>| {
        spec.reborrow().get_rpc_service_spec().unwrap().set_app_id(other.app.as_u64());
    };
    let (builder, seen) = builder();
    Spec { server: &issued, ca: &AUTHORITY.pem(), crl: "", change: &change }.put(builder.config_dir());
    let liar = Stand { app: builder.flags(|flags| flags.app_id = other.app).start().await, seen };
    let mut asks = config(&[], &AUTHORITY);
    asks.discover = true;
    // No name is looked up, and no port is known.
    asks.port = 0;
    asks.call_timeout = Duration::from_secs(60);
    let client = client_of(&stand.app, "asks", asks);
    *told.0.lock() = vec![liar.address()];
    eventually("the liar is tried", || {
        client.instances().iter().any(|instance| {
            instance.address == liar.address()
                && instance.state != InstanceState::Connected
                && instance.failure.is_some()
        })
    })
    .await;
    *told.0.lock() = vec![liar.address(), stand.address()];
    assert_eq!(client.call(|quota| ask(quota, "echo", 7)).await.unwrap(), 7);
    assert_eq!(liar.seen.begun(), 0);
    let connected =
        client.instances().into_iter().filter(|instance| instance.state == InstanceState::Connected);
    assert_eq!(connected.map(|instance| instance.address).collect::<Vec<_>>(), [stand.address()]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_finder_the_failure_says_what_to_do() {
    let stand = Stand::new().await;
    let mut asks = config(&[], &AUTHORITY);
    (asks.discover, asks.call_timeout) = (true, Duration::from_secs(1));
    let client = client_of(&stand.app, "asks", asks);
    let failed = client.call(|quota| ask(quota, "echo", 7)).await.unwrap_err();
    assert!(failed.reason().contains("link app-messaging, or set `addresses`"), "{failed}");
}

impl Stand {
    /// From now on, clients of its app are told these addresses.
    fn provide(&self, addresses: &[SocketAddr]) -> Arc<Told> {
        let told = Arc::new(Told(Mutex::new(addresses.to_vec())));
        Discovery::of(&self.app).provide(Arc::<Told>::clone(&told));
        told
    }
}
