//! The quota service in a test app, called as dependents call it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{fs, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use app_core::{
    prelude::*,
    testing::{TestApp, TestAppBuilder},
};
use app_metrics::testing::TestMetrics as _;
use quota_schema::quota_capnp::quota_spec;
use svc_example::{ACQUIRE_SECONDS, GRANTS, Grant, KEYS, QUOTA, Quota, Rule};

#[path = "quota/fleet.rs"]
mod fleet;
#[path = "quota/messages.rs"]
mod messages;
#[path = "quota/operations.rs"]
mod operations;
#[path = "quota/reload.rs"]
mod reload;
#[path = "quota/restart.rs"]
mod restart;
#[path = "quota/rpc.rs"]
mod rpc;

/// A rule: name, permits, burst, maxKeys.
type RuleSpec<'a> = (&'a str, u32, u32, u32);

/// The content of a config with these rules.
fn content(rules: &[RuleSpec<'_>]) -> Vec<u8> {
    let mut message = capnp::message::Builder::new_default();
    let spec = message.init_root::<quota_spec::Builder<'_>>();
    let mut list = spec.init_rules(u32::try_from(rules.len()).unwrap());
    for (index, (name, permits, burst, max_keys)) in (0..).zip(rules) {
        let mut rule = list.reborrow().get(index);
        rule.set_name(*name);
        rule.set_permits(*permits);
        rule.set_burst(*burst);
        rule.set_max_keys(*max_keys);
    }
    let mut content = Vec::new();
    app_config::codec::marshal(&message, &mut content).unwrap();
    content
}

/// Replaces the config in the directory, in one step.
fn put(dir: &Path, content: &[u8]) {
    let beside = dir.join("new");
    fs::write(&beside, content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, dir.join(app_config::compat::service_config_id(QUOTA))).unwrap();
}

/// A test app with these rules.
fn with_rules(rules: &[RuleSpec<'_>]) -> TestAppBuilder {
    let builder = TestApp::builder().linked([QUOTA]);
    put(builder.config_dir(), &content(rules));
    builder
}

#[tokio::test(start_paused = true)]
async fn a_denied_call_says_when_to_retry() {
    let app = TestApp::with([QUOTA]).await;
    let quota = app.get::<Quota>();
    for _ in 0..100 {
        assert!(quota.acquire("default", "a", 1).await.unwrap().granted);
    }
    let denied = quota.acquire("default", "a", 1).await.unwrap();
    assert_eq!(denied, Grant { granted: false, remaining: 0, retry_after: Duration::from_millis(10) });
    assert_eq!(app.metric(QUOTA, GRANTS, ["default", "granted"]), 100.0);
    assert_eq!(app.metric(QUOTA, GRANTS, ["default", "denied"]), 1.0);
    assert_eq!(app.metric(QUOTA, ACQUIRE_SECONDS, []), 101.0);

    tokio::time::sleep(denied.retry_after).await;
    assert!(quota.acquire("default", "a", 1).await.unwrap().granted);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn without_a_config_there_is_the_default_rule() {
    let app = TestApp::with([QUOTA]).await;
    assert_eq!(app.get::<Quota>().limits().rules(), [Rule::default()]);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_rules_of_the_config_are_in_effect() {
    let app = with_rules(&[("mails", 2, 4, 10), ("logins", 1, 0, 10)]).start().await;
    let quota = app.get::<Quota>();
    assert_eq!(
        quota.limits().rules().iter().map(|rule| &*rule.name).collect::<Vec<_>>(),
        ["mails", "logins"]
    );
    assert_eq!(quota.acquire("mails", "a", 4).await.unwrap().remaining, 0);
    assert_eq!(quota.acquire("mails", "a", 1).await.unwrap().retry_after, Duration::from_millis(500));
    assert!(quota.acquire("logins", "a", 1).await.unwrap().granted);
    assert!(quota.acquire("default", "a", 1).await.unwrap_err().is(&errors::ILLEGAL_ARGUMENT));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_wrong_call_is_an_illegal_argument_and_counts_for_nothing() {
    let app = TestApp::with([QUOTA]).await;
    let quota = app.get::<Quota>();
    for (rule, key, permits) in
        [("nosuch", "a", 1), ("default", "", 1), ("default", "a", 0), ("default", "a", 101)]
    {
        let refused = quota.acquire(rule, key, permits).await.unwrap_err();
        assert!(refused.is(&errors::ILLEGAL_ARGUMENT), "{refused:#}");
    }
    assert_eq!(app.metric(QUOTA, GRANTS, ["default", "granted"]), 0.0);
    assert_eq!(app.metric(QUOTA, GRANTS, ["default", "denied"]), 0.0);
    assert_eq!(app.metric(QUOTA, KEYS, []), 0.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn keys_that_are_idle_are_forgotten() {
    let app = TestApp::with([QUOTA]).await;
    let quota = app.get::<Quota>();
    for key in ["a", "b", "c"] {
        quota.acquire("default", key, 1).await.unwrap();
    }
    assert_eq!(app.metric(QUOTA, KEYS, []), 3.0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.metric(QUOTA, KEYS, []), 0.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn more_keys_than_the_rule_has_room_for_are_warned_of() {
    let app = with_rules(&[("mails", 1, 10, 2)]).start().await;
    let quota = app.get::<Quota>();
    for key in ["a", "b", "c", "d"] {
        quota.acquire("mails", key, 5).await.unwrap();
        assert!(app.metric(QUOTA, KEYS, []) <= 2.0);
    }
    let warning = app.captured().wait_for(|record| record["level"] == "warn").await;
    assert_eq!(warning["rule"], "mails");
    assert_eq!(warning["dropped"], 2);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn many_callers_at_once_get_what_there_is_and_no_more() {
    let app = TestApp::with([QUOTA]).await;
    let quota = app.get::<Quota>();
    let calls: Vec<_> = (0..5_000)
        .map(|_| {
            let quota = Quota::clone(&quota);
            tokio::spawn(async move { quota.acquire("default", "shared", 1).await.unwrap().granted })
        })
        .collect();
    let mut granted = 0;
    for call in calls {
        granted += u32::from(call.await.unwrap());
    }
    assert_eq!(granted, 100);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn once_the_service_was_killed_a_call_says_so() {
    let app = TestApp::with([QUOTA]).await;
    let quota = app.get::<Quota>();
    app.stop().await.expect_clean();
    let refused = quota.acquire("default", "a", 1).await.unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_ALIVE), "{refused:#}");
}

#[tokio::test(start_paused = true)]
async fn the_package_function_asks_the_current_app() {
    let refused = svc_example::acquire("default", "a", 1).await.unwrap_err();
    assert!(refused.is(&errors::APP_NOT_ALIVE), "{refused:#}");

    let app = TestApp::with([QUOTA]).await;
    app_core::compat::install(&app);
    assert_eq!(svc_example::acquire("default", "a", 1).await.unwrap().remaining, 99);
    app.stop().await.expect_clean();
}
