//! The arithmetic of a bucket at its limits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{num::NonZeroU32, time::Duration};

use proptest::{prop_assert, prop_assert_eq, proptest};

use super::Rate;
use crate::Rule;

fn rate(permits: u32, period_millis: u32, burst: u32) -> Rate {
    let positive = |value| NonZeroU32::new(value).unwrap();
    Rate::new(&Rule {
        permits: positive(permits),
        period_millis: positive(period_millis),
        burst: positive(burst),
        ..Rule::default()
    })
}

#[test]
fn a_hundred_a_second_are_one_in_ten_milliseconds() {
    let rate = rate(100, 1_000, 100);
    let now = rate.moment(Duration::from_secs(7));
    let empty = rate.take(now, now, 100).unwrap();
    assert_eq!(rate.remaining(empty, now), 0);
    assert_eq!(rate.take(empty, now, 1), Err(Duration::from_millis(10)));
    assert_eq!(rate.take(empty, now, 100), Err(Duration::from_secs(1)));
}

#[test]
fn a_time_that_is_no_whole_number_of_nanoseconds_is_rounded_up() {
    let rate = rate(3, 1_000, 3);
    let empty = rate.take(0, 0, 3).unwrap();
    assert_eq!(rate.take(empty, 0, 1), Err(Duration::from_nanos(333_333_334)));
    assert_eq!(rate.take(empty, 0, 2), Err(Duration::from_nanos(666_666_667)));
    assert_eq!(rate.take(empty, 0, 3), Err(Duration::from_secs(1)));
}

#[test]
fn the_largest_numbers_are_exact_too() {
    let rate = rate(1, u32::MAX, u32::MAX);
    let latest = rate.moment(Duration::MAX);
    let empty = rate.take(latest, latest, u32::MAX).unwrap();
    assert_eq!(rate.remaining(empty, latest), 0);
    let period = Duration::from_millis(u32::MAX.into());
    assert_eq!(rate.take(empty, latest, 1), Err(period));
    assert_eq!(rate.take(empty, latest, u32::MAX), Err(period * u32::MAX));
}

proptest! {
    #[test]
    fn what_was_denied_is_granted_after_the_time_that_was_said_and_not_a_nanosecond_before(
        permits in 1..=u32::MAX, period_millis in 1..=u32::MAX, burst in 1..=u32::MAX,
        elapsed: u64, drained: u32, asked: u32,
    ) {
        let rate = rate(permits, period_millis, burst);
        let elapsed = Duration::from_nanos(elapsed);
        let now = rate.moment(elapsed);
        let full_at = rate.take(now, now, drained % burst + 1).unwrap();
        let asked = asked % burst + 1;
        if let Err(retry_after) = rate.take(full_at, now, asked) {
            prop_assert!(!retry_after.is_zero());
            prop_assert!(rate.take(full_at, rate.moment(elapsed + retry_after), asked).is_ok());
            let just_before = elapsed + retry_after - Duration::from_nanos(1);
            prop_assert_eq!(rate.take(full_at, rate.moment(just_before), asked), Err(Duration::from_nanos(1)));
        } else {
            prop_assert!(rate.remaining(full_at, now) >= asked);
        }
    }

    #[test]
    fn under_another_rate_a_bucket_holds_as_many_permits_as_before_and_never_a_tick_more(
        before in (1..=u32::MAX, 1..=u32::MAX, 1..=u32::MAX), after in (1..=u32::MAX, 1..=u32::MAX, 1..=u32::MAX),
        elapsed: u64, passed: u64, drained: u32,
    ) {
        let new = |(permits, period_millis, burst)| rate(permits, period_millis, burst);
        let (old, new, new_burst) = (new(before), new(after), after.2);
        let elapsed = Duration::from_nanos(elapsed);
        let full_at = old.take(old.moment(elapsed), old.moment(elapsed), drained % before.2 + 1).unwrap();
        let elapsed = elapsed + Duration::from_nanos(passed);
        let held = old.remaining(full_at, old.moment(elapsed));
        match new.refit(&old, full_at, elapsed) {
            None => prop_assert!(held == before.2 || held >= new_burst),
            Some(full_at) => {
                let now = new.moment(elapsed);
                prop_assert_eq!(new.remaining(full_at, now), held);
                prop_assert!(held < new_burst);
                prop_assert_eq!(new.refit(&new, full_at, elapsed), Some(full_at));
            }
        }
    }

    #[test]
    fn what_is_taken_is_missing_and_what_is_denied_is_not(
        permits in 1..=u32::MAX, period_millis in 1..=u32::MAX, burst in 1..=u32::MAX,
        elapsed: u64, calls: Vec<u32>,
    ) {
        let rate = rate(permits, period_millis, burst);
        let now = rate.moment(Duration::from_nanos(elapsed));
        let mut full_at = now;
        let mut left = burst;
        for asked in calls {
            match rate.take(full_at, now, asked) {
                Ok(after) => {
                    full_at = after;
                    left -= asked;
                }
                Err(_) => prop_assert!(asked > left),
            }
            prop_assert_eq!(rate.remaining(full_at, now), left);
        }
    }
}
