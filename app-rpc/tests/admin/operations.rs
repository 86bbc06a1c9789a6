//! Operations through the admin interface: roles, records, bounds, and the end of connections.

use std::sync::atomic::{AtomicU64, Ordering};

use app_core::operations::Secret;
use app_core::prelude::*;
use app_rpc::{CallFailure, Role, RpcClient};
use capnp::traits::HasTypeId;
use schema::admin_capnp::{OperationEffect, app};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::raw::{Messages, On};
use crate::stand::{STORE, Stand, UNKNOWN, call as on, eventually};

static RUNS: AtomicU64 = AtomicU64::new(0);
static DROPPED: AtomicU64 = AtomicU64::new(0);

#[derive(Deserialize, JsonSchema)]
struct Do {
    how: String,
    token: Option<Secret<String>>,
}

struct CountsDrop;

impl Drop for CountsDrop {
    fn drop(&mut self) {
        DROPPED.fetch_add(1, Ordering::SeqCst);
    }
}

async fn act(args: Args<Do>, caller: Caller) -> Result<Value, Error> {
    match args.how.as_str() {
        "panic" => panic!("on purpose"),
        "hang" => {
            let _counts = CountsDrop;
            RUNS.fetch_add(1, Ordering::SeqCst);
            std::future::pending().await
        }
        "fail" => Err(errors::BUG.error(STORE).message("disk full").build()),
        "count" => Ok(json!(RUNS.fetch_add(1, Ordering::SeqCst))),
        "long" => Ok(Value::String("x".repeat(app_core::operations::MAX_BYTES - 2))),
        _ => {
            let token = args.token.as_ref().map_or(0, |token| token.expose().len());
            Ok(json!({ "by": caller.names, "role": caller.role, "reason": caller.reason, "token": token }))
        }
    }
}

app_core::operation! { of: STORE, name: "look", role: Read, effect: Reads, about: "Looks.", run: act }
app_core::operation! { of: STORE, name: "secrets", role: Operate, effect: Reads, about: "Looks too.", run: act }
app_core::operation! { of: STORE, name: "change", role: Operate, effect: Changes, about: "Changes.", run: act }
app_core::operation! { of: STORE, name: "note", role: Read, effect: Changes, about: "Changes little.", run: act }
app_core::operation! { of: STORE, name: "destroy", role: Admin, effect: Destroys, about: "Destroys.", run: act }

/// A call of an operation of the store.
#[derive(Clone, Default)]
struct Call {
    service: u64,
    name: &'static str,
    arguments: String,
    reason: &'static str,
    id: &'static str,
    confirmed: bool,
    millis: u32,
}

fn a(name: &'static str, arguments: impl Into<String>) -> Call {
    Call { service: STORE.as_u64(), name, arguments: arguments.into(), ..Call::default() }
}

fn how(name: &'static str, how: &str) -> Call {
    a(name, json!({ "how": how }).to_string())
}

impl Call {
    fn reason(self, reason: &'static str) -> Self {
        Self { reason, ..self }
    }

    fn id(self, id: &'static str) -> Self {
        Self { id, ..self }
    }

    fn write(&self, mut params: app::call_operation_params::Builder<'_>) {
        params.set_service_id(self.service);
        params.set_name(self.name);
        params.set_arguments(&self.arguments);
        params.set_reason(self.reason);
        params.set_request_id(self.id);
        params.set_confirmed(self.confirmed);
        params.set_deadline_millis(self.millis);
    }

    async fn by(self, client: &RpcClient<app::Client>) -> Result<Value, String> {
        let called = on(client, move |app| {
            let mut request = app.call_operation_request();
            self.write(request.get());
            async move { Ok(request.send().promise.await?.get()?.get_result()?.to_string()?) }
        });
        let json = called.await.map_err(|error| error.reason().to_owned())?;
        Ok(serde_json::from_str(&json).unwrap())
    }
}

/// The records of operations: operation, outcome and arguments.
fn records(stand: &Stand) -> Vec<(String, String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let record = |one: &Value| (text(&one["operation"]), text(&one["outcome"]), text(&one["arguments"]));
    stand.audit().iter().filter(|one| one["method"] == "App.callOperation").map(record).collect()
}

