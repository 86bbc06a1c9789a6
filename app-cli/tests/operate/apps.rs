//! `appctl apps`: what an app says of the other instances in its domain.

use app_core::Provided;
use app_core::prelude::*;
use app_core::testing::runs;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::fixture::Fixture;
use crate::real::Real;

/// The service that is asked.
const MESSAGING: ServiceId = ServiceId::new(0xe5fd_6a36_4d10_d023);

/// The instances that the app of a test knows.
struct Known(Value);

#[derive(Serialize, JsonSchema)]
struct Instances {
    instances: Value,
}

async fn instances(known: Provided<Known>) -> Result<Instances, Error> {
    Ok(Instances { instances: known.0.clone() })
}

app_core::operation! { of: MESSAGING, name: "instances", role: Read, effect: Reads, about: "Lists.", run: instances }

/// An app that knows these instances.
async fn knows(instances: Value) -> Real {
    Real::with(|builder| builder.service(runs(MESSAGING, "messaging")).provide(Known(instances))).await
}

fn instance(app: &str, state: &str, endpoints: Value) -> Value {
    json!({
        "app": app, "instance": "1f", "domain": "d0", "release": "7", "state": state, "endpoints": endpoints,
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_instances_are_a_table_or_json_and_a_reader_may_ask() {
    let endpoints = json!([
        { "service": "5707", "server_name": "a.d0.example", "address": "10.0.0.1:4711" },
        { "service": "5708", "server_name": "b.d0.example", "address": "10.0.0.1:4712" },
    ]);
    let told = json!([instance("a0", "ready", endpoints), instance("a1", "not_ready", json!([]))]);
    let real = knows(told.clone()).await;
    let table = real.run(&["apps"]).await.printed();
    let lines: Vec<Vec<_>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["APP", "INSTANCE", "RELEASE", "STATE", "RPC", "SERVERS"], "{table}");
    let servers = ["10.0.0.1:4711", "a.d0.example,", "10.0.0.1:4712", "b.d0.example"];
    assert_eq!(lines[1], [&["a0", "1f", "7", "ready"][..], &servers].concat(), "{table}");
    assert_eq!(lines[2], ["a1", "1f", "7", "not_ready"], "{table}");
    assert_eq!(lines.len(), 3, "{table}");
    assert_eq!(real.run(&["apps", "--json"]).await.object(), json!({ "instances": told }));
    assert_eq!(real.run(&["apps", "--context", "#reader"]).await.printed(), table);
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_an_answer_it_says_so() {
    let real = knows(json!([])).await;
    assert_eq!(real.run(&["apps"]).await.printed(), "no instance answered\n");
    assert_eq!(real.run(&["apps", "--json"]).await.object(), json!({ "instances": [] }));
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_other_instances_tell_is_harmless_in_a_terminal() {
    // Every program in the account can tell anything.
    let evil = instance("a0\u{1b}[2J", "ready\nok", json!([]));
    let real = knows(json!([evil])).await;
    let table = real.run(&["apps"]).await.printed();
    assert_eq!(table.lines().count(), 2, "{table}");
    real.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_app_that_cannot_tell_is_an_error_that_says_why() {
    // Its answer makes no sense.
    let real = knows(json!([{ "app": 7 }])).await;
    let said = real.run(&["apps"]).await.refused(1);
    assert!(said.contains("the answer of instances makes no sense"), "{said}");
    real.stop().await;
    // It has no service of this kind.
    let real = Real::new().await;
    let said = real.run(&["apps"]).await;
    assert!(said.status != Some(0) && said.stdout.is_empty(), "{said:?}");
    assert!(said.stderr.contains("0xe5fd6a364d10d023") || said.stderr.contains("messaging"), "{said:?}");
    real.stop().await;
    // It is too old for operations.
    let fixture = Fixture::new().await;
    let said = fixture.run(&["apps"]).await.refused(1);
    assert!(said.contains("this app cannot tell other instances: its release is older than"), "{said}");
    fixture.app.stop().await.expect_clean();
}
