//! What an operator may ask of the service.

use app_core::testing::TestApp;
use serde_json::json;
use svc_example::{KEYS, QUOTA, Quota};

use super::with_rules;
use app_metrics::testing::TestMetrics as _;

#[tokio::test(start_paused = true)]
async fn forget_drops_the_buckets_of_one_rule() {
    let app = with_rules(&[("a", 1, 5, 100), ("b", 1, 5, 100)]).start().await;
    let quota = app.get::<Quota>();
    for (rule, key) in [("a", "x"), ("a", "y"), ("b", "x")] {
        assert!(quota.acquire(rule, key, 5).await.unwrap().granted);
    }
    let forgotten = app.operation("quota", "forget", json!({ "rule": "a" })).await.unwrap();
    assert_eq!(forgotten, json!({ "rule": "a", "buckets": 2 }));
    assert!(quota.acquire("a", "x", 5).await.unwrap().granted, "its bucket is full again");
    assert!(!quota.acquire("b", "x", 5).await.unwrap().granted, "the other rule keeps its buckets");
    assert_eq!(app.metric(QUOTA, KEYS, []), 2.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn forget_refuses_a_rule_that_is_not_there() {
    let app = TestApp::with([QUOTA]).await;
    let unknown = app.operation("quota", "forget", json!({ "rule": "zzz" })).await.unwrap_err().to_string();
    assert!(unknown.contains("there is no rule") && unknown.contains("default"), "{unknown}");
    let mistyped = app.operation("quota", "forget", json!({ "rul": "a" })).await.unwrap_err().to_string();
    assert!(mistyped.starts_with("arguments.rul: unknown field; did you mean rule?"), "{mistyped}");
    app.stop().await.expect_clean();
}
