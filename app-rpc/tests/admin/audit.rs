//! Audit records of calls that change something, or try to.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use app_core::events::SERVICE_RESTART_REQUESTED;
use app_core::{AppBuilder, Flags, Identity, Log, LogLevel, log::LogFormat, plugins::linked_services};
use app_ids::InstanceId;
use app_rpc::Role;
use app_rpc::admin::AdminEndpoint;
use capnp::traits::HasTypeId;
use parking_lot::{Condvar, Mutex};
use schema::admin_capnp::{LogLevel as WireLevel, app};

use crate::raw::{Messages, On};
use crate::stand::{NAME, SHOP, STORE, Stand, call, certificate, client_of, put_config};

async fn set_app(app: app::Client, level: WireLevel, reason: &str) -> Result<(), capnp::Error> {
    let levels = app.levels_request().send().promise.await?.get()?.get_levels()?;
    let mut request = levels.set_app_request();
    request.get().set_level(level);
    request.get().set_time_to_live_millis(600_000);
    request.get().set_reason(reason);
    request.send().promise.await.map(drop)
}

async fn restart(app: app::Client, service: u64) -> Result<(), capnp::Error> {
    let mut request = app.restart_request();
    request.get().set_service_id(service);
    request.get().set_reason("it is stuck");
    request.send().promise.await.map(drop)
}

#[tokio::test]
async fn a_record_has_client_method_target_and_reason_at_any_log_level() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    stand.app.set_log_level(LogLevel::Error, None);
    stand.app.set_service_log_level(NAME.service, Some(LogLevel::Error), None);
    call(&client, |app| async move { set_app(app, WireLevel::Warn, "deploy 7").await }).await.unwrap();
    let audit = stand.audit();
    assert_eq!(audit.len(), 1, "calls that only look have no record");
    let record = &audit[0];
    for (key, value) in [
        ("level", "info"),
        ("svc_name", "rpc"),
        ("method", "Levels.setApp"),
        ("outcome", "granted"),
        ("role", "operate"),
        ("granted_by", "operate.test"),
        ("role_needed", "operate"),
        ("target", "application: WARN for 600000 ms"),
        ("reason", "deploy 7"),
    ] {
        assert_eq!(record[key], value, "{key}");
    }
    assert_eq!(record["names"], serde_json::json!(["operate.test"]));
    assert_eq!(record["names_left_out"], 0);
    assert_eq!(record["serial"].as_str().unwrap().len(), 32);
    assert!(record["peer"].as_str().unwrap().starts_with("127.0.0.1:"));
    assert!(!certificate(Role::Operate).certificate.is_empty());
    stand.stop().await;
}

#[tokio::test]
async fn the_record_is_there_before_the_call_acts() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    call(&client, |app| async move { restart(app, SHOP.as_u64()).await }).await.unwrap();
    let records = stand.app.captured().records();
    let at = |event: String| records.iter().position(|record| record["event"] == event).unwrap();
    let (written, acted) =
        (at(app_rpc::admin::ADMIN_CALL.hex().to_string()), at(SERVICE_RESTART_REQUESTED.hex().to_string()));
    assert!(written < acted);
    let acted = records[acted]["message"].as_str().unwrap();
    assert!(acted.ends_with("it is stuck (requested by operate.test over RPC)"), "{acted}");
    stand.stop().await;
}

#[tokio::test]
async fn denied_refused_and_failed_calls_have_records_and_change_nothing() {
    let stand = Stand::new().await;
    let (reader, operator) = (stand.client(Role::Read), stand.client(Role::Operate));
    let denied = call(&reader, |app| async move { set_app(app, WireLevel::Error, "why not").await }).await;
    assert!(denied.unwrap_err().reason().contains("denied: Levels.setApp needs the role operate"));
    let refused = call(&operator, |app| async move { set_app(app, WireLevel::Error, " \n").await }).await;
    assert!(refused.unwrap_err().reason().contains("Levels.setApp: it needs a reason, and none was given"));
    let failed = call(&operator, |app| async move { restart(app, 0xdead).await }).await;
    assert!(failed.unwrap_err().reason().contains("dead"));
    assert_eq!(stand.app.log_level(), LogLevel::Debug);
    let audit = stand.audit();
    let outcomes: Vec<_> =
        audit.iter().map(|record| (record["outcome"].as_str().unwrap(), &record["role"])).collect();
    let operate = serde_json::Value::from("operate");
    let read = serde_json::Value::from("read");
    assert_eq!(
        outcomes,
        [("denied", &read), ("refused", &operate), ("granted", &operate), ("failed", &operate)]
    );
    assert_eq!((&audit[0]["reason"], &audit[0]["level"]), (&"why not".into(), &"warn".into()));
    assert_eq!(audit[0]["granted_by"], serde_json::Value::Null);
    assert_eq!(audit[3]["target"], "service dead");
    assert!(audit[3]["message"].as_str().unwrap().starts_with("admin call failed: App.restart: "));
    stand.stop().await;
}

