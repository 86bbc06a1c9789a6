//! Tests of thresholds.

use app_core::prelude::HealthCheckId;

use super::{HealthStatus::*, *};

/// The statuses after each result: `+` passed, `-` failed.
fn statuses(spec: &HealthCheckSpec, results: &str) -> Vec<HealthStatus> {
    let mut tracker = StatusTracker::default();
    results
        .chars()
        .map(|result| {
            let before = tracker.status;
            let changed = tracker.note(spec, result == '+');
            assert_eq!(changed, (tracker.status != before).then_some(before));
            tracker.status
        })
        .collect()
}

fn spec(failures: u32, successes: u32) -> HealthCheckSpec {
    HealthCheckSpec::new(HealthCheckId::new(1)).failure_threshold(failures).success_threshold(successes)
}

#[test]
fn without_thresholds_the_last_result_is_the_status() {
    assert_eq!(statuses(&spec(1, 1), "+-+-"), [Passing, Failing, Passing, Failing]);
}

#[test]
fn it_takes_as_many_failures_in_a_row_as_the_threshold_says() {
    assert_eq!(
        statuses(&spec(3, 1), "+--+---+"),
        [Passing, Passing, Passing, Passing, Passing, Passing, Failing, Passing]
    );
}

#[test]
fn it_takes_as_many_successes_in_a_row_as_the_threshold_says() {
    assert_eq!(statuses(&spec(1, 2), "-+-++"), [Failing, Failing, Failing, Failing, Passing]);
}

#[test]
fn a_check_is_unknown_until_either_threshold_is_reached() {
    assert_eq!(statuses(&spec(2, 2), "-+-++"), [Unknown, Unknown, Unknown, Unknown, Passing]);
    assert_eq!(statuses(&spec(2, 2), "+--"), [Unknown, Unknown, Failing]);
}

#[test]
fn a_check_that_flaps_within_its_thresholds_stays_what_it_is() {
    let flapping = format!("++{}", "-+".repeat(50));
    assert!(statuses(&spec(2, 2), &flapping).iter().skip(1).all(|status| *status == Passing));
}
