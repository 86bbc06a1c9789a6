//! Calls: results, arguments, roles, reasons, request ids.

use std::sync::atomic::Ordering;

use app_core::{
    APP_SERVICE,
    operations::{Caller, Effect, MAX_BYTES, OperationCall, OperationRole},
    prelude::*,
    testing::TestApp,
};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::store::{STORE, Store, app, call, of};

async fn refusal(app: &TestApp, call: OperationCall) -> String {
    let checked = app.check_operation(&call);
    let refused = app.call_operation(call).await.unwrap_err();
    // What can be checked before a run is found by the check, in the same words.
    if let Err(found) = checked {
        assert_eq!(found.to_string(), refused.to_string());
    }
    refused.to_string()
}

#[tokio::test(start_paused = true)]
async fn a_call_runs_with_its_arguments_and_its_caller() {
    let app = app().await;
    let arguments = json!({
        "entry": "k", "count": 7, "kind": "very-large", "inner": [{ "x": 1 }, { "x": 2 }], "of": "0x5", "password": "hunter2",
    });
    let stored = app.call_operation(call("put", arguments)).await.unwrap();
    let expected = json!({
        "run": 1, "entry": "k", "count": 7, "kind": "very-large", "xs": [1, 2], "of": "5", "password_bytes": 7,
        "by": ["a.test"], "reason": "a test",
    });
    assert_eq!(stored, expected);
    assert_eq!(app.operation("store", "get", Value::Null).await.unwrap(), 1);
    assert_eq!(app.operation("store", "wipe", json!({})).await.unwrap(), Value::Null);
    assert!(
        app.captured().text().contains(r#""service":"store""#),
        "the parameters are those of the service"
    );
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_operations_of_the_apps_services_are_listed_and_described() {
    let app = app().await;
    let all = app.operations();
    let of_store: Vec<_> = all.iter().filter(|info| info.service == STORE).map(|info| info.name).collect();
    assert_eq!(of_store, ["get", "misbehave", "pack", "put", "wipe"]);
    let own: Vec<_> = all.iter().filter(|info| info.service == APP_SERVICE).collect();
    assert!(own.iter().all(|info| info.service_name == "app") && own.len() >= 3, "{own:?}");
    assert!(all.iter().all(|info| info.name != "no"), "its service is not there");
    let put = app.describe_operation(STORE, "put").unwrap();
    assert_eq!((put.operation.role, put.operation.effect), (OperationRole::Operate, Effect::Changes));
    assert_eq!(put.arguments["required"], json!(["entry"]));
    assert_eq!(put.arguments["properties"]["password"]["writeOnly"], true);
    assert_eq!(put.results["properties"]["run"]["type"], "integer");
    let get = app.describe_operation(STORE, "get").unwrap();
    assert_eq!(get.arguments["properties"], json!({}));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn bad_arguments_are_refused_with_their_path_before_anything_runs() {
    let app = app().await;
    let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
    for (arguments, says) in [
        (json!({}), "arguments.entry: missing field; the operation needs it"),
        (json!({ "entry": 1 }), "arguments.entry: invalid type: integer `1`, expected a string"),
        (json!({ "enrty": "k" }), "arguments.enrty: unknown field; did you mean entry?"),
        (json!({ "entry": "k", "count": -1 }), "arguments.count: invalid value: integer `-1`, expected u32"),
        (json!({ "entry": "k", "count": 5_000_000_000_u64 }), "arguments.count: invalid value"),
        (json!({ "entry": "k", "kind": "tiny" }), "arguments.kind: unknown variant `tiny`"),
        (json!({ "entry": "k", "inner": [{ "x": 1 }, { "x": 256 }] }), "arguments.inner[1].x: invalid value"),
        (json!({ "entry": "k", "inner": [{ "x": 1 }, {}] }), "arguments.inner[1].x: missing field"),
        (json!({ "entry": "k", "inner": [{ "x": 1, "y": 2 }] }), "arguments.inner[0].y: unknown field"),
        (json!({ "entry": "k", "of": 5 }), "arguments.of: invalid type: integer `5`"),
        (json!({ "entry": "k", "password": ["hunter2"] }), "arguments.password: "),
        (json!([1]), "arguments: are no object"),
        (json!("x"), "arguments: are no object"),
        (json!({ "entry": deep }), "nested too deep"),
        (json!({ "entry": "x".repeat(MAX_BYTES) }), "1044480 bytes of JSON"),
    ] {
        let refused = refusal(&app, call("put", arguments)).await;
        assert!(refused.contains(says), "{says}: {refused}");
        assert!(refused.len() < 1000, "{refused}");
    }
    assert_eq!(app.get::<Store>().runs.load(Ordering::SeqCst), 0);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn no_error_and_no_record_tells_a_secret() {
    let app = app().await;
    for arguments in [
        json!({ "entry": "k", "password": 771_234_567 }),
        json!({ "entry": "k", "pin": "hunter2" }),
        json!({ "entry": "k", "pin": 99_771_234_567_u64 }),
        json!({ "entry": "k", "password": { "hunter2": "hunter2" } }),
    ] {
        let refused = refusal(&app, call("put", arguments)).await;
        assert!(!refused.contains("hunter2") && !refused.contains("771234567"), "{refused}");
        assert!(refused.contains("arguments.p"), "{refused}");
    }
    let arguments = json!({ "entry": "k", "password": "hunter2", "pin": 771_234_567, "pasword": "hunter2" });
    let shown = app.show_arguments(STORE, "put", &arguments).unwrap();
    assert_eq!(
        shown,
        json!({ "entry": "k", "password": "(secret)", "pin": "(secret)", "pasword": "(unknown field)" })
    );
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn an_unknown_operation_or_service_is_named_with_what_there_is() {
    let app = app().await;
    let named = |name: &str| call(name, Value::Null);
    for (call, says) in [
        (named("puts"), r#"service store has no operation "puts"; did you mean put?"#),
        (named("nothing like it"), "it has get, misbehave, pack, put, wipe"),
        (named("\u{1b}[31m"), r"\u{1b}[31m"),
        (of(ServiceId::new(0xdead), named("put")), "there is no service 0xdead"),
        (of(ServiceId::new(0xe15e), named("no")), "there is no service 0xe15e"),
        (of(APP_SERVICE, named("job-s")), "service app has no operation"),
        (named(&"x".repeat(100_000)), "has no operation"),
    ] {
        let refused = refusal(&app, call).await;
        assert!(refused.contains(says) && refused.len() < 500, "{says}: {refused}");
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn the_role_the_reason_and_the_confirmation_count() {
    let app = app().await;
    let as_caller = |role, reason: &str| Caller::new("a.test", role, reason);
    let (read, operate, admin) = (OperationRole::Read, OperationRole::Operate, OperationRole::Admin);
    let with = |name: &str, caller| {
        let mut call = call(name, json!({}));
        call.caller = caller;
        call
    };
    for (call, says) in [
        (
            with("put", as_caller(read, "r")),
            "denied: the operation put of store needs the role operate, and this caller has the role read",
        ),
        (with("wipe", as_caller(operate, "r")), "denied: "),
        (with("put", as_caller(operate, "")), "reason: missing"),
        (with("put", as_caller(operate, " \n")), "reason: missing"),
        (with("put", as_caller(operate, &"x".repeat(1025))), "reason: has 1025 bytes"),
        (with("get", as_caller(read, &"x".repeat(1025))), "reason: has 1025 bytes"),
        (with("wipe", as_caller(admin, "r")), "confirmed: missing"),
        (call("get", json!({})).request_id(""), "requestId: is empty"),
        (call("get", json!({})).request_id("x".repeat(129)), "requestId: has 129 bytes"),
        (call("get", json!({})).request_id("a b"), "requestId: has a character"),
        (call("get", json!({})).deadline(Duration::ZERO), "deadline: "),
        (
            call("get", json!({})).deadline(Duration::from_secs(601)),
            "deadline: is 10m 1s; give more than 0 and at most 10m",
        ),
    ] {
        let refused = refusal(&app, call).await;
        assert!(refused.starts_with(says), "{says}: {refused}");
    }
    app.call_operation(with("get", as_caller(read, ""))).await.unwrap();
    app.call_operation(with("wipe", as_caller(admin, "r")).confirmed(true)).await.unwrap();
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_repeated_request_id_answers_with_the_first_result() {
    let app = app().await;
    let put = |entry: &str, id: &str| call("put", json!({ "entry": entry })).request_id(id);
    let first = app.call_operation(put("k", "1")).await.unwrap();
    assert_eq!(app.call_operation(put("k", "1")).await.unwrap(), first);
    let other = app.call_operation(put("other", "1")).await.unwrap_err().to_string();
    assert!(other.starts_with("requestId: belongs to another call"), "{other}");
    // An error is a result too.
    let failed = app.call_operation(put("bad", "2")).await.unwrap_err().to_string();
    assert_eq!(app.call_operation(put("bad", "2")).await.unwrap_err().to_string(), failed);
    // The ids of another caller are its own.
    let mut others = put("k", "1");
    others.caller.names = vec!["b.test".to_owned()];
    assert_eq!(app.call_operation(others).await.unwrap()["run"], 3);
    // Without an id each call runs.
    assert_eq!(app.call_operation(call("put", json!({ "entry": "k" }))).await.unwrap()["run"], 4);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn concurrent_calls_with_one_request_id_share_one_run() {
    let app = app().await;
    let mut calls = JoinSet::new();
    for _ in 0..100 {
        let app = app.app().clone();
        calls.spawn(
            async move { app.call_operation(call("put", json!({ "entry": "k" })).request_id("7")).await },
        );
    }
    while let Some(done) = calls.join_next().await {
        assert_eq!(done.unwrap().unwrap()["run"], 1);
    }
    assert_eq!(app.get::<Store>().runs.load(Ordering::SeqCst), 1);
    app.stop().await.expect_clean();
}
