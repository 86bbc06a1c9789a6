//! A new crate needs no change elsewhere: this file is one, seen from the platform. It has a service with a flag, a metric, an
//! error, events and an RPC interface, and uses public names alone.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use app_config::{ConfigSchema, author::compile, compat::service_config_id};
use app_core::testing::TestApp;
use app_core::{
    Flags, args, clap,
    events::{AppEvent, ServiceEventKind},
    prelude::*,
};
use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::{AppId, DomainId};
use app_metrics::{Gauge, MetricDoc, Metrics, metrics_page, testing::TestMetrics as _};
use app_pki::{Authority, AuthorityOptions, ClientName, Issued, LeafOptions, Subject, Validity};
use app_rpc::admin::{APP_RPC_SERVICE_ID, AdminEndpoint};
use app_rpc::{
    Authorities, Bootstrap, Endpoint, KeyPair, LinkedEndpoint, RpcClient, RpcClientConfig, RpcName,
};
use clap::{Args as _, FromArgMatches as _};
use quota_schema::quota_capnp::quota;
use schema::admin_capnp::app;
use serde_json::json;
use tokio::sync::broadcast;

/// What the new crate contains.
mod shop {
    use super::*;

    ids! {
        /// The service.
        pub(crate) SHOP: ServiceId = 0xb7d1_5c3e_92f0_4a68, "shop";
        /// The endpoint.
        pub(crate) SHOP_RPC: ServiceId = 0x94e6_2d0b_7a1f_c853, "shop-rpc";
        /// Gauge: items that can be sold.
        pub(crate) ITEMS: MetricId = 0xe30a_8f94_51c7_6b2d, "shop_items";
        /// The last item was sold.
        pub(crate) SOLD_OUT: LogEventId = 0xc85f_e1a2_4630_9d7b, "shop_sold_out";
        /// Id of [`TOO_FEW`].
        pub(crate) TOO_FEW_ID: ErrorId = 0xa1b4_703d_e92c_586f, "ShopTooFew";
    }

    /// There are fewer items than the caller wants.
    pub(crate) const TOO_FEW: ErrSpec =
        ErrSpec::new(TOO_FEW_ID, ErrorType::KnownEdgeCase, ErrorSeverity::Low).without_stack();

    const ITEMS_DOC: MetricDoc = MetricDoc::gauge(SHOP, ITEMS, "Items that can be sold.")
        .unit("items")
        .queries(&[("Items, by instance", "METRIC")]);

    app_metrics::document! { ITEMS_DOC }

    /// Flags of the shop.
    #[derive(Debug, Clone, clap::Args)]
    pub(crate) struct ShopFlags {
        /// Items that the shop has at its start, from 1 to 99.
        #[arg(long, value_name = "N", default_value = "10", value_parser = args::number(1_u32..=99))]
        pub(crate) shop_items: u32,
    }

    app_core::flag_group! { ShopFlags }
    app_core::service! { id: SHOP, name: "shop", start: start }
    app_rpc::rpc_endpoint! { id: SHOP_RPC, name: "shop-rpc", doc: "Who may buy.", bootstrap: bootstrap }

    /// What happens in the shop.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) enum ShopEvent {
        /// The last item was sold.
        SoldOut,
    }

    /// The handle of the service.
    #[derive(Clone)]
    pub(crate) struct Shop {
        log: Logger,
        items: Arc<AtomicU32>,
        shown: Gauge,
        events: broadcast::Sender<ShopEvent>,
    }

    impl Exposed for Shop {
        const SERVICE: ServiceId = SHOP;
    }

    async fn start(service: Service, flags: Flag<ShopFlags>, metrics: Dep<Metrics>) -> Result<Shop, Error> {
        let shown = metrics.gauge(ITEMS_DOC.gauge_spec())?;
        shown.set(flags.shop_items.into());
        let items = Arc::new(AtomicU32::new(flags.shop_items));
        Ok(Shop { log: service.log().clone(), items, shown, events: broadcast::channel(8).0 })
    }

    impl Shop {
        /// Takes items. Returns how many are left.
        pub(crate) fn buy(&self, wanted: u32) -> Result<u32, Error> {
            let taken = self
                .items
                .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |items| items.checked_sub(wanted));
            let Ok(before) = taken else {
                let error = TOO_FEW.error(SHOP).message(format!("{wanted} items are wanted")).build();
                warn!(self.log, "shop: an order was refused"; "err" => #&error);
                return Err(error);
            };
            let left = before - wanted;
            self.shown.set(left.into());
            if left == 0 {
                info!(self.log, "shop: sold out"; "event" => %SOLD_OUT);
                // There may be no subscriber.
                let _ = self.events.send(ShopEvent::SoldOut);
            }
            Ok(left)
        }

        pub(crate) fn events(&self) -> broadcast::Receiver<ShopEvent> {
            self.events.subscribe()
        }
    }

    async fn bootstrap(shop: Dep<Shop>) -> Result<Bootstrap, Error> {
        let shop = Shop::clone(&shop);
        Ok(Bootstrap::new(move |_peer| -> quota::Client { capnp_rpc::new_client(Remote(shop.clone())) }))
    }

    struct Remote(Shop);

    impl quota::Server for Remote {
        async fn acquire(
            self: Rc<Self>,
            params: quota::AcquireParams,
            mut results: quota::AcquireResults,
        ) -> capnp::Result<()> {
            let bought = self.0.buy(params.get()?.get_permits());
            let left = bought.map_err(|error| capnp::Error::failed(error.to_string()))?;
            results.get().set_granted(true);
            results.get().set_remaining(left);
            Ok(())
        }
    }
}

