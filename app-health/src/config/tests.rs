//! Tests of the config: it overrides the code, and all its problems are found.

use app_config::codec::unmarshal;
use app_config::parse;
use app_core::prelude::*;

use super::*;
use crate::fixture::{CHECK, OTHER, Probe, config_file as file, started_with};

fn read(file: &[u8]) -> Result<HealthConfig, Problems> {
    parse(unmarshal(file).unwrap())
}

#[test]
fn zero_means_the_default_here_too() {
    let config = read(&file(0, &[(7, 0, 0), (8, 10, 2)])).unwrap();
    assert_eq!(config.max_concurrent_runs, 1);
    let schedule = |id| config.schedules[&HealthCheckId::new(id)];
    assert_eq!(schedule(7).interval, DEFAULT_HEALTHCHECK_RUN_INTERVAL);
    assert_eq!(schedule(7).timeout, DEFAULT_HEALTHCHECK_RUN_TIMEOUT);
    assert_eq!(schedule(8).interval, Duration::from_secs(10));
    assert_eq!(schedule(8).timeout, Duration::from_secs(2));
}

#[test]
fn every_problem_is_found_with_its_path() {
    let problems = read(&file(1, &[(0, 1, 1), (0xab, 1, 1), (0xab, 2, 2), (0, 0, 0)])).unwrap_err();
    assert_eq!(
        problems.to_string(),
        "healthCheckSpecs[0].healthCheckID: must not be zero; \
         healthCheckSpecs[2].healthCheckID: health check ab is listed twice; \
         healthCheckSpecs[3].healthCheckID: must not be zero"
    );
}

#[tokio::test(start_paused = true)]
async fn the_config_goes_before_the_code() {
    let (app, health) = started_with(&file(2, &[(CHECK.as_u64(), 10, 2), (0xdead, 1, 1)])).await;
    for id in [CHECK, OTHER] {
        let spec = HealthCheckSpec::new(id).interval(Duration::from_secs(1)).critical();
        Probe::default().register(&health, spec, Duration::ZERO);
    }
    let (configured, coded) = (health.spec(CHECK).unwrap(), health.spec(OTHER).unwrap());
    assert_eq!((configured.interval, configured.timeout), (Duration::from_secs(10), Duration::from_secs(2)));
    assert!(configured.critical, "the config does not set it");
    assert_eq!(coded.interval, Duration::from_secs(1));
    assert_eq!(health.config().max_concurrent_runs, 2);
    app.captured().wait_for(|record| record["healthcheck"] == "dead").await;
    app.stop().await.expect_clean();
}

#[test]
fn thresholds_are_those_of_the_code_unless_the_config_says_otherwise() {
    let mut message = capnp::message::Builder::new_default();
    let mut specs = message.init_root::<health_check_service_spec::Builder<'_>>().init_health_check_specs(2);
    for (index, failures) in [(0, 5), (1, 0)] {
        let mut check = specs.reborrow().get(index);
        check.set_health_check_id(u64::from(index) + 1);
        check.set_failure_threshold(failures);
    }
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let config = read(&file).unwrap();
    let thresholds = |id| {
        let code = HealthCheckSpec::new(HealthCheckId::new(id)).failure_threshold(2).success_threshold(3);
        let spec = config.applied_to(code);
        (spec.failure_threshold, spec.success_threshold)
    };
    assert_eq!((thresholds(1), thresholds(2), thresholds(3)), ((5, 3), (2, 3), (2, 3)));
}

#[tokio::test(start_paused = true)]
async fn as_many_checks_run_at_a_time_as_the_config_says() {
    let (app, health) = started_with(&file(3, &[])).await;
    let probe = Probe::default();
    for id in 1..=10 {
        probe.register(&health, HealthCheckSpec::new(HealthCheckId::new(id)), Duration::from_secs(1));
    }
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!((probe.runs(), probe.most_in_flight()), (10, 3));
    app.stop().await.expect_clean();
}
