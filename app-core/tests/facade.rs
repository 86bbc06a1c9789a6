//! The functions of the package: one app of the process, reached without a handle.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::time::SystemTime;

use app_core::{
    events,
    prelude::*,
    testing::{TestApp, runs},
};

const SEVEN: ServiceId = ServiceId::new(7);

/// One test: the process has one current app.
#[tokio::test]
async fn the_functions_of_the_package_act_on_the_current_app() {
    without_an_app().await;

    let app = TestApp::builder().service(runs(SEVEN, "seven")).start().await;
    app_core::compat::install(&app);
    identity(&app);
    services(&app).await;
    stacks();
    reset(&app).await;
    end().await;
}

async fn without_an_app() {
    assert!(!app_core::compat::alive());
    assert!(app_core::compat::domain().unwrap_err().is(&errors::APP_NOT_ALIVE));
    assert!(app_core::compat::reset().await.unwrap_err().is(&errors::APP_NOT_ALIVE));
    assert!(app_core::compat::services::service_ids().unwrap_err().is(&errors::APP_NOT_ALIVE));
    app_core::compat::kill();
    app_core::compat::dying().await;
    app_core::compat::dead().await;
}

fn identity(app: &TestApp) {
    assert!(app_core::compat::alive());
    assert_eq!(app_core::compat::domain().unwrap(), app.domain());
    assert_eq!(app_core::compat::id().unwrap(), app.id());
    assert_eq!(app_core::compat::release().unwrap(), app.release());
    assert_eq!(app_core::compat::instance().unwrap(), app.instance());
    assert!(app_core::compat::started_on().unwrap() <= SystemTime::now());
    assert_eq!(app_core::compat::log_level().unwrap(), app.log_level());
    info!(app_core::compat::logger().unwrap(), "through the facade");
    assert!(app.captured().text().contains("through the facade"));
}

async fn services(app: &TestApp) {
    use app_core::compat::services;
    let eight = Service::new(app, ServiceId::new(8), "eight").unwrap();
    services::register(&eight).unwrap();
    assert!(services::service(eight.id()).unwrap().unwrap().same(&eight));
    assert_eq!(services::service_ids().unwrap(), [SEVEN, eight.id()]);
    assert_eq!(services::services().unwrap().len(), 2);
    assert_eq!(services::log_level(SEVEN).unwrap(), app.log_level());
    let me = eight.clone();
    eight.spawn("waits for its end", async move { me.dying().await }).unwrap();
    services::unregister(&eight).unwrap();
    assert!(eight.alive(), "unregistered, not killed");
    assert!(services::unregister(&eight).unwrap_err().is(&errors::SERVICE_NOT_REGISTERED));
    services::register(&eight).unwrap();
    services::restart(SEVEN, "through the facade").await.unwrap();
    let restarted = |record: &serde_json::Value| record["event"] == events::SERVICE_RESTARTED.hex();
    app.captured().wait_for(restarted).await;
}

fn stacks() {
    let mut dump = Vec::new();
    app_core::compat::dump_all_stacks(&mut dump).unwrap();
    let dump = String::from_utf8(dump).unwrap();
    assert!(dump.contains("tests/facade.rs"), "this very function is on a stack:\n{dump}");
    assert!(dump.contains("service eight (8) is running\n  task waits for its end\n"), "{dump}");
}

async fn reset(app: &TestApp) {
    app_core::compat::reset().await.unwrap().expect_clean();
    assert!(app_core::compat::alive() && !app.alive(), "another app took its place");
    assert_eq!(
        app_core::compat::services::service_ids().unwrap(),
        [SEVEN],
        "made of the services that were linked"
    );
    assert_eq!(app_core::compat::instance().unwrap(), app.instance(), "in the same process");
    assert_eq!(app.captured().with_event(events::APP_RESET).len(), 1);
    let elsewhere = app.config_dir().join("elsewhere");
    app_core::compat::reset_with_config_dir(&elsewhere).await.unwrap().expect_clean();
    assert_eq!(app_core::compat::current().unwrap().config_dir(), elsewhere);
}

async fn end() {
    app_core::compat::kill();
    app_core::compat::dying().await;
    app_core::compat::dead().await;
    assert!(!app_core::compat::alive());
    app_core::compat::current().unwrap().stopped().await.expect_clean();
}
