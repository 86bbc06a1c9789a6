//! The buckets on a clock of the test, and compared with a slow and simple model.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::{
    num::NonZeroU32,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tokio::time::Instant;

use super::{Buckets, CLEARED_BY_A_CALL};
use crate::{Grant, Limits, QuotaConfig, Rule};

mod model;
mod properties;
mod reload;

/// Buckets, and the clock that they read.
struct Fixture {
    buckets: Buckets,
    limits: Limits,
    nanoseconds: Arc<AtomicU64>,
}

impl Fixture {
    fn new(rules: Vec<Rule>) -> Self {
        let nanoseconds = Arc::new(AtomicU64::new(0));
        let (start, hands) = (Instant::now(), Arc::clone(&nanoseconds));
        let limits = Limits::new(&QuotaConfig { rules });
        let buckets =
            Buckets::new(&limits, move || start + Duration::from_nanos(hands.load(Ordering::Relaxed)));
        Self { buckets, limits, nanoseconds }
    }

    fn set(&self, time: Duration) {
        self.nanoseconds.store(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    fn pass(&self, time: Duration) {
        self.nanoseconds.fetch_add(u64::try_from(time.as_nanos()).unwrap(), Ordering::Relaxed);
    }

    fn acquire(&mut self, rule: &str, key: &str, permits: u32) -> Grant {
        let grant = self.buckets.acquire(&self.limits.request(rule, key, permits).unwrap()).unwrap();
        self.check();
        grant
    }

    fn reload(&mut self, rules: Vec<Rule>) {
        self.limits = Limits::new(&QuotaConfig { rules });
        self.buckets.reload(&self.limits);
        self.check();
    }

    /// Checks the invariants 2 and 3.
    fn check(&self) {
        for table in &self.buckets.tables {
            assert!(table.keys.len() <= table.max_keys);
            assert_eq!(table.keys.len(), table.order.len());
            assert!(table.order.iter().all(|(place, key)| table.keys.get(key) == Some(place)));
        }
    }
}

fn rule(name: &str, permits: u32, period_millis: u32, burst: u32, max_keys: u32) -> Rule {
    let positive = |value| NonZeroU32::new(value).unwrap();
    Rule {
        name: name.to_owned(),
        permits: positive(permits),
        period_millis: positive(period_millis),
        burst: positive(burst),
        max_keys: positive(max_keys),
        scope: crate::Scope::Instance,
    }
}

fn granted(remaining: u32) -> Grant {
    Grant { granted: true, remaining, retry_after: Duration::ZERO }
}

fn denied(remaining: u32, retry_after: Duration) -> Grant {
    Grant { granted: false, remaining, retry_after }
}

const MILLISECOND: Duration = Duration::from_millis(1);

#[test]
fn a_bucket_begins_full_and_fills_steadily() {
    let mut quota = Fixture::new(vec![Rule::default()]);
    for left in (0..100).rev() {
        assert_eq!(quota.acquire("default", "a", 1), granted(left));
    }
    assert_eq!(quota.acquire("default", "a", 1), denied(0, 10 * MILLISECOND));
    quota.pass(9 * MILLISECOND);
    assert_eq!(quota.acquire("default", "a", 1), denied(0, MILLISECOND));
    quota.pass(MILLISECOND);
    assert_eq!(quota.acquire("default", "a", 1), granted(0));
    quota.pass(25 * MILLISECOND);
    assert_eq!(quota.acquire("default", "a", 1), granted(1));
    quota.pass(Duration::from_secs(3_600));
    assert_eq!(quota.acquire("default", "a", 100), granted(0));
}

#[test]
fn a_denied_call_takes_nothing() {
    let mut quota = Fixture::new(vec![Rule::default()]);
    assert_eq!(quota.acquire("default", "a", 60), granted(40));
    for _ in 0..1_000 {
        assert_eq!(quota.acquire("default", "a", 50), denied(40, 100 * MILLISECOND));
    }
    assert_eq!(quota.acquire("default", "a", 40), granted(0));
}

#[test]
fn keys_and_rules_are_apart() {
    let mut quota = Fixture::new(vec![rule("a", 1, 1_000, 1, 10), rule("b", 2, 1_000, 4, 10)]);
    assert_eq!(quota.acquire("a", "x", 1), granted(0));
    assert_eq!(quota.acquire("a", "y", 1), granted(0));
    assert_eq!(quota.acquire("b", "x", 1), granted(3));
    assert_eq!(quota.acquire("a", "x", 1), denied(0, Duration::from_secs(1)));
    assert_eq!(quota.buckets.keys(), 3);
}

#[test]
fn a_clock_that_goes_back_grants_nothing_and_breaks_nothing() {
    let mut quota = Fixture::new(vec![Rule::default()]);
    quota.set(Duration::from_secs(60));
    assert_eq!(quota.acquire("default", "a", 100), granted(0));
    quota.set(Duration::from_secs(30));
    assert_eq!(quota.acquire("default", "a", 1), denied(0, Duration::from_secs(30) + 10 * MILLISECOND));
    quota.set(Duration::from_secs(60) + 10 * MILLISECOND);
    assert_eq!(quota.acquire("default", "a", 1), granted(0));
}

#[test]
fn full_buckets_are_cleared_away_by_calls_a_few_at_a_time() {
    let mut quota = Fixture::new(vec![Rule::default()]);
    for key in 0..10 {
        quota.acquire("default", &key.to_string(), 1);
    }
    assert_eq!(quota.buckets.keys(), 10);
    quota.pass(10 * MILLISECOND);
    quota.acquire("default", "another", 1);
    assert_eq!(quota.buckets.keys(), 10 + 1 - CLEARED_BY_A_CALL);
    for _ in 0..5 {
        quota.acquire("default", "another", 1);
    }
    assert_eq!(quota.buckets.keys(), 1);
}

#[test]
fn full_buckets_are_cleared_away_when_nobody_calls() {
    let mut quota = Fixture::new(vec![rule("a", 1, 1_000, 1, 100), rule("b", 1, 2_000, 1, 100)]);
    for key in 0..20 {
        quota.acquire("a", &key.to_string(), 1);
        quota.acquire("b", &key.to_string(), 1);
    }
    assert_eq!(quota.buckets.clear(usize::MAX), 0);
    quota.pass(Duration::from_secs(1));
    assert_eq!(quota.buckets.clear(usize::MAX), 20);
    quota.pass(Duration::from_secs(1));
    assert_eq!(quota.buckets.clear(usize::MAX), 20);
    assert_eq!(quota.buckets.keys(), 0);
    quota.check();
}

#[test]
fn every_rule_has_its_turn_when_only_so_many_are_cleared_at_once() {
    let mut quota = Fixture::new(vec![rule("a", 1, 1_000, 1, 100), rule("b", 1, 1_000, 1, 100)]);
    for key in 0..20 {
        quota.acquire("a", &key.to_string(), 1);
        quota.acquire("b", &key.to_string(), 1);
    }
    quota.pass(Duration::from_secs(1));
    let mut left = Vec::new();
    for _ in 0..3 {
        assert_eq!(quota.buckets.clear(5), 5);
        left.push([0, 1].map(|table| quota.buckets.tables[table].keys.len()));
    }
    assert_eq!(left, [[15, 20], [15, 15], [10, 15]]);
}

#[test]
fn the_memory_of_a_flood_of_keys_is_given_back() {
    let mut quota = Fixture::new(vec![rule("a", 1, 1, 1, 100_000)]);
    for key in 0..10_000 {
        let request = quota.limits.request("a", &key.to_string(), 1).unwrap();
        quota.buckets.acquire(&request).unwrap();
    }
    quota.pass(MILLISECOND);
    assert_eq!(quota.buckets.clear(usize::MAX), 10_000);
    assert!(quota.buckets.tables[0].keys.capacity() < 100);
}

#[test]
fn at_the_limit_the_fullest_bucket_makes_room() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 3)]);
    quota.acquire("a", "low", 9);
    quota.acquire("a", "high", 2);
    quota.acquire("a", "middle", 5);
    quota.acquire("a", "new", 3);
    assert_eq!(quota.buckets.keys(), 3);
    assert_eq!(quota.buckets.take_displaced(), [1]);
    // These calls ask for too many permits, so they are denied and change nothing.
    assert_eq!(quota.acquire("a", "low", 10).remaining, 1);
    assert_eq!(quota.acquire("a", "middle", 10).remaining, 5);
    assert_eq!(quota.acquire("a", "new", 10).remaining, 7);
    // The bucket that made room was removed, so its key has a full one.
    assert_eq!(quota.acquire("a", "high", 10), granted(0));
    assert_eq!(quota.buckets.take_displaced(), [1]);
    assert_eq!(quota.buckets.take_displaced(), [0]);
}