#[tokio::test]
async fn the_list_says_what_the_client_may_call() {
    let stand = Stand::new().await;
    let (operator, reader) = (stand.client(Role::Operate), stand.client(Role::Read));
    let listed = on(&operator, |app| async move {
        let answer = app.operations_request().send().promise.await?;
        let mut listed = Vec::new();
        for info in answer.get()?.get_operations()? {
            if info.get_service_id() == STORE.as_u64() {
                listed.push((info.get_name()?.to_string()?, info.get_may_call(), info.get_effect()?));
            }
        }
        Ok(listed)
    });
    let expected = [
        ("change", true, OperationEffect::Changes),
        ("destroy", false, OperationEffect::Destroys),
        ("look", true, OperationEffect::Reads),
        ("note", true, OperationEffect::Changes),
        ("secrets", true, OperationEffect::Reads),
    ];
    assert_eq!(listed.await.unwrap(), expected.map(|(name, may, effect)| (name.to_owned(), may, effect)));
    let schema = on(&reader, |app| async move {
        let mut request = app.describe_operation_request();
        request.get().set_service_id(STORE.as_u64());
        request.get().set_name("destroy");
        let answer = request.send().promise.await?;
        let answer = answer.get()?;
        assert!(!answer.get_operation()?.get_may_call());
        Ok(answer.get_arguments()?.to_string()?)
    });
    let schema: Value = serde_json::from_str(&schema.await.unwrap()).unwrap();
    assert_eq!(schema["properties"]["token"]["writeOnly"], true);
    assert!(records(&stand).is_empty(), "looking has no record");
    stand.stop().await;
}

#[tokio::test]
async fn an_operation_needs_its_own_role() {
    let stand = Stand::new().await;
    let clients = [Role::Read, Role::Operate, Role::Admin].map(|role| (role, stand.client(role)));
    for (name, needed) in [
        ("look", Role::Read),
        ("secrets", Role::Operate),
        ("change", Role::Operate),
        ("note", Role::Read),
        ("destroy", Role::Admin),
    ] {
        for (role, client) in &clients {
            let call = Call { confirmed: true, ..how(name, "").reason("why") };
            let outcome = call.by(client).await;
            if *role < needed {
                let says = format!(
                    "denied: store {name} needs the role {needed}, and this client ({role}.test) has the role {role}"
                );
                let denied = outcome.unwrap_err();
                assert!(denied.contains(&says), "{denied}");
            } else {
                let outcome = outcome.unwrap();
                assert_eq!(outcome["role"], role.to_string());
                assert_eq!(outcome["by"], json!([format!("{role}.test")]));
            }
        }
    }
    stand.stop().await;
}

