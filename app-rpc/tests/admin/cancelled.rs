//! Cancelled calls, and calls whose connection ends, have their records, too.

use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::HealthCheckId;
use app_health::{HealthCheckSpec, HealthChecks};
use app_rpc::Role;
use capnp::traits::HasTypeId;
use schema::admin_capnp::{LogLevel, app, health, levels};
use serde_json::Value;
use tokio::sync::Notify;

use crate::raw::{Messages, On};
use crate::stand::{Stand, eventually};

const KILL: (u64, u16) = (app::Client::TYPE_ID, 9);
const HEALTH: (u64, u16) = (app::Client::TYPE_ID, 16);
const LEVELS: (u64, u16) = (app::Client::TYPE_ID, 17);
const RUN: (u64, u16) = (health::Client::TYPE_ID, 2);
const SET_APP: (u64, u16) = (levels::Client::TYPE_ID, 1);

fn kill(messages: Messages, question: u32) -> Messages {
    messages.call(question, On::App, KILL, |_| {})
}

/// Sets the level, on the result of a call right before it.
fn set_app(messages: Messages, question: u32) -> Messages {
    let asked = messages.call(question, On::App, LEVELS, |_| {});
    asked.call(question + 1, On::ResultOf(question), SET_APP, |params| {
        let mut params = params.init_as::<levels::set_app_params::Builder<'_>>();
        params.set_level(LogLevel::Error);
        params.set_reason("test");
    })
}

/// Method and outcome of each record.
fn outcomes(audit: &[Value]) -> Vec<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    audit.iter().map(|record| (text(&record["method"]), text(&record["outcome"]))).collect()
}

fn has(stand: &Stand, method: &str, outcome: &str) -> bool {
    outcomes(&stand.audit()).contains(&(method.to_owned(), outcome.to_owned()))
}

#[tokio::test]
async fn a_denied_call_that_is_finished_at_once_has_a_record() {
    let stand = Stand::new().await;
    let messages = kill(Messages::new(), 1).finish(1);
    let messages = set_app(messages, 2).finish(3).finish(2);
    let _open = messages.send(stand.address(), Role::Read).await;
    eventually("both have records", || stand.audit().len() >= 2).await;
    let denied = |method: &str| (method.to_owned(), "denied".to_owned());
    assert_eq!(outcomes(&stand.audit()), [denied("App.kill"), denied("Levels.setApp")]);
    assert!(stand.app.alive());
    stand.stop().await;
}

#[tokio::test]
async fn a_denied_call_has_a_record_even_if_its_connection_closes_at_once() {
    let stand = Stand::new().await;
    for _ in 0..5 {
        set_app(kill(Messages::new(), 1), 2).send_and_close(stand.address(), Role::Read).await;
    }
    eventually("all have records", || stand.audit().len() >= 10).await;
    assert!(outcomes(&stand.audit()).iter().all(|(_, outcome)| outcome == "denied"));
    stand.stop().await;
}

#[tokio::test]
async fn a_granted_call_that_is_finished_at_once_acts_after_its_record_or_not_at_all() {
    let stand = Stand::new().await;
    let before = stand.app.log_level();
    let _open = set_app(Messages::new(), 1).finish(2).finish(1).send(stand.address(), Role::Operate).await;
    eventually("the call has a record", || has(&stand, "Levels.setApp", "granted")).await;
    eventually("the outcome is known", || {
        has(&stand, "Levels.setApp", "cancelled") != (stand.app.log_level() != before)
    })
    .await;
    for record in stand.audit().iter().filter(|record| record["outcome"] == "cancelled") {
        assert!(record["message"].as_str().unwrap().ends_with("nothing was done"), "{record}");
        assert_eq!((&record["level"], &record["reason"]), (&"warn".into(), &"test".into()));
    }
    stand.stop().await;
}