#[test]
fn of_buckets_equally_full_the_one_idle_longest_makes_room() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 3)]);
    for key in ["one", "two", "three"] {
        quota.acquire("a", key, 5);
    }
    // A denied call counts as use, too.
    assert!(!quota.acquire("a", "one", 6).granted);
    quota.acquire("a", "four", 5);
    assert_eq!(quota.acquire("a", "one", 6).remaining, 5);
    assert_eq!(quota.acquire("a", "three", 6).remaining, 5);
    assert_eq!(quota.acquire("a", "four", 6).remaining, 5);
    assert_eq!(quota.acquire("a", "two", 10), granted(0));
}

#[test]
fn a_bucket_that_is_full_again_makes_room_unnoticed() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 1)]);
    quota.acquire("a", "one", 10);
    quota.pass(Duration::from_secs(1));
    quota.acquire("a", "two", 10);
    assert_eq!(quota.buckets.take_displaced(), [0]);
    assert_eq!(quota.buckets.keys(), 1);
}

#[test]
fn a_flood_of_new_keys_does_not_refill_an_empty_bucket() {
    let mut quota = Fixture::new(vec![rule("a", 10, 1_000, 10, 100)]);
    assert_eq!(quota.acquire("a", "greedy", 10), granted(0));
    for key in 0..1_000 {
        quota.acquire("a", &key.to_string(), 1);
    }
    assert!(!quota.acquire("a", "greedy", 1).granted);
}
