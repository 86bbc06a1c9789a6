//! `appctl` with the real admin interface.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use app_config::CONFIG_SERVICE_ID;
use app_core::ServiceDescriptor;
use app_core::prelude::*;
use app_core::testing::{TestApp, TestAppBuilder};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use app_metrics::METRICS_SERVICE_ID;
use app_rpc::admin::{APP_RPC_SERVICE_ID, AdminEndpoint};
use serde_json::{Value, json};

use crate::files::Files;
use crate::fixture::{Ran, appctl, object, put_config, run};

pub(crate) const STORE: ServiceId = ServiceId::new(0x5707_e000_0000_0001);
const DISK: HealthCheckId = HealthCheckId::new(0xd15c);

struct Store;

impl Exposed for Store {
    const SERVICE: ServiceId = STORE;
}

/// An app with a service that has a health check, and contexts for the app.
pub(crate) struct Real {
    pub(crate) app: TestApp,
    pub(crate) files: Files,
    pub(crate) disk_is_full: Arc<AtomicBool>,
    /// Whether the service does not start.
    pub(crate) is_locked: Arc<AtomicBool>,
}

impl Real {
    pub(crate) async fn new() -> Self {
        Self::with(|builder| builder).await
    }

    /// As `new`, with more in the app.
    pub(crate) async fn with(more: impl FnOnce(TestAppBuilder) -> TestAppBuilder) -> Self {
        let disk_is_full = Arc::<AtomicBool>::default();
        let is_locked = Arc::<AtomicBool>::default();
        let (shared, locked) = (Arc::clone(&disk_is_full), Arc::clone(&is_locked));
        let start = move |service: Service, health: Dep<HealthChecks>| {
            let shared = Arc::clone(&shared);
            let locked = locked.load(Ordering::SeqCst);
            async move {
                if locked {
                    return Err(errors::SERVICE_INIT_FAILED
                        .error(STORE)
                        .message("the store is locked")
                        .build());
                }
                let spec =
                    HealthCheckSpec::new(DISK).name("disk").interval(Duration::from_secs(3600)).critical();
                health.register_unbound(spec, move |_cancel| {
                    let full = shared.load(Ordering::SeqCst);
                    async move { if full { Err("no space left") } else { Ok(()) } }
                })?;
                let dying = service.token();
                service.spawn("stores", async move { dying.cancelled().await })?;
                Ok::<_, Error>(Store)
            }
        };
        let builder = TestApp::builder()
            .linked([APP_RPC_SERVICE_ID, METRICS_SERVICE_ID, CONFIG_SERVICE_ID, HEALTHCHECK_SERVICE_ID])
            .service(ServiceDescriptor::of(STORE, "store", start));
        let files = Files::new();
        put_config(builder.config_dir(), &files, APP_RPC_SERVICE_ID, "");
        let app = more(builder).start().await;
        let address = app.get::<AdminEndpoint>().address().unwrap();
        files.contexts(&address.to_string(), APP_RPC_SERVICE_ID);
        Self { app, files, disk_is_full, is_locked }
    }