#[tokio::test]
async fn a_change_has_records_before_and_after_without_its_secrets() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let arguments = json!({ "how": "", "token": "hunter2" }).to_string();
    a("change", arguments).reason("deploy 7").id("r-1").by(&client).await.unwrap();
    how("look", "").by(&client).await.unwrap();
    how("secrets", "").by(&client).await.unwrap();
    how("change", "fail").reason("deploy 8").by(&client).await.unwrap_err();
    how("change", "panic").reason("deploy 9").by(&client).await.unwrap_err();
    eventually("all have records", || records(&stand).len() >= 6).await;
    let found = records(&stand);
    let row = |outcome: &str, arguments: &str| {
        ("store change".to_owned(), outcome.to_owned(), arguments.to_owned())
    };
    let shown = r#"{"how":"","token":"(secret)"}"#;
    assert_eq!(
        found,
        [
            row("granted", shown),
            row("done", shown),
            row("granted", r#"{"how":"fail"}"#),
            row("failed", r#"{"how":"fail"}"#),
            row("granted", r#"{"how":"panic"}"#),
            row("failed", r#"{"how":"panic"}"#),
        ]
    );
    let first = &stand.audit()[0];
    for (key, value) in [
        ("target", "operation change of service store (0x5707e00000000001)"),
        ("reason", "deploy 7"),
        ("request_id", "r-1"),
        ("role_needed", "operate"),
        ("granted_by", "operate.test"),
    ] {
        assert_eq!(first[key], value, "{key}");
    }
    assert!(!stand.app.captured().text().contains("hunter2"));
    stand.stop().await;
}

#[tokio::test]
async fn denied_and_refused_calls_have_records_and_run_nothing() {
    let stand = Stand::new().await;
    let (reader, operator, admin) =
        (stand.client(Role::Read), stand.client(Role::Operate), stand.client(Role::Admin));
    let long = "x".repeat(10_000);
    let secret = json!({ "how": "", "token": "hunter2", "tokne": "hunter2" }).to_string();
    for (client, call, outcome, says) in [
        (&reader, how("secrets", "x"), "denied", "denied: "),
        (&reader, a("change", secret.clone()).reason("why"), "denied", "denied: "),
        (&reader, a("change", json!({ "how": long }).to_string()).reason("why"), "denied", "denied: "),
        (&operator, how("change", ""), "refused", "it needs a reason, and none was given"),
        (
            &operator,
            a("change", secret).reason("why"),
            "refused",
            "arguments.tokne: unknown field; did you mean token?",
        ),
        (&operator, a("change", "{}").reason("why"), "refused", "arguments.how: missing field"),
        (&operator, a("change", "{").reason("why"), "refused", "arguments: EOF"),
        (&operator, a("change", "[".repeat(100_000)).reason("why"), "refused", "nested too deep"),
        (&operator, how("change", "").reason("why").id("a b"), "refused", "requestId: "),
        (&admin, how("destroy", "").reason("why"), "refused", "confirmed: missing"),
    ] {
        let before = records(&stand).len();
        let answer = call.by(client).await.unwrap_err();
        assert!(answer.contains(says), "{says}: {answer}");
        let found = records(&stand);
        assert_eq!((found.len(), found[before].1.as_str()), (before + 1, outcome), "{says}");
        assert!(found[before].2.len() <= 1024, "{found:?}");
    }
    assert!(!stand.app.captured().text().contains("hunter2"));
    stand.stop().await;
}

#[tokio::test]
async fn long_arguments_are_cut_in_the_record() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let arguments = json!({ "how": "ü".repeat(100_000) }).to_string();
    let bytes = arguments.len();
    a("change", arguments).reason("why").by(&client).await.unwrap();
    let shown = &records(&stand)[0].2;
    assert!(shown.len() <= 1024 && shown.ends_with(&format!("… ({bytes} bytes in all)")), "{shown}");
    stand.stop().await;
}

#[tokio::test]
async fn what_is_unknown_or_too_large_is_refused_and_the_interface_lives_on() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    for (call, says) in [
        (how("chnage", ""), "did you mean change?"),
        (how("", ""), "has no operation"),
        (Call { service: UNKNOWN, ..how("change", "") }, "there is no service 0xdeadbeef00000001"),
        (Call { millis: 600_001, ..how("look", "") }, "deadline: "),
        (how("look", "panic"), "store look panicked: on purpose"),
        (Call { millis: 50, ..how("look", "hang") }, "store look did not end within 50ms"),
        (a("look", format!("\"{}\"", "x".repeat(1_044_480))), "give at most 1044480"),
        (a("look", "[".repeat(1_000_000)), "nested too deep"),
    ] {
        let answer = call.by(&client).await.unwrap_err();
        assert!(answer.contains(says), "{says}: {answer}");
    }
    // Such a message is larger than the endpoint takes.
    let two_megabytes = a("look", format!("\"{}\"", "x".repeat(2 << 20))).by(&client).await.unwrap_err();
    assert!(two_megabytes.contains("bytes"), "{two_megabytes}");
    let longest = how("look", "long").by(&client).await.unwrap();
    assert_eq!(longest.as_str().map(str::len), Some(1_044_478));
    stand.stop().await;
}

#[tokio::test]
async fn a_call_ends_with_its_connection_and_has_a_record_of_that() {
    let stand = Stand::new().await;
    let (runs, dropped) = (RUNS.load(Ordering::SeqCst), DROPPED.load(Ordering::SeqCst));
    let hangs = how("change", "hang").reason("why");
    let messages = Messages::new().call(1, On::App, (app::Client::TYPE_ID, 24), |params| {
        hangs.write(params.init_as::<app::call_operation_params::Builder<'_>>());
    });
    let open = messages.send(stand.address(), Role::Operate).await;
    eventually("it runs", || RUNS.load(Ordering::SeqCst) > runs).await;
    drop(open);
    eventually("it is dropped", || DROPPED.load(Ordering::SeqCst) > dropped).await;
    eventually("it has a record", || records(&stand).iter().any(|record| record.1 == "cancelled")).await;
    stand.stop().await;
}

#[tokio::test]
async fn a_repeated_call_on_another_connection_answers_with_the_first_result() {
    let stand = Stand::new().await;
    let counts = || how("change", "count").reason("why").id("same");
    let first = counts().by(&stand.client(Role::Operate)).await.unwrap();
    assert_eq!(counts().by(&stand.client(Role::Operate)).await.unwrap(), first);
    // Another client has ids of its own.
    assert_ne!(counts().by(&stand.client(Role::Admin)).await.unwrap(), first);
    let other =
        how("change", "").reason("why").id("same").by(&stand.client(Role::Operate)).await.unwrap_err();
    assert!(other.contains("requestId: belongs to another call"), "{other}");
    stand.stop().await;
}

#[tokio::test]
async fn many_calls_at_once_are_answered() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..200 {
        let client = client.clone();
        calls.spawn(async move { how("look", "").by(&client).await });
    }
    while let Some(answer) = calls.join_next().await {
        assert_eq!(answer.unwrap().unwrap()["role"], "operate");
    }
    let failure =
        on(&client, |app| async move { app.call_operation_request().send().promise.await.map(drop) });
    assert_eq!(failure.await.unwrap_err().failure(), CallFailure::Failed);
    stand.stop().await;
}