/// A check that does not end. The result is notified when it runs.
fn endless_check(stand: &Stand, id: HealthCheckId) -> Arc<Notify> {
    let runs = Arc::new(Notify::new());
    let told = Arc::clone(&runs);
    let spec = HealthCheckSpec::new(id).name("endless").interval(Duration::from_secs(3600));
    let checks = stand.app.get::<HealthChecks>();
    let check = move |cancel: tokio_util::sync::CancellationToken| {
        told.notify_one();
        async move {
            cancel.cancelled().await;
            Err("cancelled")
        }
    };
    checks.register_unbound(spec, check).unwrap();
    runs
}

/// Cancels a call while it acts, or closes its connection. Returns the records.
async fn interrupted(close: bool) -> Vec<Value> {
    let (stand, id) = (Stand::new().await, HealthCheckId::new(0xe9d1));
    let runs = endless_check(&stand, id);
    let run = |params: capnp::any_pointer::Builder<'_>| {
        let mut params = params.init_as::<health::run_params::Builder<'_>>();
        params.set_id(id.as_u64());
        params.set_reason("test");
    };
    let messages = Messages::new().call(1, On::App, HEALTH, |_| {});
    let mut stream = messages.call(2, On::ResultOf(1), RUN, run).send(stand.address(), Role::Operate).await;
    eventually("the call is granted", || has(&stand, "Health.run", "granted")).await;
    tokio::time::timeout(Duration::from_secs(20), runs.notified()).await.unwrap();
    if close {
        drop(stream);
    } else {
        Messages::new().finish(2).send_on(&mut stream).await;
    }
    eventually("its end is on record", || stand.audit().len() >= 2).await;
    let audit = stand.audit();
    stand.stop().await;
    audit
}

#[tokio::test]
async fn a_call_that_is_cancelled_while_it_acts_has_a_second_record() {
    for close in [false, true] {
        let audit = interrupted(close).await;
        let outcome = |outcome: &str| ("Health.run".to_owned(), outcome.to_owned());
        assert_eq!(outcomes(&audit), [outcome("granted"), outcome("cancelled")]);
        let said = audit[1]["message"].as_str().unwrap();
        assert!(
            said.ends_with("the client cancelled it, or its connection ended; its effect may go on"),
            "{said}"
        );
    }
}

/// Records of single calls, and the calls that were counted.
fn totals(stand: &Stand) -> (usize, u64) {
    let (counted, single): (Vec<_>, Vec<_>) =
        stand.audit().into_iter().partition(|record| record["count"].is_u64());
    (single.len(), counted.iter().filter_map(|record| record["count"].as_u64()).sum())
}

#[tokio::test]
async fn a_thousand_denied_calls_over_fifty_connections_are_a_few_records_and_a_count() {
    let stand = Stand::new().await;
    let connections = (0..50).map(|_| {
        let messages =
            (1..=20).fold(Messages::new(), |messages, question| kill(messages, question).finish(question));
        messages.send_and_close(stand.address(), Role::Read)
    });
    futures_util::future::join_all(connections).await;
    eventually("each call has a record or is counted", || {
        let (single, counted) = totals(&stand);
        single as u64 + counted >= 1000
    })
    .await;
    let (single, counted) = totals(&stand);
    assert_eq!(single as u64 + counted, 1000);
    // 20 at once, and 10 a second after that.
    assert!((20..500).contains(&single), "{single}");
    let audit = stand.audit();
    let told = audit.iter().find(|record| record["count"].is_u64()).unwrap();
    assert_eq!((&told["outcome"], &told["level"]), (&"denied".into(), &"warn".into()));
    assert_eq!(told["methods"], serde_json::json!({ "App.kill": told["count"] }));
    assert_eq!(told["names"], serde_json::json!(["read.test"]));
    let said = told["message"].as_str().unwrap();
    assert!(said.contains(" more calls of this client were denied in the last "), "{said}");
    stand.stop().await;
}
