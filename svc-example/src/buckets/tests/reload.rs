//! Changes of rules while buckets are in use.

use std::time::Duration;

use super::{Fixture, MILLISECOND, denied, granted, rule};
use crate::{Limits, QuotaConfig, Rule};

/// The permits in a bucket. The call takes none.
fn held(quota: &mut Fixture, name: &str, key: &str) -> u32 {
    let burst = quota.limits.rules()[quota.limits.position(name).unwrap()].burst.get();
    let grant = quota.acquire(name, key, burst);
    assert!(!grant.granted, "the bucket was full");
    grant.remaining
}

#[test]
fn a_rule_that_stays_keeps_its_buckets_wherever_it_moves() {
    let (a, b) = (rule("a", 1, 1_000, 10, 10), rule("b", 1, 1_000, 20, 10));
    let mut quota = Fixture::new(vec![a.clone(), b.clone()]);
    quota.acquire("a", "x", 7);
    quota.acquire("b", "x", 5);
    quota.reload(vec![rule("c", 1, 1_000, 5, 10), b, a]);
    assert_eq!((held(&mut quota, "a", "x"), held(&mut quota, "b", "x")), (3, 15));
    assert_eq!(quota.acquire("c", "x", 5), granted(0));
}

#[test]
fn a_bucket_goes_on_to_fill_from_what_it_held_at_the_new_rate() {
    let mut quota = Fixture::new(vec![rule("a", 100, 1_000, 100, 10)]);
    quota.acquire("a", "x", 100);
    // One and a half permits.
    quota.pass(15 * MILLISECOND);
    quota.reload(vec![rule("a", 1, 1_000, 100, 10)]);
    assert_eq!(held(&mut quota, "a", "x"), 1);
    assert_eq!(quota.acquire("a", "x", 2), denied(1, 500 * MILLISECOND));
    quota.pass(500 * MILLISECOND);
    assert_eq!(quota.acquire("a", "x", 2), granted(0));
}

#[test]
fn a_bucket_holds_no_more_than_the_new_burst_and_a_full_one_stays_full() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 100, 10)]);
    quota.acquire("a", "half", 50);
    quota.acquire("a", "low", 95);
    quota.reload(vec![rule("a", 10, 1_000, 20, 10)]);
    assert_eq!(held(&mut quota, "a", "low"), 5);
    assert_eq!(quota.acquire("a", "half", 20), granted(0));
    quota.acquire("a", "full", 10);
    quota.pass(Duration::from_secs(1));
    quota.reload(vec![rule("a", 10, 1_000, 1_000, 10)]);
    assert_eq!(quota.acquire("a", "full", 1_000), granted(0));
    assert_eq!(held(&mut quota, "a", "low"), 15);
}

#[test]
fn a_rule_that_is_gone_takes_its_buckets_along_and_comes_back_without() {
    let (a, b) = (rule("a", 1, 1_000, 10, 10), rule("b", 1, 1_000, 10, 10));
    let mut quota = Fixture::new(vec![a.clone(), b.clone()]);
    quota.acquire("a", "x", 10);
    quota.acquire("b", "x", 10);
    quota.reload(vec![b.clone()]);
    assert_eq!(quota.buckets.keys(), 1);
    quota.reload(vec![a, b]);
    assert_eq!(quota.acquire("a", "x", 10), granted(0));
    assert!(!quota.acquire("b", "x", 1).granted);
}

#[test]
fn with_less_room_for_keys_the_fullest_buckets_go() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 100)]);
    for (key, permits) in [("high", 1), ("middle", 5), ("low", 9)] {
        quota.acquire("a", key, permits);
    }
    quota.reload(vec![rule("a", 10, 1_000, 10, 2)]);
    assert_eq!((quota.buckets.keys(), quota.buckets.take_displaced()), (2, vec![1]));
    assert_eq!((held(&mut quota, "a", "middle"), held(&mut quota, "a", "low")), (5, 1));
}

#[test]
fn of_buckets_equally_full_the_order_stays() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 3)]);
    for key in ["one", "two", "three"] {
        quota.acquire("a", key, 5);
    }
    quota.reload(vec![rule("a", 1, 1_000, 20, 3)]);
    quota.acquire("a", "four", 16);
    assert_eq!((held(&mut quota, "a", "two"), held(&mut quota, "a", "three")), (5, 5));
    assert_eq!(quota.acquire("a", "one", 20), granted(0));
}

#[test]
fn a_request_of_other_rules_is_sent_back() {
    let before = Limits::new(&QuotaConfig { rules: vec![Rule::default()] });
    let mut quota = Fixture::new(vec![Rule::default()]);
    let request = before.request("default", "a", 1).unwrap();
    assert_eq!(quota.buckets.acquire(&request), None);
    let request = quota.limits.request("default", "a", 1).unwrap();
    quota.reload(vec![Rule::default()]);
    assert_eq!(quota.buckets.acquire(&request), None);
    assert_eq!(quota.buckets.keys(), 0);
}

#[test]
fn a_clock_that_went_back_makes_no_permits_out_of_a_reload() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 10)]);
    quota.set(Duration::from_secs(60));
    quota.acquire("a", "x", 10);
    quota.set(Duration::from_secs(30));
    quota.reload(vec![rule("a", 20, 1_000, 20, 10)]);
    assert_eq!(quota.acquire("a", "x", 1), denied(0, 50 * MILLISECOND));
}
