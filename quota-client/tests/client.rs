//! The client as its callers and their tests use it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};

use app_core::{
    prelude::*,
    testing::{Replacement, TestApp},
};
use app_health::{HealthChecks, HealthStatus};
use app_rpc::{CallError, CallFailure, LinkedClient, RpcClient, RpcName};
use quota_client::{QUOTA_CLIENT, QUOTA_RPC, QuotaClient};
use quota_schema::quota_capnp::quota;

/// Grants a number of permits, and then denies. Its calls fail while `broken` is set.
#[derive(Clone, Default)]
struct FakeQuota {
    taken: Arc<AtomicU32>,
    broken: Arc<AtomicBool>,
}

impl quota::Server for FakeQuota {
    async fn acquire(
        self: Rc<Self>,
        params: quota::AcquireParams,
        mut results: quota::AcquireResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        if params.get_key()?.is_empty() {
            return Err(capnp::Error::failed("key: must not be empty".to_owned()));
        }
        let taken = self.taken.fetch_add(params.get_permits(), Ordering::SeqCst) + params.get_permits();
        let mut results = results.get();
        results.set_granted(taken <= 3);
        results.set_remaining(3_u32.saturating_sub(taken));
        results.set_retry_after_millis(if taken <= 3 { 0 } else { 250 });
        Ok(())
    }
}

impl Replacement for FakeQuota {
    type Handle = QuotaClient;

    fn into_handle(self) -> QuotaClient {
        let name = RpcName { domain: 0xd0_u64.into(), app: 0xa0_u64.into(), service: QUOTA_RPC };
        let client = RpcClient::fake(move || {
            if self.broken.load(Ordering::SeqCst) {
                return Err(CallError::new(CallFailure::MaybeExecuted, name, "the network went away"));
            }
            Ok(capnp_rpc::new_client(self.clone()))
        });
        client.into()
    }
}

/// A caller: orders what is granted.
const ORDERS: ServiceId = ServiceId::new(0x93d1_70ab_5e2c_4f86);

app_core::service! { id: ORDERS, name: "orders", start: start }

struct Orders(QuotaClient);

impl Exposed for Orders {
    const SERVICE: ServiceId = ORDERS;
}

async fn start(quota: Dep<QuotaClient>) -> Result<Orders, Error> {
    Ok(Orders(QuotaClient::clone(&quota)))
}

impl Orders {
    async fn place(&self, permits: u32) -> Result<bool, Error> {
        Ok(self.0.acquire("orders", "bolt", permits).await?.granted)
    }
}

#[tokio::test(start_paused = true)]
async fn a_fake_answers_the_callers_of_a_test_while_time_is_paused() {
    let fake = FakeQuota::default();
    let app = TestApp::with([ORDERS]).replace(QUOTA_CLIENT, fake.clone()).await;
    let orders = app.get::<Orders>();
    assert!(orders.place(2).await.unwrap());
    assert!(!orders.place(2).await.unwrap());
    assert_eq!(fake.taken.load(Ordering::SeqCst), 4);
    let denied = app.get::<QuotaClient>().acquire("orders", "bolt", 1).await.unwrap();
    assert_eq!(denied.retry_after, Duration::from_millis(250));
    app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fake_fails_as_a_server_or_a_network_does() {
    let fake = FakeQuota::default();
    let app = TestApp::with([ORDERS]).replace(QUOTA_CLIENT, fake.clone()).await;
    let quota = app.get::<QuotaClient>();
    let wrong = quota.acquire("orders", "", 1).await.unwrap_err();
    assert_eq!((wrong.failure(), wrong.reason()), (CallFailure::Failed, "fake: key: must not be empty"));
    // The fake does not have this method.
    let unknown = quota.rules().await.unwrap_err();
    assert_eq!(unknown.failure(), CallFailure::Failed);
    fake.broken.store(true, Ordering::SeqCst);
    let lost = quota.acquire("orders", "bolt", 1).await.unwrap_err();
    assert_eq!((lost.failure(), lost.reason()), (CallFailure::MaybeExecuted, "the network went away"));
    assert!(app.get::<Orders>().place(1).await.unwrap_err().is(&app_rpc::errors::RPC_MAYBE_EXECUTED));
    assert_eq!(fake.taken.load(Ordering::SeqCst), 0);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn without_a_config_it_runs_and_says_everywhere_what_to_do() {
    let app = TestApp::with([ORDERS]).await;
    let cure = "put 0xe73a51d60c982fb4 into the config directory (`config explain quota-client --json` prints an example)";
    let failed = app.get::<Orders>().place(1).await.unwrap_err();
    assert!(failed.is(&app_rpc::errors::RPC_NOT_SENT), "{failed:#}");
    assert!(failed.to_string().contains(cure), "{failed}");
    assert!(app.captured().text().contains(cure), "{}", app.captured().text());
    let check = LinkedClient::of(QUOTA_CLIENT).health_check();
    let health = app.get::<HealthChecks>();
    let result = health.run(check).await.unwrap();
    assert!(result.error.as_ref().is_some_and(|error| error.to_string().contains(cure)), "{result:?}");
    assert_eq!(health.state(check).unwrap().status, HealthStatus::Failing);
    // The check is not critical.
    assert!(app.readiness().ready());
    assert_eq!(check.describe().to_string().split(' ').next(), Some("quota-client_connected"));
    app.stop().await.expect_clean();
}
