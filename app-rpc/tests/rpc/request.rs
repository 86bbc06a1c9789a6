//! Requests, which have connections of their own: they behave as calls do.

use std::time::Duration;

use app_rpc::{CallError, CallFailure, RpcClient};
use capnp::capability::Request;
use quota_schema::quota_capnp::quota::{self, acquire_params, acquire_results};
use tokio::time::Instant;

use crate::pki::AUTHORITY;
use crate::stand::{self, PATIENCE, Stand, client_of, config, eventually};

pub(crate) fn asking(
    rule: &'static str,
) -> impl Fn(&quota::Client) -> Request<acquire_params::Owned, acquire_results::Owned> {
    move |quota| {
        let mut request = quota.acquire_request();
        request.get().set_rule(rule);
        request.get().set_permits(7);
        request
    }
}

pub(crate) async fn ask(client: &RpcClient<quota::Client>, rule: &'static str) -> Result<u32, CallError> {
    client.request(asking(rule), |results| Ok(results.get_remaining())).await
}

/// Waits until requests have their connection.
pub(crate) async fn connected(client: &RpcClient<quota::Client>) {
    let usual = client.call(|quota| stand::ask(quota, "port", 0)).await.unwrap();
    let waiting = async {
        while ask(client, "port").await.unwrap() == usual {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.unwrap();
}

#[tokio::test]
async fn requests_are_answered_or_fail_as_calls_do() {
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    for _ in 0..100 {
        assert_eq!(ask(&client, "echo").await, Ok(7));
    }
    let failed = ask(&client, "fail").await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::Failed);
    assert!(failed.reason().contains("on purpose"), "{failed}");
    let large =
        client.request(|quota: &quota::Client| quota.rules_request(), |rules| Ok(rules.get_rules()?.len()));
    assert_eq!(large.await.unwrap_err().failure(), CallFailure::Failed);
    assert_eq!(ask(&client, "echo").await, Ok(7));
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_late_or_dropped_request_is_cancelled() {
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    let soon = Instant::now() + Duration::from_millis(500);
    let failed = client.request_by(soon, asking("hang"), |_| Ok(())).await.unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
    eventually("the request is cancelled", || stand.seen.running() == 0).await;
    assert_eq!(ask(&client, "echo").await, Ok(7));
    let begun = stand.seen.begun();
    let dropped = tokio::spawn(async move { ask(&client, "hang").await });
    eventually("the request runs", || (stand.seen.begun(), stand.seen.running()) == (begun + 1, 1)).await;
    dropped.abort();
    eventually("the request is cancelled", || stand.seen.running() == 0).await;
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_refused_request_becomes_a_call() {
    let stand = Stand::with(&|spec| spec.init_limits().set_max_calls(2)).await;
    let client = stand.client();
    connected(&client).await;
    let begun = stand.seen.begun();
    let waiting = [client.clone(), client.clone()]
        .map(|client| tokio::spawn(async move { ask(&client, "wait").await }));
    eventually("the requests run", || stand.seen.begun() == begun + 2).await;
    assert_eq!(ask(&client, "echo").await, Ok(7));
    stand.seen.go_on.notify_waiters();
    for waiting in waiting {
        assert_eq!(waiting.await.unwrap(), Ok(7));
    }
    stand.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_request_ends_when_the_server_stops() {
    let stand = Stand::with(&|spec| spec.init_limits().set_drain_millis(200)).await;
    let elsewhere = Stand::new().await;
    let client = client_of(&elsewhere.app, "client", config(&[stand.address()], &AUTHORITY));
    connected(&client).await;
    let begun = stand.seen.begun();
    let hanging = tokio::spawn(async move { ask(&client, "hang").await });
    eventually("the request runs", || stand.seen.begun() == begun + 1).await;
    stand.app.stop().await.expect_clean();
    let failed = hanging.await.unwrap().unwrap_err();
    assert_eq!(failed.failure(), CallFailure::MaybeExecuted, "{failed}");
    assert!(failed.reason().ends_with("the server stops; the call was cancelled"), "{failed}");
    elsewhere.app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_request_that_cannot_be_sent_alone_becomes_a_call() {
    let stand = Stand::new().await;
    let client = stand.client();
    connected(&client).await;
    let usual = client.call(|quota| stand::ask(quota, "port", 0)).await.unwrap();
    // Longer than the limit of a message, so no connection takes it.
    let large = "x".repeat(2 * 1024 * 1024);
    let build = move |quota: &quota::Client| {
        let mut request = quota.acquire_request();
        request.get().set_rule(&large);
        request
    };
    let failed = client.request(build, |results| Ok(results.get_remaining())).await.unwrap_err();
    assert!(!failed.reason().is_empty());
    assert_ne!(ask(&client, "port").await.unwrap(), usual, "requests still have their connection");
    stand.app.stop().await.expect_clean();
}
