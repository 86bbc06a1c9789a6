//! Clients that end the application.

use app_core::prelude::*;
use app_core::testing::TestApp;
use app_rpc::Role;
use capnp::traits::HasTypeId;
use futures_util::future::join_all;
use schema::admin_capnp::app;
use tokio::io::AsyncReadExt;
use tokio::time::{Instant, timeout};

use crate::raw::{Messages, On};
use crate::stand::{STORE, Stand, call, client_of, eventually};

async fn end(app: app::Client, delay_millis: Option<u32>) -> Result<(), capnp::Error> {
    let mut request = app.end_request();
    request.get().set_reason("deploy 7");
    request.get().set_use_drain_delay(delay_millis.is_some());
    request.get().set_drain_delay_millis(delay_millis.unwrap_or(3_600_000));
    request.send().promise.await.map(drop)
}

async fn ready(app: app::Client) -> Result<(bool, Vec<String>), capnp::Error> {
    let answer = app.readiness_request().send().promise.await?;
    let answer = answer.get()?;
    let reasons = answer.get_reasons()?.iter().map(|reason| Ok(reason?.to_string()?));
    Ok((answer.get_ready(), reasons.collect::<Result<_, capnp::Error>>()?))
}

#[tokio::test]
async fn the_answer_to_a_kill_arrives_before_the_connection_closes() {
    for _ in 0..5 {
        let stand = Stand::new().await;
        let client = stand.client(Role::Admin);
        let killed = call(&client, |app| async move { app.kill_request().send().promise.await.map(drop) });
        killed.await.unwrap();
        let report = timeout(Duration::from_secs(20), stand.app.app().stopped()).await.unwrap();
        report.expect_clean();
        assert_eq!(report.cause.to_string(), "killed: by admin.test over RPC, who gave no reason");
        assert_eq!(stand.audit()[0]["reason"], "none given");
        stand.elsewhere.stop().await.expect_clean();
    }
}

#[tokio::test]
async fn an_end_takes_a_reason_and_is_answered() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Admin);
    call(&client, |app| async move { end(app, None).await }).await.unwrap();
    let report = timeout(Duration::from_secs(20), stand.app.app().stopped()).await.unwrap();
    report.expect_clean();
    assert_eq!(report.cause.to_string(), "killed: deploy 7 (by admin.test over RPC)");
    stand.elsewhere.stop().await.expect_clean();
}

#[tokio::test]
async fn an_end_with_a_delay_keeps_serving_not_ready_and_a_later_end_may_shorten_it() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Admin);
    let begun = Instant::now();
    call(&client, |app| async move { end(app, Some(600_000)).await }).await.unwrap();
    let (is_ready, reasons) = call(&client, ready).await.unwrap();
    assert!(!is_ready && reasons[0].starts_with("stopping: killed: deploy 7"), "{reasons:?}");
    let again = call(&client, |app| async move { end(app, Some(700_000)).await }).await.unwrap_err();
    assert!(
        again.reason().contains("the application already stops, no later than requested: killed: deploy 7"),
        "{again}"
    );
    call(&client, |app| async move { end(app, Some(4000)).await }).await.unwrap();
    timeout(Duration::from_secs(20), stand.app.app().stopped()).await.unwrap().expect_clean();
    assert!(begun.elapsed() >= Duration::from_secs(4));
    let outcomes: Vec<_> = stand.audit().iter().map(|record| record["outcome"].clone()).collect();
    assert_eq!(outcomes, ["granted", "granted", "failed", "granted"]);
    stand.elsewhere.stop().await.expect_clean();
}

/// Neither accepting the connection nor the call needs the services' runtime.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn an_operator_ends_an_application_whose_workers_are_all_blocked() {
    let stand = Stand::new().await;
    let (address, store) = (stand.address(), stand.app.service(STORE).unwrap());
    let (go_on, blocked) = std::sync::mpsc::channel::<()>();
    let (begun, begins) = std::sync::mpsc::channel();
    store
        .spawn("blocks", async move {
            begun.send(()).unwrap();
            let _ = blocked.recv();
        })
        .unwrap();
    begins.recv_timeout(Duration::from_secs(20)).unwrap();
    let operator = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let elsewhere = TestApp::empty().await;
            let client = client_of(&elsewhere, address, Role::Admin);
            let killed =
                call(&client, |app| async move { app.kill_request().send().promise.await.map(drop) }).await;
            elsewhere.stop().await.expect_clean();
            killed
        })
    });
    let killed = operator.join().unwrap();
    assert!(killed.is_ok() && !stand.app.alive(), "{killed:?}");
    drop(go_on);
    timeout(Duration::from_secs(20), stand.app.app().stopped()).await.unwrap();
    stand.elsewhere.stop().await.expect_clean();
}

/// Ten denials a second are answered. These would take more than a minute, and the stop would wait for its whole drain limit.
#[tokio::test]
async fn a_stop_answers_delayed_denials_at_once() {
    let stand = Stand::new().await;
    let kill = (app::Client::TYPE_ID, 9);
    let flood = || (1..=100).fold(Messages::new(), |calls, number| calls.call(number, On::App, kill, |_| {}));
    let address = stand.address();
    let connections = join_all((0..8).map(|_| flood().send(address, Role::Read))).await;
    let count = |record: &serde_json::Value| record["count"].as_u64().unwrap_or(1);
    // Calls with a delayed answer are counted, and reported every five seconds.
    eventually("all are denied", || stand.audit().iter().map(count).sum::<u64>() == 800).await;
    let Stand { app, elsewhere } = stand;
    app.stop().await.expect_clean();
    let mut denied = 0;
    for mut connection in connections {
        let mut answers = Vec::new();
        // The connection may end without a TLS close message.
        let _ = timeout(Duration::from_secs(20), connection.read_to_end(&mut answers)).await.unwrap();
        denied += answers.windows(16).filter(|text| text == b"denied: App.kill").count();
    }
    assert_eq!(denied, 800);
    elsewhere.stop().await.expect_clean();
}