    pub(crate) async fn stop(self) {
        self.app.stop().await.expect_clean();
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Ran {
        run(appctl(self.files.path(), args)).await
    }

    pub(crate) async fn ready(&self) {
        let waiting = async { while self.run(&["status", "--ready"]).await.status != Some(0) {} };
        tokio::time::timeout(Duration::from_secs(30), waiting).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_app_tells_all_that_it_is_asked() {
    let real = Real::new().await;
    real.ready().await;
    let status = real.run(&["status", "--json"]).await.object();
    assert_eq!(
        (&status["domain"], &status["app"], &status["ready"]),
        (&json!("0xd0"), &json!("0xa0"), &json!(true))
    );
    assert_eq!(status["pid"], std::process::id());
    assert_eq!(status["instance"], format!("{:#x}", real.app.instance()));
    let store = real.run(&["services", "store", "--json"]).await.object();
    let store = &store["services"][0];
    assert_eq!(
        (&store["id"], &store["state"], &store["tasks"]),
        (&json!("0x5707e00000000001"), &json!("running"), &json!(1))
    );
    assert!(real.run(&["services"]).await.printed().contains("store"), "a table");

    let metrics = real.run(&["metrics", "--openmetrics"]).await.printed();
    assert!(metrics.ends_with("# EOF\n") && metrics.contains("# TYPE process_"), "{metrics}");
    let one = real.run(&["metrics", "--filter", "process_threads"]).await.printed();
    assert!(one.lines().all(|line| line.contains("process_threads")) && one.lines().count() == 3, "{one}");
    let stacks = real.run(&["stacks"]).await.printed();
    assert!(stacks.contains("stores") && stacks.contains("thread"), "{stacks}");
    assert!(real.run(&["health", "list"]).await.printed().contains("disk"));
    let shown = real.run(&["health", "show", "disk", "--json"]).await.object();
    assert_eq!(
        (&shown["check"]["critical"], &shown["results"][0]["outcome"]),
        (&json!(true), &json!("passed"))
    );
    assert!(real.run(&["level"]).await.printed().contains("the app"));
    assert_eq!(real.run(&["level", "--json"]).await.object()["app"]["level"], "debug");
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_running_app_does_what_it_is_told() {
    let real = Real::new().await;
    real.ready().await;
    real.disk_is_full.store(true, Ordering::SeqCst);
    let ran = real.run(&["health", "run", "disk", "-r", "is it full?"]).await;
    assert_eq!(ran.status, Some(6), "{ran:?}");
    assert!(
        ran.stdout.contains("disk (0xd15c) failed in ") && ran.stdout.contains("no space left"),
        "{ran:?}"
    );
    let ran = real.run(&["status", "--ready"]).await;
    assert_eq!((ran.status, ran.stdout.contains("not ready: ")), (Some(6), true), "{ran:?}");
    real.disk_is_full.store(false, Ordering::SeqCst);
    real.run(&["health", "run", "disk", "-r", "again"]).await.printed();

    assert_eq!(
        real.run(&["health", "pause", "disk", "-r", "noon"]).await.printed(),
        "disk (0xd15c) is paused\n"
    );
    let again = real.run(&["health", "pause", "disk", "-r", "noon"]).await.printed();
    assert_eq!(again, "disk (0xd15c) was paused already\n");
    assert!(real.run(&["health"]).await.printed().contains("paused since 20"));
    // The check stays paused when its service restarts.
    real.run(&["restart", "store", "-r", "to see"]).await.printed();
    let restarted = async {
        while real.run(&["services", "store", "--json"]).await.object()["services"][0]["restarts"] == 0 {}
        real.ready().await;
    };
    tokio::time::timeout(Duration::from_secs(30), restarted).await.unwrap();
    let check = real.run(&["health", "show", "disk", "--json"]).await.object();
    assert!(check["check"]["paused"] == true && check["check"]["paused_since"].is_string(), "{check}");
    assert!(check["results"].as_array().unwrap().is_empty(), "it has not run: {check}");
    assert_eq!(
        real.run(&["health", "resume", "disk", "-r", "over"]).await.printed(),
        "disk (0xd15c) runs again\n"
    );

    real.run(&["level", "set", "warn", "--for", "10s", "-r", "quiet"]).await.printed();
    let level = real.run(&["level", "--json"]).await.object();
    assert_eq!(level["app"]["level"], "warn");
    assert!(
        level["app"]["expires_in_seconds"].as_f64().is_some_and(|left| left > 0.0 && left <= 10.0),
        "{level}"
    );
    real.run(&["level", "set", "error", "-s", "store", "-r", "quiet"]).await.printed();
    assert_eq!(real.run(&["level", "--json"]).await.object()["services"][0]["name"], "store");
    real.run(&["level", "reset", "-s", "store", "-r", "enough"]).await.printed();
    real.run(&["level", "reset", "-r", "enough"]).await.printed();
    assert_eq!(real.app.log_level(), app_core::LogLevel::Debug);

    real.run(&["reload", "-r", "new certificate"]).await.printed();
    let before = real.app.service(STORE).unwrap();
    real.run(&["restart", "store", "-r", "stuck"]).await.printed();
    tokio::time::timeout(Duration::from_secs(30), before.dead()).await.unwrap();
    real.ready().await;
    assert_eq!(real.run(&["services", "store", "--json"]).await.object()["services"][0]["restarts"], 2);
    real.app.stop().await.expect_clean();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_is_denied_and_on_record_and_a_kill_ends_what_is_followed() {
    let real = Real::new().await;
    real.ready().await;
    let context = format!("{}#reader", real.files.path().join("contexts.json").display());
    let said = real.run(&["kill", "-r", "for fun", "--context", &context]).await.refused(5);
    assert!(
        said.contains("denied: App.end needs the role admin") && said.contains("reader.example"),
        "{said}"
    );
    let records = real.app.captured().text();
    let denied = records.lines().find(|line| line.contains("for fun")).unwrap();
    let denied: Value = serde_json::from_str(denied).unwrap();
    assert_eq!((&denied["outcome"], &denied["method"]), (&json!("denied"), &json!("App.end")));

    let mut following =
        appctl(real.files.path(), &["events", "-f", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(following.stdout.take().unwrap());
    let (connected, is_connected) = tokio::sync::oneshot::channel();
    let reading = tokio::task::spawn_blocking(move || {
        let mut lines = lines.lines().map(|line| object(&line.unwrap()));
        let mut all = vec![lines.next().unwrap()];
        connected.send(()).unwrap();
        all.extend(lines);
        let mut said = String::new();
        following.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (all, said, following.wait().unwrap().code())
    });
    is_connected.await.unwrap();
    let kill = ["kill", "-r", "release 7", "--drain-delay", "10ms", "--wait=30s", "--json"];
    let killed = real.run(&kill).await.object();
    assert_eq!(killed["gone"], json!(true));
    let (events, said, status) =
        tokio::time::timeout(Duration::from_secs(30), reading).await.unwrap().unwrap();
    assert_eq!((status, said.as_str()), (Some(0), ""), "{events:?}");
    assert_eq!(events.last().unwrap()["type"], "stopped", "{events:?}");
    assert!(events.iter().any(|event| event["kind"] == "app_stopping"), "{events:?}");
    let report = real.app.stopped().await;
    assert!(report.cause.to_string().contains("release 7"), "{report:?}");
}
