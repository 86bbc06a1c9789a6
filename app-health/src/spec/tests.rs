//! Tests of specs.

use super::*;

const ID: HealthCheckId = HealthCheckId::new(0xc0ffee);

#[test]
fn zero_means_the_default() {
    let spec = HealthCheckSpec::new(ID).interval(Duration::ZERO).timeout(Duration::ZERO).failure_threshold(0);
    assert_eq!(spec.interval, Duration::from_secs(300));
    assert_eq!(spec.timeout, Duration::from_secs(5));
    assert_eq!(spec.failure_threshold, 1);
}

#[test]
fn what_cannot_be_scheduled_is_refused() {
    let short = HealthCheckSpec::new(ID).interval(Duration::from_nanos(1)).validated().unwrap_err();
    assert_eq!(short.to_string(), "health check c0ffee: its interval must be 1ms to 366days, not 1ns");
    let long = HealthCheckSpec::new(ID).name("n").timeout(Duration::MAX).validated().unwrap_err();
    assert!(
        long.is(&errors::ILLEGAL_ARGUMENT) && long.to_string().contains("n (c0ffee): its timeout"),
        "{long}"
    );
    let zero = HealthCheckSpec::new(HealthCheckId::new(0)).validated().unwrap_err();
    assert_eq!(zero.to_string(), "health check: its id must not be zero");
}

#[test]
fn a_check_is_called_by_its_name_or_its_id() {
    assert_eq!(HealthCheckSpec::new(ID).label(), "c0ffee");
    assert_eq!(HealthCheckSpec::new(ID).name("disk").label(), "disk");
}

#[test]
fn results_hold_for_three_intervals_or_three_timeouts() {
    let spec = HealthCheckSpec::new(ID).interval(Duration::from_secs(10)).timeout(Duration::from_secs(5));
    assert_eq!(spec.stale_after(), Duration::from_secs(30));
    assert_eq!(spec.timeout(Duration::from_secs(20)).stale_after(), Duration::from_secs(60));
}