#[tokio::test]
async fn a_reason_cannot_forge_a_record_and_is_cut_when_it_is_too_long() {
    let stand = Stand::new().await;
    let client = stand.client(Role::Operate);
    let forged =
        "\u{1b}[2J\0\"}\n{\"event\":\"8ca9f844d75027bd\",\"outcome\":\"granted\",\"reason\":\"forged\"}\r\n";
    call(&client, move |app| async move { set_app(app, WireLevel::Debug, forged).await }).await.unwrap();
    let long = "x".repeat(500_000);
    let refused = call(&client, move |app| {
        let long = long.clone();
        async move { set_app(app, WireLevel::Error, &long).await }
    });
    let refused = refused.await.unwrap_err();
    assert!(refused.reason().contains("the reason has 500000 bytes: give at most 1024"), "{refused}");
    let audit = stand.audit();
    assert_eq!(audit.len(), 2);
    assert_eq!(audit[0]["reason"], forged);
    assert!(audit[1]["reason"].as_str().unwrap().len() <= 1024);
    let lines = stand.app.captured().text().lines().filter(|line| line.contains("forged")).count();
    assert_eq!(lines, 1, "the record is one line");
    stand.stop().await;
}

/// A log sink that takes nothing while it is stuck.
#[derive(Clone, Default)]
struct Sink(Arc<(Mutex<bool>, Condvar)>);

impl Sink {
    fn stick(&self, stuck: bool) {
        *self.0.0.lock() = stuck;
        self.0.1.notify_all();
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.1.wait_while(&mut self.0.0.lock(), |stuck| *stuck);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn without_a_record_only_the_end_of_the_application_is_done() {
    let (sink, dir) = (Sink::default(), tempfile::tempdir().unwrap());
    let identity = Identity {
        domain: NAME.domain,
        app: NAME.app,
        release: app_ids::ReleaseId::new(1),
        instance: InstanceId::random(),
    };
    let log = Log::to_writer(&identity, LogFormat::Json, LogLevel::Info, Box::new(sink.clone())).unwrap();
    put_config(dir.path(), &|_| {});
    let flags = Flags::with_config_dir(dir.path());
    let builder = AppBuilder::new().identity(identity).flags(flags).services(linked_services());
    let app = builder.log(log).any_port(true).build().unwrap();
    app.start().await.unwrap();
    let address = app.get::<AdminEndpoint>().unwrap().address().unwrap();
    let elsewhere = app_core::testing::TestApp::empty().await;
    let client = client_of(&elsewhere, address, Role::Admin);
    call(&client, |app| async move { set_app(app, WireLevel::Warn, "it is written").await }).await.unwrap();
    sink.stick(true);
    let refused = call(&client, |app| async move { set_app(app, WireLevel::Error, "it is not").await }).await;
    let refused = refused.unwrap_err();
    assert!(
        refused.reason().contains("Levels.setApp: nothing was done: the log takes no records"),
        "{refused}"
    );
    assert_eq!(app.log_level(), LogLevel::Warn, "nothing was done");
    // Denied calls of readers do not delay it: they share nothing with calls of an administrator.
    let mut readers = Vec::new();
    for _ in 0..8 {
        let denied = (1..=100).fold(Messages::new(), |messages, question| {
            messages.call(question, On::App, (app::Client::TYPE_ID, 9), |_| {})
        });
        readers.push(denied.send(address, Role::Read).await);
    }
    let begun = Instant::now();
    let killed = call(&client, |app| async move { app.kill_request().send().promise.await.map(drop) }).await;
    killed.unwrap();
    assert!(!app.alive());
    // Half a second for its own record. The rest is for a busy machine.
    assert!(begun.elapsed() < Duration::from_secs(8), "{:?}", begun.elapsed());
    sink.stick(false);
    tokio::time::timeout(Duration::from_secs(20), app.stopped()).await.unwrap().expect_clean();
    assert!(app.service(STORE).is_none());
    elsewhere.stop().await.expect_clean();
}
