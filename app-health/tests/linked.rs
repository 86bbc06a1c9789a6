//! Linked checks: each is registered while its service runs.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::SystemTime,
};

use app_core::{prelude::*, testing::TestApp};
use app_health::{
    HEALTHCHECK_PAUSED_METRIC_ID, HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks, health_check,
};
use app_metrics::testing::TestMetrics as _;
use tokio_util::sync::CancellationToken;

const STORE: ServiceId = ServiceId::new(0x51);
const ROOM: HealthCheckId = HealthCheckId::new(0xc1);
const CLOCK: HealthCheckId = HealthCheckId::new(0xc2);

app_core::service! { id: STORE, name: "store", start: start, restart: app_core::Restart::on_failure() }
health_check! { service: STORE, spec: HealthCheckSpec::new(ROOM).name("room").critical(), check: has_room }
health_check! { service: STORE, spec: HealthCheckSpec::new(CLOCK), check: clock_turns }

struct Store {
    full: AtomicBool,
}

impl Exposed for Store {
    const SERVICE: ServiceId = STORE;
}

async fn start(_: Service) -> Result<Store, Error> {
    Ok(Store { full: AtomicBool::new(false) })
}

async fn has_room(store: Arc<Store>, _cancel: CancellationToken) -> Result<(), &'static str> {
    if store.full.load(Ordering::SeqCst) { Err("the store is full") } else { Ok(()) }
}

async fn clock_turns(_cancel: CancellationToken) -> Result<(), Error> {
    Ok(())
}

async fn pass() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

#[tokio::test(start_paused = true)]
async fn a_linked_check_runs_for_as_long_as_its_service() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID, STORE]).await;
    let health = app.get::<HealthChecks>();
    let passed = health.result(ROOM).is_ok_and(|result| result.is_some());
    assert_eq!(app_health::readiness(&app).ready(), passed, "even before the check is registered");
    pass().await;
    assert_eq!(health.ids().unwrap(), [ROOM, CLOCK]);
    assert!(health.result(CLOCK).unwrap().unwrap().passed());
    assert!(app_health::readiness(&app).ready());

    app.get::<Store>().full.store(true, Ordering::SeqCst);
    let result = health.run(ROOM).await.unwrap();
    assert_eq!(result.error.unwrap().to_string(), "health check room (c1) failed: the store is full");

    app.service(STORE).unwrap().kill("the test wants it");
    pass().await;
    assert!(health.ids().unwrap().is_empty());
    let reasons = app_health::readiness(&app).reasons;
    assert!(reasons.contains(&"critical health check room (c1) has not run yet".to_owned()), "{reasons:?}");
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_is_started_again_has_its_checks_again_with_its_new_handle() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID, STORE]).await;
    pass().await;
    let health = app.get::<HealthChecks>();
    app.get::<Store>().full.store(true, Ordering::SeqCst);
    assert!(!health.run(ROOM).await.unwrap().passed());
    let before = app.service(STORE).unwrap();
    before.kill(errors::BUG.error(STORE).message("on purpose").build());
    pass().await;
    assert!(!app_health::readiness(&app).ready());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(!app.service(STORE).unwrap().same(&before));
    assert_eq!(health.ids().unwrap(), [ROOM, CLOCK]);
    let room = health.result(ROOM).unwrap().unwrap();
    assert!(room.passed() && health.history(ROOM).unwrap().len() == 1, "{room:?}");
    assert!(app_health::readiness(&app).ready() && app_health::startup(&app).ready());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_stays_paused_when_its_service_is_started_again() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID, STORE]).await;
    pass().await;
    let health = app.get::<HealthChecks>();
    let paused_for = || {
        let since = app.metric(HEALTHCHECK_SERVICE_ID, HEALTHCHECK_PAUSED_METRIC_ID, [&ROOM.hex()]);
        (since > 0.0).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs_f64(since))
    };
    assert_eq!(paused_for(), None);
    assert!(health.pause(ROOM).unwrap());
    let since = health.state(ROOM).unwrap().paused_since.unwrap();
    app.service(STORE).unwrap().kill(errors::BUG.error(STORE).message("on purpose").build());
    tokio::time::sleep(Duration::from_secs(10)).await;

    let state = health.state(ROOM).unwrap();
    assert_eq!((state.paused_since, state.result.is_none()), (Some(since), true), "it has not run");
    let told = paused_for().unwrap();
    assert!(told.duration_since(since).unwrap_or_default() < Duration::from_millis(1), "{told:?}, {since:?}");
    assert_eq!(health.paused().unwrap(), [ROOM]);
    assert!(health.run(ROOM).await.is_err());
    assert!(app_health::readiness(&app).ready(), "readiness does not depend on it");

    health.resume(ROOM).unwrap();
    pass().await;
    assert!(health.result(ROOM).unwrap().unwrap().passed());
    assert_eq!(paused_for(), None);
    // The next incarnation starts without it.
    app.service(STORE).unwrap().kill(errors::BUG.error(STORE).message("on purpose").build());
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(health.paused().unwrap().is_empty());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_check_whose_service_is_down_can_be_resumed() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID, STORE]).await;
    pass().await;
    let health = app.get::<HealthChecks>();
    assert!(health.pause(ROOM).unwrap());
    app.service(STORE).unwrap().kill(errors::BUG.error(STORE).message("on purpose").build());
    tokio::task::yield_now().await;
    while health.registered(ROOM).unwrap() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    health.resume(ROOM).unwrap();
    assert!(health.resume(ROOM).is_err(), "the check is not registered at the moment");
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(health.result(ROOM).unwrap().unwrap().passed());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn a_paused_check_stays_paused_when_the_health_service_is_restarted() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID, STORE]).await;
    pass().await;
    let before = app.get::<HealthChecks>();
    assert!(before.pause(CLOCK).unwrap() && before.pause(ROOM).unwrap());
    app.restart(HEALTHCHECK_SERVICE_ID, "the test wants it").await.unwrap();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(before.ids().is_err(), "that health service has ended");
    let health = app.get::<HealthChecks>();
    assert_eq!(health.paused().unwrap(), [ROOM, CLOCK]);
    health.resume(CLOCK).unwrap();
    pass().await;
    assert!(health.result(CLOCK).unwrap().is_some() && health.result(ROOM).unwrap().is_none());
    app.stop().await.expect_clean();
}

#[tokio::test(start_paused = true)]
async fn an_app_without_the_service_has_none_of_its_checks() {
    let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    pass().await;
    assert!(app.get::<HealthChecks>().ids().unwrap().is_empty());
    assert!(app_health::readiness(&app).ready());
    app.stop().await.expect_clean();
}