use shop::{ITEMS, SHOP, SHOP_RPC, SOLD_OUT, Shop, ShopEvent, ShopFlags, TOO_FEW};

fn command_line() -> clap::Command {
    Flags::augment_args(clap::Command::new("app"))
}

fn scraped(app: &TestApp) -> String {
    let (page, name) = (app.scrape(), ITEMS.prometheus_name(SHOP));
    page.lines().filter(|line| line.starts_with(&format!("{name}{{"))).collect()
}

#[test]
fn its_flag_is_in_the_help_of_the_application() {
    let help = command_line().try_get_matches_from(["app", "--help"]).unwrap_err().to_string();
    for shown in ["--shop-items <N>", "Items that the shop has at its start", "[env: OP_SHOP_ITEMS=]"] {
        assert!(help.contains(shown), "{shown}:\n{help}");
    }
}

#[tokio::test]
async fn its_flag_reaches_the_service() {
    let parsed = command_line().try_get_matches_from(["app", "--shop-items=3"]).unwrap();
    let given = Flags::from_arg_matches(&parsed).unwrap().group::<ShopFlags>().unwrap();
    let app = TestApp::builder().linked([SHOP]).flag_group(ShopFlags::clone(&given)).start().await;
    assert_eq!(app.get::<Shop>().buy(1).unwrap(), 2);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn its_metric_is_scraped_and_on_the_page_of_metrics() {
    let app = TestApp::with([SHOP]).await;
    assert!(scraped(&app).ends_with("} 10"), "{}", scraped(&app));
    app.get::<Shop>().buy(4).unwrap();
    assert!(scraped(&app).ends_with("} 6"), "{}", scraped(&app));
    let help = format!("# HELP {} shop_items: Items that can be sold.", ITEMS.prometheus_name(SHOP));
    assert!(app.scrape().contains(&help));
    assert!(metrics_page(&MetricDoc::linked()).contains("shop_items"));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn its_error_is_in_the_log_by_id() {
    let app = TestApp::with([SHOP]).await;
    let error = app.get::<Shop>().buy(11).unwrap_err();
    assert!(error.is(&TOO_FEW));
    let records = app.captured().records();
    let refused = records.iter().find(|record| record["err"].is_object()).unwrap();
    assert_eq!(refused["err"]["id"], *TOO_FEW.id.hex(), "{refused}");
    assert_eq!(refused["svc"], *SHOP.hex(), "{refused}");
    assert_eq!(refused["err"]["name"], "ShopTooFew", "{refused}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn its_events_reach_subscribers_and_the_log_by_id_and_name() {
    let app = TestApp::builder().linked([SHOP]).build();
    let mut lifecycle = app.events();
    app.start().await.unwrap();
    let started = |event: &AppEvent| matches!(event, AppEvent::Service { id, kind: ServiceEventKind::Started { .. } } if *id == SHOP);
    while !started(&lifecycle.try_recv().unwrap()) {}
    let mut own = app.get::<Shop>().events();
    app.get::<Shop>().buy(10).unwrap();
    assert_eq!(own.try_recv().unwrap(), ShopEvent::SoldOut);
    let records = app.captured().with_event(SOLD_OUT);
    assert_eq!(records.len(), 1);
    assert_eq!(records[0]["event_name"], "shop_sold_out");
    app.stop().await.expect_clean();
}

/// The RPC name of an endpoint of a test app.
fn name(service: ServiceId) -> RpcName {
    RpcName { domain: DomainId::new(0xd0), app: AppId::new(0xa0), service }
}

/// An authority, and the certificate of a client.
struct Certificates {
    authority: Authority,
    client: Issued,
}

impl Certificates {
    fn make() -> Self {
        let authority = Authority::root(&AuthorityOptions::new("authority", Validity::days(2))).unwrap();
        let client = Subject::Client(ClientName::new("customer.test").unwrap());
        let client = authority.issue(&client, &LeafOptions::days(1)).unwrap();
        Self { authority, client }
    }

    fn root(&self) -> &str {
        self.authority.root_pem().unwrap()
    }

    /// Writes the config of an endpoint, made from JSON as an operator makes it.
    fn put(&self, configs: &Path, service: ServiceId) {
        let server = self.authority.issue(&Subject::Server(name(service)), &LeafOptions::days(1)).unwrap();
        let files = tempfile::tempdir().unwrap();
        fs::write(files.path().join("key.pem"), &*server.key).unwrap();
        fs::write(files.path().join("cert.pem"), &server.certificate).unwrap();
        fs::write(files.path().join("ca.pem"), self.root()).unwrap();
        let id = |id: u64| format!("{id:#x}");
        let config = json!({
            "rpcServiceSpec": {
                "domainID": id(0xd0), "appId": id(0xa0), "serviceId": id(service.as_u64()), "port": 1,
            },
            "serverCert": { "key": "@key.pem", "cert": "@cert.pem" }, "caCert": "@ca.pem", "bindAddress": "127.0.0.1",
        });
        let schema = ConfigSchema::linked().into_iter().find(|schema| schema.service() == service).unwrap();
        let content = compile(&schema, &config.to_string(), Some(files.path())).unwrap();
        let path = configs.join(service_config_id(service));
        fs::write(&path, &*content).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o400)).unwrap();
    }

    /// The config of a client of an endpoint.
    fn client(&self, service: ServiceId, address: &str) -> RpcClientConfig {
        let pair = KeyPair::from_pem(&self.client.key, self.client.certificate.as_bytes()).unwrap();
        let servers = Authorities::from_pem(self.root().as_bytes(), b"").unwrap();
        let mut config = RpcClientConfig::new(name(service), 1, pair, servers);
        config.addresses = vec![address.to_owned()];
        config
    }
}

#[tokio::test]
async fn its_endpoint_answers_and_the_admin_interface_lists_it_and_shows_the_events_of_its_service() {
    let certificates = Certificates::make();
    let builder = TestApp::builder().linked([SHOP_RPC, APP_RPC_SERVICE_ID]);
    certificates.put(builder.config_dir(), SHOP_RPC);
    certificates.put(builder.config_dir(), APP_RPC_SERVICE_ID);
    let app = builder.start().await;
    let endpoints: Vec<_> = LinkedEndpoint::all(&app).iter().map(LinkedEndpoint::service).collect();
    assert_eq!(endpoints, [SHOP_RPC, APP_RPC_SERVICE_ID]);

    let customer = app.new_service(ServiceId::random(), "customer");
    let address = app.get::<Endpoint<{ SHOP_RPC.as_u64() }>>().address().unwrap().to_string();
    let shop = RpcClient::<quota::Client>::start(&customer, certificates.client(SHOP_RPC, &address)).unwrap();
    let left = shop.call(|shop| async move {
        let mut request = shop.acquire_request();
        request.get().set_permits(4);
        Ok(request.send().promise.await?.get()?.get_remaining())
    });
    assert_eq!(left.await.unwrap(), 6);

    let address = app.get::<AdminEndpoint>().address().unwrap().to_string();
    let config = certificates.client(APP_RPC_SERVICE_ID, &address);
    let admin = RpcClient::<app::Client>::start(&customer, config).unwrap();
    let restarted = App::clone(app.app());
    let told = admin.call(move |admin| {
        let restarted = restarted.clone();
        async move {
            let listed = admin.rpc_service_ids_request().send().promise.await?;
            let listed: Vec<u64> = listed.get()?.get_service_ids()?.iter().collect();
            let events = admin.events_request().send().promise.await?.get()?.get_events()?;
            restarted.restart(SHOP, "to see its events").await.unwrap();
            let mut request = events.next_request();
            request.get().set_wait_millis(20_000);
            let answer = request.send().promise.await?;
            let first = answer.get()?.get_events()?.get(0);
            Ok((listed, first.get_kind()?.to_string()?, first.get_service_name()?.to_string()?))
        }
    });
    let (listed, kind, service) = told.await.unwrap();
    assert!(listed.contains(&SHOP_RPC.as_u64()), "{listed:x?}");
    assert_eq!((kind.as_str(), service.as_str()), ("service_restart_requested", "shop"));
    app.stop().await.expect_clean();
}
