//! Health checks: registering, running and pausing them, their status, their gauges and their defaults.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use app_core::testing::{TestApp, runs};
use app_errors::{Error, errors, illegal_argument_error};
use app_health::{
    DEFAULT_HEALTHCHECK_RUN_INTERVAL, DEFAULT_HEALTHCHECK_RUN_TIMEOUT, HEALTHCHECK_ID_LOG_FIELD,
    HEALTHCHECK_METRIC_ID, HEALTHCHECK_METRIC_LABEL, HEALTHCHECK_RUN_DURATION_METRIC_ID,
    HEALTHCHECK_SERVICE_ID, HealthCheckResult, HealthCheckSpec, HealthChecks,
};
use app_ids::{HealthCheckId, ServiceId};
use app_metrics::testing::TestMetrics as _;

use super::current::CurrentApp;

const CHECK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
const NONE: HealthCheckId = HealthCheckId::new(0xc1);
const LABEL: [&str; 1] = ["8d0a0181c77fe5ec"];

async fn with_health() -> CurrentApp {
    CurrentApp::start(TestApp::builder().linked([HEALTHCHECK_SERVICE_ID])).await
}

/// Registers a check that fails as long as the flag is set.
fn register_failing() -> Arc<AtomicBool> {
    let fails = Arc::new(AtomicBool::new(true));
    let flag = Arc::clone(&fails);
    let check = move |_cancel| {
        let result =
            if flag.load(Ordering::Relaxed) { Err(illegal_argument_error("no key")) } else { Ok(()) };
        async move { result }
    };
    app_health::compat::register(HealthCheckSpec::new(CHECK), check).unwrap();
    fails
}

#[test]
fn the_constants_of_health_checks_keep_their_values() {
    assert_eq!(HEALTHCHECK_METRIC_LABEL, "healthcheck");
    assert_eq!(HEALTHCHECK_ID_LOG_FIELD, "healthcheck");
    assert_eq!(HEALTHCHECK_METRIC_ID.as_u64(), 0x844d_7830_332b_ffd3);
    assert_eq!(HEALTHCHECK_RUN_DURATION_METRIC_ID.as_u64(), 0xcd42_60d6_e89a_d9c6);
    assert_eq!(DEFAULT_HEALTHCHECK_RUN_INTERVAL, Duration::from_secs(300));
    assert_eq!(DEFAULT_HEALTHCHECK_RUN_TIMEOUT, Duration::from_secs(5));
}

#[test]
fn a_spec_has_an_id_an_interval_and_a_timeout() {
    let spec = HealthCheckSpec::new(CHECK);
    assert_eq!(spec.id, CHECK);
    assert_eq!(
        (spec.interval, spec.timeout),
        (DEFAULT_HEALTHCHECK_RUN_INTERVAL, DEFAULT_HEALTHCHECK_RUN_TIMEOUT)
    );
    let spec = spec.interval(Duration::from_secs(10)).timeout(Duration::from_secs(1));
    assert_eq!((spec.interval, spec.timeout), (Duration::from_secs(10), Duration::from_secs(1)));
}

