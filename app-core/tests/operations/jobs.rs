//! Jobs: their progress, their result, their end.

use std::time::Duration;

use app_core::{
    operations::{Caller, OperationCall, OperationRole},
    testing::TestApp,
};
use serde_json::{Value, json};

use crate::store::{STORE, app, call};

async fn begin(app: &TestApp, how: &str) -> String {
    let begun = app.call_operation(call("pack", json!({ "how": how }))).await.unwrap();
    begun["job"].as_str().unwrap().to_owned()
}

async fn job(app: &TestApp, id: &str, wait_millis: u32) -> Value {
    app.operation("app", "job", json!({ "id": id, "wait_millis": wait_millis })).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_job_answers_its_id_shows_its_progress_and_keeps_its_result() {
    let app = app().await;
    let id = begin(&app, "").await;
    assert!(id.starts_with("0x"), "{id}");
    let running = job(&app, &id, 250).await;
    assert_eq!((&running["state"], &running["progress"]["total"]), (&json!("running"), &json!(10)));
    assert_eq!((&running["operation"], &running["reason"]), (&json!("pack"), &json!("a test")));
    let done = job(&app, &id, 30_000).await;
    assert_eq!(
        (&done["state"], &done["result"], &done["progress"]["done"]),
        (&json!("done"), &json!(10), &json!(9))
    );
    let all = app.operation("app", "jobs", Value::Null).await.unwrap();
    assert_eq!((&all["items"][0]["id"], &all["items"][0].get("result")), (&json!(id), &None));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_job_that_fails_or_panics_says_why() {
    let app = app().await;
    for (how, error) in [("fail", "disk full"), ("panic", "store pack panicked: on purpose")] {
        let id = begin(&app, how).await;
        let failed = job(&app, &id, 30_000).await;
        assert_eq!((&failed["state"], &failed["error"]), (&json!("failed"), &json!(error)));
    }
    assert!(app.readiness().ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_job_goes_on_without_its_caller_until_it_is_cancelled() {
    let app = app().await;
    let id = begin(&app, "hang").await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(job(&app, &id, 0).await["state"], "running");
    let cancelled = app.operation("app", "cancel-job", json!({ "id": id })).await.unwrap();
    assert_eq!(cancelled, json!({ "cancelled": true, "state": "cancelled" }));
    let again = app.operation("app", "cancel-job", json!({ "id": id })).await.unwrap();
    assert_eq!(again, json!({ "cancelled": false, "state": "cancelled" }));
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_job_ends_with_the_incarnation_of_its_service() {
    let app = app().await;
    let id = begin(&app, "hang").await;
    app.restart(STORE, "a test").await.unwrap();
    let stopped = job(&app, &id, 30_000).await;
    assert_eq!(stopped["state"], "stopped");
    assert!(stopped["error"].as_str().unwrap().contains("the service was stopped"), "{stopped}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_result_is_for_the_role_of_its_operation() {
    let app = app().await;
    let id = begin(&app, "").await;
    job(&app, &id, 30_000).await;
    let reader = |name: &str, role| {
        let caller = Caller::new("r.test", role, "a test");
        OperationCall::new(app_core::APP_SERVICE, name, json!({ "id": id }), caller)
    };
    let seen = app.call_operation(reader("job", OperationRole::Read)).await.unwrap();
    assert_eq!((&seen["state"], seen.get("result")), (&json!("done"), None));
    let denied = app.call_operation(reader("cancel-job", OperationRole::Read)).await.unwrap_err();
    assert!(denied.to_string().starts_with("denied: "), "{denied}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_number_of_jobs_that_run_has_a_bound() {
    let app = app().await;
    for _ in 0..16 {
        begin(&app, "hang").await;
    }
    let full = app.call_operation(call("pack", json!({ "how": "" }))).await.unwrap_err().to_string();
    assert!(full.contains("16 jobs run already"), "{full}");
    let unknown = app.operation("app", "job", json!({ "id": "0xdead" })).await.unwrap_err().to_string();
    assert!(unknown.starts_with("arguments.id: there is no job \"0xdead\""), "{unknown}");
    let long = app.operation("app", "job", json!({ "id": "0x1", "wait_millis": 30_001 })).await.unwrap_err();
    assert!(long.to_string().starts_with("arguments.wait_millis: is 30001"), "{long}");
    app.stop().await.expect_clean();
}
