//! The service in a test app, called as dependents call it. Time is paused, so no test waits.

use std::{fs, os::unix::fs::PermissionsExt, path::Path};

use app_config::{ConfigSchema, author::compile, compat::service_config_id};
use app_core::{prelude::*, testing::TestApp};
use app_health::HealthChecks;
use app_messaging::Messaging;
use app_metrics::testing::TestMetrics as _;
use serde_json::{Value, json};
use svc_my_service::{ANSWERS, GreetGuest, HELLOS, Hello, MY_SERVICE, MyService};
use tokio::time::sleep;

/// Puts a config into the directory, in place of an earlier one.
fn put(directory: &Path, config: &Value) {
    let schemas = ConfigSchema::linked();
    let schema = schemas.iter().find(|schema| schema.service() == MY_SERVICE);
    let content = compile(schema.unwrap(), &config.to_string(), None).unwrap();
    let beside = directory.join("new");
    fs::write(&beside, &*content).unwrap();
    fs::set_permissions(&beside, fs::Permissions::from_mode(0o600)).unwrap();
    fs::rename(beside, directory.join(service_config_id(MY_SERVICE))).unwrap();
}

#[tokio::test(start_paused = true)]
async fn guests_are_greeted_and_counted() {
    let app = TestApp::with([MY_SERVICE]).await;
    let greeter = app.get::<MyService>();
    let hello = greeter.hello("Ada").await.unwrap();
    assert_eq!(
        hello,
        Hello {
            text: "Hello, Ada!".to_owned(),
            number: 1
        }
    );
    assert_eq!(greeter.hello("Alan").await.unwrap().number, 2);
    assert_eq!(app.metric(MY_SERVICE, HELLOS, []), 2.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_bad_name_is_refused_and_not_counted() {
    let app = TestApp::with([MY_SERVICE]).await;
    let greeter = app.get::<MyService>();
    for bad in ["", &"a".repeat(101)] {
        let refused = greeter.hello(bad).await.unwrap_err();
        assert!(refused.is(&errors::ILLEGAL_ARGUMENT), "{refused}");
    }
    assert_eq!(app.metric(MY_SERVICE, HELLOS, []), 0.0);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_changed_config_takes_effect_while_the_service_runs() {
    let builder = TestApp::builder().linked([MY_SERVICE]);
    put(builder.config_dir(), &json!({ "greeting": "Moin" }));
    let app = builder.start().await;
    let greeter = app.get::<MyService>();
    assert_eq!(greeter.hello("Ada").await.unwrap().text, "Moin, Ada!");
    put(app.config_dir(), &json!({ "greeting": "Salut" }));
    while greeter.hello("Ada").await.unwrap().text != "Salut, Ada!" {
        sleep(Duration::from_secs(1)).await;
    }
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_guest_is_greeted_by_message() {
    let app = TestApp::with([MY_SERVICE]).await;
    let messaging = app.get::<Messaging>();
    let guests = messaging.sender::<GreetGuest>();
    guests.send(|guest| guest.set_name("Ada")).await.unwrap();
    guests.send(|guest| guest.set_name("")).await.unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(app.metric(MY_SERVICE, HELLOS, []), 1.0);
    let dead = messaging.dead_letters_held::<GreetGuest>().await.unwrap();
    assert_eq!(dead.messages, 1, "a name that is refused");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_operator_resets_the_count() {
    let app = TestApp::with([MY_SERVICE]).await;
    let greeter = app.get::<MyService>();
    greeter.hello("Ada").await.unwrap();
    let before = app.operation("my-service", "reset", json!({})).await;
    assert_eq!(before.unwrap(), json!({ "guests": 1 }));
    assert_eq!(greeter.hello("Alan").await.unwrap().number, 1);
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn the_service_is_healthy() {
    let app = TestApp::with([MY_SERVICE]).await;
    let health = app.get::<HealthChecks>();
    assert!(health.run(ANSWERS).await.unwrap().passed());
    app.stop().await.expect_clean();
}
