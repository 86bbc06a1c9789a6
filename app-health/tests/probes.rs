//! The probes over HTTP.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use app_core::{
    ServiceDescriptor, StopCause,
    prelude::*,
    testing::{TestApp, fails_after, hangs_at_start, runs},
};
use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
use app_metrics::Metrics;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

const CHECK: HealthCheckId = HealthCheckId::new(0xc1);
const OTHER: ServiceId = ServiceId::new(0x51);

struct Answer {
    status: u16,
    head: String,
    body: String,
}

impl Answer {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.body))
    }
}

async fn ask(app: &App, method: &str, path: &str) -> Answer {
    let address = app.get::<Metrics>().unwrap().bound_address().unwrap();
    let mut stream = TcpStream::connect(("127.0.0.1", address.port())).await.unwrap();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split_whitespace().nth(1).unwrap().parse().unwrap();
    Answer { status, head: head.to_lowercase(), body: body.to_owned() }
}

async fn get(app: &App, path: &str) -> Answer {
    ask(app, "GET", path).await
}

async fn started() -> (TestApp, Arc<HealthChecks>) {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    let health = app.get::<HealthChecks>();
    (app, health)
}

#[tokio::test]
async fn a_ready_app_says_yes_to_everything() {
    let (app, health) = started().await;
    let spec = HealthCheckSpec::new(CHECK).name("disk").description("The disk takes writes.").critical();
    health.register_unbound(spec, |_cancel| async { Ok::<(), Error>(()) }).unwrap();
    health.run(CHECK).await.unwrap();
    for path in ["/livez", "/readyz", "/healthz"] {
        let answer = get(&app, path).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert!(answer.head.contains("content-type: application/health+json"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
        assert_eq!(answer.json()["status"], "pass");
        assert_eq!(answer.json()["serviceId"], app.id().hex());
    }
    let document = get(&app, "/healthz").await.json();
    let disk = &document["checks"]["disk"][0];
    assert_eq!((&disk["componentId"], &disk["status"]), (&"c1".into(), &"pass".into()));
    assert_eq!((&disk["critical"], &disk["intervalSeconds"]), (&true.into(), &300.0.into()));
    assert!(disk["time"].as_str().unwrap().ends_with('Z'), "{disk}");
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_critical_check_that_fails_is_a_503_with_the_reason() {
    let (app, health) = started().await;
    let failing = Arc::new(AtomicBool::new(true));
    let told = Arc::clone(&failing);
    let check = move |_cancel| {
        let failing = told.load(Ordering::SeqCst);
        async move { if failing { Err("the disk is full") } else { Ok(()) } }
    };
    health.register_unbound(HealthCheckSpec::new(CHECK).name("disk").critical(), check).unwrap();
    health.run(CHECK).await.unwrap();
    let reason = "critical health check disk (c1) fails: health check disk (c1) failed: the disk is full";
    let answer = get(&app, "/readyz").await;
    assert_eq!((answer.status, &answer.json()["notes"][0]), (503, &reason.into()));
    let answer = get(&app, "/healthz").await;
    assert_eq!((answer.status, &answer.json()["status"]), (503, &"fail".into()));
    assert_eq!(get(&app, "/livez").await.status, 200);
    failing.store(false, Ordering::SeqCst);
    health.run(CHECK).await.unwrap();
    assert_eq!(get(&app, "/readyz").await.status, 200);
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn a_probe_runs_no_check_and_waits_for_none() {
    let (app, health) = started().await;
    let asked = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&asked);
    let spec = HealthCheckSpec::new(CHECK).timeout(Duration::from_secs(3_600)).critical();
    let check = move |_cancel| {
        assert!(!told.swap(true, Ordering::SeqCst), "run twice");
        std::future::pending::<Result<(), Error>>()
    };
    health.register_unbound(spec, check).unwrap();
    for _ in 0..20 {
        let answer = get(&app, "/readyz").await;
        assert_eq!(
            (answer.status, &answer.json()["notes"][0]),
            (503, &"critical health check c1 has not run yet".into())
        );
        assert_eq!(get(&app, "/livez").await.status, 200);
    }
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn an_app_that_starts_or_stops_is_not_ready_and_says_why() {
    let app =
        TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]).service(hangs_at_start(OTHER, "slow")).build();
    let starting = tokio::spawn({
        let app = App::clone(&app);
        async move { app.start().await }
    });
    app.captured().wait_for(|record| record["svc_name"] == "slow").await;
    let answer = get(&app, "/readyz").await;
    assert_eq!((answer.status, &answer.json()["notes"][0]), (503, &"starting".into()));
    assert_eq!(get(&app, "/livez").await.status, 200);
    app.kill(StopCause::Killed("enough".to_owned()));
    starting.await.unwrap().unwrap_err();

    let drains = TestApp::builder().flags(|flags| flags.drain_delay = Duration::from_secs(30));
    let app = drains.linked([HEALTHCHECK_SERVICE_ID]).service(runs(OTHER, "other")).start().await;
    assert_eq!(get(&app, "/readyz").await.status, 200);
    app.kill(StopCause::Killed("enough".to_owned()));
    let answer = get(&app, "/readyz").await;
    assert_eq!((answer.status, &answer.json()["notes"][0]), (503, &"stopping: killed: enough".into()));
    assert_eq!(get(&app, "/livez").await.status, 200);
}

#[tokio::test]
async fn a_service_that_is_down_is_a_reason() {
    let error = app_errors::illegal_argument_error("on purpose");
    let fails = fails_after(OTHER, "frail", Duration::ZERO, error);
    let needs =
        ServiceDescriptor::of(ServiceId::new(0x52), "needs", |_: Service| async { Ok(()) }).after([OTHER]);
    let app = TestApp::builder().linked([HEALTHCHECK_SERVICE_ID]).services([fails, needs]).build();
    // It may fail before or after all services have started. If it fails after, the app continues without it.
    if app.start().await.is_err() {
        return;
    }
    let stopped = app_core::events::SERVICE_UNREGISTERED.hex();
    app.captured().wait_for(|record| record["svc_name"] == "frail" && record["event"] == *stopped).await;
    let answer = get(&app, "/readyz").await;
    assert_eq!(answer.status, 503);
    assert!(
        answer.json()["notes"][0].as_str().unwrap().contains("service frail (51) is failed"),
        "{}",
        answer.body
    );
    app.stop().await;
}

#[tokio::test]
async fn a_group_and_a_check_have_pages_of_their_own() {
    let (app, health) = started().await;
    let spec = HealthCheckSpec::new(CHECK).name("disk a/b").group("storage");
    health.register_unbound(spec, |_cancel| async { Ok::<(), Error>(()) }).unwrap();
    health.run(CHECK).await.unwrap();
    let paths = ["storage", "startup", "liveness", "readiness", "c1", "0xc1", "disk%20a%2Fb"];
    for path in paths {
        let answer = get(&app, &format!("/healthz/{path}")).await;
        assert_eq!((answer.status, &answer.json()["status"]), (200, &"pass".into()), "{path}");
        assert!(answer.head.contains("content-type: application/health+json"), "{}", answer.head);
        assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    }
    assert_eq!(
        get(&app, "/healthz/c1").await.json()["checks"]["disk a/b"][0]["history"][0]["outcome"],
        "passed"
    );
    let unknown = get(&app, "/healthz/unknown").await;
    assert_eq!((unknown.status, &unknown.json()["status"]), (404, &"fail".into()));
    let head = ask(&app, "HEAD", "/healthz/storage").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    app.stop().await.expect_clean();
}

#[tokio::test]
async fn probes_are_read_and_nothing_else() {
    let (app, _health) = started().await;
    let head = ask(&app, "HEAD", "/readyz").await;
    assert_eq!((head.status, head.body.as_str()), (200, ""));
    assert_eq!(ask(&app, "POST", "/readyz").await.status, 405);
    assert_eq!(get(&app, "/readyz/").await.status, 404);
    app.stop().await.expect_clean();
}
