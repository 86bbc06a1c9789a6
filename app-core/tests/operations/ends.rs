//! How a call ends: by a panic, at its deadline, without its caller, and with its service.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use app_core::{StopCause, operations::OperationCall, testing::TestApp};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::store::{STORE, Store, app, builder, call, misbehaves, of};

async fn error(app: &TestApp, call: OperationCall) -> String {
    app.call_operation(call).await.unwrap_err().to_string()
}

/// Begins a call, and waits until it runs.
async fn begun(app: &TestApp, call: OperationCall) -> tokio::task::JoinHandle<Result<Value, String>> {
    let (caller, store) = (app.app().clone(), app.get::<Store>());
    let before = store.runs.load(Ordering::SeqCst);
    let running =
        tokio::spawn(async move { caller.call_operation(call).await.map_err(|error| error.to_string()) });
    while store.runs.load(Ordering::SeqCst) == before {
        tokio::task::yield_now().await;
    }
    running
}

async fn dropped(store: &Arc<Store>, times: u64) {
    while store.dropped.load(Ordering::SeqCst) < times {
        sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_the_answer_and_the_service_lives_on() {
    let app = app().await;
    let answer = error(&app, misbehaves("panic")).await;
    assert_eq!(answer, "store misbehave panicked: on purpose");
    let answer = error(&app, misbehaves("panic in drop").deadline(Duration::from_secs(1))).await;
    assert!(answer.contains("panicked: in drop"), "{answer}");
    assert!(app.readiness().ready());
    assert_eq!(app.operation("store", "get", Value::Null).await.unwrap(), 2);
    assert!(app.captured().text().contains("an operation panicked"));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_hang_ends_at_the_deadline() {
    let app = app().await;
    let answer = error(&app, misbehaves("hang").deadline(Duration::from_secs(5))).await;
    assert!(answer.starts_with("store misbehave did not end within 5s; it was cancelled"), "{answer}");
    assert_eq!(app.get::<Store>().dropped.load(Ordering::SeqCst), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_result_that_is_too_long_is_an_error() {
    let app = app().await;
    let answer = error(&app, misbehaves("long")).await;
    assert!(answer.contains("more than 1044480 bytes") && answer.contains("pages"), "{answer}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_call_without_its_caller_is_cancelled() {
    let app = app().await;
    let store = app.get::<Store>();
    begun(&app, misbehaves("hang")).await.abort();
    timeout(Duration::from_millis(100), dropped(&store, 1)).await.unwrap();
    // A call that only reads does not go on for a retry.
    begun(&app, misbehaves("hang").request_id("1")).await.abort();
    timeout(Duration::from_millis(100), dropped(&store, 2)).await.unwrap();
    let again = error(&app, misbehaves("hang").request_id("1")).await;
    assert!(again.contains("was cancelled: its caller is gone"), "{again}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_change_with_a_request_id_waits_for_a_retry() {
    let app = app().await;
    let put = || call("put", json!({ "entry": "k" })).request_id("7");
    begun(&app, put()).await.abort();
    // The run ends meanwhile, and the retry finds its result.
    sleep(Duration::from_secs(1)).await;
    assert_eq!(app.call_operation(put()).await.unwrap()["run"], 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn one_of_two_callers_may_leave() {
    let app = app().await;
    let first = begun(&app, call("put", json!({ "entry": "k" })).request_id("7")).await;
    let (other, put) = (app.app().clone(), call("put", json!({ "entry": "k" })).request_id("7"));
    let second = tokio::spawn(async move { other.call_operation(put).await });
    tokio::task::yield_now().await;
    first.abort();
    assert_eq!(second.await.unwrap().unwrap()["run"], 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_with_its_service() {
    let app = app().await;
    let hangs = begun(&app, misbehaves("hang")).await;
    app.restart(STORE, "a test").await.unwrap();
    let answer = hangs.await.unwrap().unwrap_err();
    assert!(answer.contains("store misbehave: the service was stopped"), "{answer}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_down_answers_so() {
    let app = app().await;
    let answer = error(&app, misbehaves("fail service")).await;
    assert!(answer.contains("the service was stopped") && answer.contains("disk full"), "{answer}");
    while app.service(STORE).is_some() {
        tokio::task::yield_now().await;
    }
    let answer = error(&app, misbehaves("")).await;
    assert!(answer.contains("service store (5707e00000000011) is failed: disk full"), "{answer}");
    assert!(app.operations().iter().any(|info| info.service == STORE), "it is listed all the same");
    app.kill(StopCause::Killed("a test".to_owned()));
    app.stopped().await;
}

#[tokio::test(start_paused = true)]
async fn a_stop_of_the_app_waits_for_no_operation() {
    let app = app().await;
    let hangs = begun(&app, misbehaves("hang")).await;
    let begun = tokio::time::Instant::now();
    let other = app.app().clone();
    app.stop().await.expect_clean();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(hangs.await.unwrap().unwrap_err().contains("the service was stopped"));
    let after = other.call_operation(of(app_core::APP_SERVICE, call("jobs", Value::Null)));
    let after = after.await.unwrap_err().to_string();
    assert!(after.contains("the application is not started, or it stops"), "{after}");
}

#[tokio::test]
async fn an_app_that_was_not_started_answers_so() {
    let app = builder().build();
    let before = error(&app, misbehaves("")).await;
    assert!(before.contains("service store (5707e00000000011)"), "{before}");
    let own = of(app_core::APP_SERVICE, call("jobs", Value::Null));
    assert!(error(&app, own).await.contains("not started"));
}

#[tokio::test(start_paused = true)]
async fn too_many_calls_are_refused_and_changes_have_their_own_room() {
    let app = app().await;
    let store = app.get::<Store>();
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..300 {
        let app = app.app().clone();
        calls.spawn(async move { app.call_operation(misbehaves("hang")).await });
    }
    while store.runs.load(Ordering::SeqCst) < 256 {
        tokio::task::yield_now().await;
    }
    let refused = error(&app, misbehaves("")).await;
    assert!(refused.contains("too many operations run"), "{refused}");
    assert!(app.call_operation(call("put", json!({ "entry": "k" }))).await.is_ok());
    calls.abort_all();
    while calls.join_next().await.is_some() {}
    dropped(&store, 256).await;
    assert_eq!(app.call_operation(misbehaves("")).await.unwrap(), Value::Null);
    app.stop().await.expect_clean();
}