#[tokio::test(start_paused = true)]
async fn a_check_is_registered_and_found_with_its_spec() {
    let app = with_health().await;
    assert!(!app_health::compat::registered(CHECK).unwrap());
    assert!(app_health::compat::ids().unwrap().is_empty());
    register_failing();
    assert!(app_health::compat::registered(CHECK).unwrap());
    assert_eq!(app_health::compat::ids().unwrap(), [CHECK]);
    assert_eq!(app_health::compat::spec(CHECK).unwrap(), HealthCheckSpec::new(CHECK));
    assert!(app_health::compat::spec(NONE).unwrap_err().is(&errors::HEALTH_CHECK_NOT_REGISTERED));

    let other = HealthCheckSpec::new(CHECK).timeout(Duration::from_secs(1));
    app_health::compat::register(other.clone(), |_| async { Ok::<(), Error>(()) }).unwrap();
    assert_eq!(app_health::compat::spec(CHECK).unwrap(), other, "replaced");
    let handle = app.get::<HealthChecks>();
    assert_eq!(handle.ids().unwrap(), [CHECK], "the same without a current app");
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_run_has_a_result_that_counts_failures_in_a_row() {
    let app = with_health().await;
    let fails = register_failing();
    let value = |metric| app.metric(HEALTHCHECK_SERVICE_ID, metric, LABEL);
    assert_eq!(value(HEALTHCHECK_METRIC_ID), -1.0, "not run yet");
    assert!(
        app_health::compat::result(CHECK).unwrap().is_none()
            && app_health::compat::results().unwrap().is_empty()
    );

    let before = SystemTime::now();
    let HealthCheckResult { error, started_at, duration, error_count, .. } =
        app_health::compat::run(CHECK).await.unwrap();
    assert!(error.unwrap().chain_has(&errors::ILLEGAL_ARGUMENT));
    assert!(started_at >= before && duration < DEFAULT_HEALTHCHECK_RUN_TIMEOUT);
    assert_eq!((error_count, value(HEALTHCHECK_METRIC_ID)), (1, 1.0));
    app_health::compat::run(CHECK).await.unwrap();
    assert_eq!(app_health::compat::result(CHECK).unwrap().unwrap().error_count, 2);
    assert_eq!(app_health::compat::results().unwrap()[&CHECK].error_count, 2);
    assert_eq!(value(HEALTHCHECK_METRIC_ID), 2.0);

    fails.store(false, Ordering::Relaxed);
    let passed = app_health::compat::run(CHECK).await.unwrap();
    assert!(passed.passed());
    assert_eq!((passed.error_count, value(HEALTHCHECK_METRIC_ID)), (0, 0.0));
    assert_eq!(value(HEALTHCHECK_RUN_DURATION_METRIC_ID), passed.duration.as_secs_f64() * 1e9);
    assert!(app_health::compat::result(NONE).unwrap_err().is(&errors::HEALTH_CHECK_NOT_REGISTERED));
    assert!(app_health::compat::run(NONE).await.unwrap_err().is(&errors::HEALTH_CHECK_NOT_REGISTERED));
    let logged = app.captured().records();
    assert!(logged.iter().any(|record| record[HEALTHCHECK_ID_LOG_FIELD] == LABEL[0]));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_is_told_when_its_time_is_up() {
    let app = with_health().await;
    let told = Arc::new(AtomicBool::new(false));
    let tell = Arc::clone(&told);
    app_health::compat::register(HealthCheckSpec::new(CHECK), move |cancel| {
        let tell = Arc::clone(&tell);
        async move {
            cancel.cancelled().await;
            tell.store(true, Ordering::Relaxed);
            Ok::<(), Error>(())
        }
    })
    .unwrap();
    let result = app_health::compat::run(CHECK).await.unwrap();
    assert!(result.error.unwrap().is(&errors::HEALTH_CHECK_TIMEOUT));
    assert_eq!(result.duration, DEFAULT_HEALTHCHECK_RUN_TIMEOUT);
    assert!(told.load(Ordering::Relaxed));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_check_is_paused_and_resumed() {
    let app = with_health().await;
    register_failing();
    assert!(!app_health::compat::pause(NONE).unwrap(), "there is no such check");
    assert!(app_health::compat::pause(CHECK).unwrap());
    assert_eq!(app_health::compat::paused().unwrap(), [CHECK]);
    assert!(app_health::compat::registered(CHECK).unwrap());
    app_health::compat::resume(CHECK).unwrap();
    assert!(app_health::compat::paused().unwrap().is_empty());
    assert!(app_health::compat::resume(NONE).unwrap_err().is(&errors::HEALTH_CHECK_NOT_REGISTERED));
    app.stop().await;
}

#[tokio::test(start_paused = true)]
async fn without_the_health_service_a_call_says_that_it_is_not_registered() {
    let app = CurrentApp::start(TestApp::builder().service(runs(ServiceId::new(7), "seven"))).await;
    let refused = app_health::compat::run(CHECK).await.unwrap_err();
    assert!(refused.is(&errors::SERVICE_NOT_REGISTERED), "{refused:#}");
    app.stop().await;
}
