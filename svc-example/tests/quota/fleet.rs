//! Rules that the whole fleet shares, as dependents see them.

use std::sync::{Arc, Mutex};

use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_core::trace::TraceContext;
use app_messaging::{Done, Messaging};
use app_metrics::testing::TestMetrics as _;
use quota_schema::quota_capnp::{RuleScope, quota_rule, quota_spec};
use serde_json::json;
use svc_example::{Exhausted, FLEET_LEASES, GRANTS, QUOTA, Quota, Scope, WhenAway};
use tokio::time::sleep;

use super::put;

fn with_rule(fill: impl FnOnce(&mut quota_rule::Builder<'_>)) -> TestAppBuilder {
    let mut message = capnp::message::Builder::new_default();
    let spec = message.init_root::<quota_spec::Builder<'_>>();
    let mut rule = spec.init_rules(1).get(0);
    rule.set_name("shared");
    rule.set_permits(2);
    rule.set_burst(6);
    rule.set_scope(RuleScope::Fleet);
    fill(&mut rule);
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    let builder = TestApp::builder().linked([QUOTA]);
    put(builder.config_dir(), &content);
    builder
}

#[tokio::test(start_paused = true)]
async fn a_rule_of_the_fleet_grants_its_budget_and_counts_what_it_grants() {
    let app = with_rule(|_| ()).start().await;
    let quota = app.get::<Quota>();
    assert_eq!(quota.limits().rules()[0].scope, Scope::Fleet(WhenAway::Deny));
    for left in (0..6).rev() {
        let grant = quota.acquire("shared", "a", 1).await.unwrap();
        assert_eq!((grant.granted, grant.remaining), (true, left));
    }
    let denied = quota.acquire("shared", "a", 1).await.unwrap();
    assert!(!denied.granted && denied.remaining == 0, "{denied:?}");
    assert!(denied.retry_after > Duration::from_millis(450), "{denied:?}");
    assert_eq!(app.metric(QUOTA, GRANTS, ["shared", "granted"]), 6.0);
    assert!(app.metric(QUOTA, FLEET_LEASES, ["leased"]) >= 2.0);
    sleep(denied.retry_after + Duration::from_millis(1)).await;
    assert!(quota.acquire("shared", "a", 1).await.unwrap().granted);
    let unknown = quota.acquire("nosuch", "a", 1).await.unwrap_err();
    assert!(unknown.is(&errors::ILLEGAL_ARGUMENT));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_shared_bucket_that_runs_out_is_told_once() {
    let app = with_rule(|_| ()).start().await;
    let quota = app.get::<Quota>();
    let told = async || app.get::<Messaging>().stream_held::<Exhausted>().await.unwrap().messages;
    for round in 1..3 {
        for _ in 0..9 {
            quota.acquire("shared", "a", 1).await.unwrap();
        }
        sleep(Duration::from_millis(400)).await;
        assert!(!quota.acquire("shared", "a", 1).await.unwrap().granted);
        sleep(Duration::from_millis(10)).await;
        assert_eq!(told().await, round);
        sleep(Duration::from_secs(10)).await;
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_message_about_a_shared_bucket_is_in_the_trace_of_the_call_that_was_denied() {
    let app = with_rule(|_| ()).start().await;
    let quota = app.get::<Quota>();
    let traces = Arc::<Mutex<Vec<_>>>::default();
    let got = Arc::clone(&traces);
    let mailer = app.new_service(ServiceId::random(), "mailer");
    let consumer = app.get::<Messaging>().consumer("mailer").of::<Exhausted>();
    let note = move |_| {
        got.lock().unwrap().push(TraceContext::current().map(|context| context.trace_id()));
        async { Ok(Done) }
    };
    consumer.start(&mailer, note).unwrap();
    let granted =
        TraceContext::parse("00-11111111111111111111111111111111-b7ad6b7169203331-01", None).unwrap();
    let denied =
        TraceContext::parse("00-22222222222222222222222222222222-b7ad6b7169203331-01", None).unwrap();
    assert!(granted.scope(quota.acquire("shared", "a", 6)).await.unwrap().granted);
    assert!(!denied.clone().scope(quota.acquire("shared", "a", 1)).await.unwrap().granted);
    sleep(Duration::from_millis(10)).await;
    assert_eq!(*traces.lock().unwrap(), [Some(denied.trace_id())]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_refill_and_what_remains_are_those_of_the_shared_bucket() {
    let app = with_rule(|_| ()).start().await;
    let quota = app.get::<Quota>();
    assert!(quota.acquire("shared", "a", 6).await.unwrap().granted);
    assert_eq!(quota.remaining("shared", "a").await.unwrap(), 0);
    let asked = app.operation("quota", "refill", json!({ "rule": "shared", "bucket": "a" })).await.unwrap();
    assert_eq!(asked, json!({ "stream": "OP_d0_59e39d8d10c4dfdd", "sequence": 1 }));
    sleep(Duration::from_millis(50)).await;
    assert_eq!(quota.remaining("shared", "a").await.unwrap(), 6);
    assert!(quota.acquire("shared", "a", 6).await.unwrap().granted);
    let refused = app.operation("quota", "forget", json!({ "rule": "shared" })).await.unwrap_err();
    assert!(refused.to_string().contains("the fleet shares the buckets"), "{refused}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn callers_who_come_at_once_share_leases() {
    let app = with_rule(|rule| {
        rule.set_permits(1_000);
        rule.set_burst(1_000);
        rule.set_period_millis(3_600_000);
    });
    let app = app.start().await;
    let calls = (0..2_000).map(|_| {
        let quota = app.get::<Quota>();
        tokio::spawn(async move { quota.acquire("shared", "a", 1).await.unwrap().granted })
    });
    let mut granted = 0;
    for call in calls.collect::<Vec<_>>() {
        granted += u32::from(call.await.unwrap());
    }
    assert_eq!(granted, 1_000);
    let leases = app.metric(QUOTA, FLEET_LEASES, ["leased"]);
    assert!(leases < 100.0, "{leases}");
    app.stop().await.expect_clean();
}
