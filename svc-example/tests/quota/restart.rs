//! The service fails and restarts: its handles, its health check, its metrics and its config.

use std::time::Duration;

use app_config::Configs;
use app_core::{Restart, ServiceDescriptor, events, plugins::linked_services, prelude::*, testing::TestApp};
use app_health::HealthChecks;
use app_metrics::testing::TestMetrics as _;
use svc_example::{COMMANDS_ANSWER, GRANTS, KEYS, QUOTA, Quota};

use crate::{content, put};

const CALLER: ServiceId = ServiceId::new(0xca11);

/// The handle of a service that depends on the quota service.
struct Caller(Dep<Quota>);
impl Exposed for Caller {
    const SERVICE: ServiceId = CALLER;
}

/// A test app with the quota service, which restarts a second or two after a failure, and a service that depends on it.
async fn restarted_on_failure() -> TestApp {
    let second = Duration::from_secs(1);
    let policy = Restart::on_failure().backoff(second, second);
    let with_policy = |service: ServiceDescriptor| match service.id() {
        QUOTA => service.restart(policy),
        _ => service,
    };
    let caller = ServiceDescriptor::of(CALLER, "caller", |quota: Dep<Quota>| async { Ok(Caller(quota)) });
    let builder = TestApp::builder().services(linked_services().into_iter().map(with_policy)).service(caller);
    put(builder.config_dir(), &content(&[("mails", 1, 100, 10)]));
    builder.start().await
}

fn fails(app: &TestApp) {
    let failure = errors::SERVICE_NOT_AVAILABLE.error(QUOTA).message("disk full").build();
    app.service(QUOTA).unwrap().kill(failure);
}

async fn comes_back(app: &TestApp) {
    // The dependent restarts last.
    let back = |record: &serde_json::Value| {
        record["event"] == events::SERVICE_RESTARTED.hex() && record["svc"] == CALLER.hex()
    };
    app.captured().wait_for(back).await;
}

#[tokio::test(start_paused = true)]
async fn handles_of_the_old_incarnation_answer_that_it_is_dead_and_dependents_have_the_new_one() {
    let app = restarted_on_failure().await;
    let (old, caller) = (app.get::<Quota>(), app.get::<Caller>());
    assert_eq!(old.acquire("mails", "a", 100).await.unwrap().remaining, 0);
    fails(&app);
    comes_back(&app).await;
    assert!(old.acquire("mails", "a", 1).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    assert!(caller.0.acquire("mails", "a", 1).await.unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    let fresh = app.get::<Caller>().0.acquire("mails", "a", 100).await.unwrap();
    assert!(fresh.granted, "its state is a new one");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn its_health_check_is_the_new_incarnations_and_passes_again() {
    let app = restarted_on_failure().await;
    fails(&app);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert!(!app.readiness().ready(), "it waits for its restart");
    tokio::time::sleep(Duration::from_secs(15)).await;
    let health = app.get::<HealthChecks>();
    assert_eq!(health.ids().unwrap().iter().filter(|id| **id == COMMANDS_ANSWER).count(), 1);
    let result = health.run(COMMANDS_ANSWER).await.unwrap();
    assert!(result.error.is_none(), "{result:?}");
    assert!(app.readiness().ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn its_metrics_and_the_counts_of_its_command_server_go_on() {
    let app = restarted_on_failure().await;
    let acquire = async || app.get::<Quota>().acquire("mails", "a", 50).await.unwrap();
    let commands = || app.command_servers().into_iter().find(|server| server.service == QUOTA).unwrap();
    acquire().await;
    let before = commands();
    fails(&app);
    comes_back(&app).await;
    acquire().await;
    assert_eq!(app.metric(QUOTA, GRANTS, ["mails", "granted"]), 2.0);
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(app.metric(QUOTA, KEYS, []), 1.0);
    let after = commands();
    assert_eq!((after.number, after.serving), (before.number, true));
    assert!(after.run > before.run, "{after:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_new_config_reaches_the_new_incarnation_and_is_told_once() {
    let app = restarted_on_failure().await;
    fails(&app);
    comes_back(&app).await;
    put(app.config_dir(), &content(&[("mails", 1, 7, 10)]));
    while app.get::<Quota>().limits().rules()[0].burst.get() != 7 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let of_quota =
        app.get::<Configs>().reload_statuses().into_iter().filter(|status| status.service == QUOTA);
    assert_eq!(of_quota.count(), 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_restart_of_the_config_service_takes_everything_along_and_brings_it_back() {
    let app = restarted_on_failure().await;
    app.restart(app_config::CONFIG_SERVICE_ID, "test").await.unwrap();
    comes_back(&app).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(app.readiness().ready(), "{:?}", app.readiness());
    assert!(app.get::<Quota>().acquire("mails", "a", 1).await.unwrap().granted);
    assert!(app.service_statuses().iter().all(|status| status.restarts == 1));
    app.stop().await.expect_clean();
}
