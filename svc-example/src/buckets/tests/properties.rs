//! Properties for all rules, calls and times.

use std::{collections::HashMap, time::Duration};

use proptest::{
    collection::vec,
    prelude::{Just, Strategy},
    prop_assert, prop_assert_eq, prop_oneof, proptest,
};

use super::{Fixture, model::Model, rule};
use crate::Rule;

/// A call: one of a few keys, the permits (taken modulo the burst), and the time since the previous call.
#[derive(Debug, Clone)]
struct Call {
    key: u8,
    permits: u32,
    after: Duration,
}

/// Small numbers, which reach more cases, and any other numbers.
fn number() -> impl Strategy<Value = u32> {
    prop_oneof![1..=5_u32, 1..=100_u32, 1..=u32::MAX, Just(u32::MAX)]
}

fn any_rule(max_keys: u32) -> impl Strategy<Value = Rule> {
    (number(), number(), number(), 1..=max_keys)
        .prop_map(|(permits, period, burst, max_keys)| rule("r", permits, period, burst, max_keys))
}

fn calls(keys: u8) -> impl Strategy<Value = Vec<Call>> {
    let after = prop_oneof![
        Just(0_u64),
        0..1_000_u64,
        0..10_000_000_000_u64,
        // Up to a year without a call.
        0..31_536_000_000_000_000_u64,
    ]
    .prop_map(Duration::from_nanos);
    let call = (0..keys, number(), after).prop_map(|(key, permits, after)| Call { key, permits, after });
    vec(call, 0..100)
}

/// The permits of a call as a number that the rule could grant.
fn asked(call: &Call, rule: &Rule) -> u32 {
    (call.permits - 1) % rule.burst.get() + 1
}

proptest! {
    #[test]
    fn the_buckets_do_what_the_model_does(rule in any_rule(6), calls in calls(10)) {
        let mut quota = Fixture::new(vec![rule.clone()]);
        let mut model = Model::new(rule.clone());
        let mut now = Duration::ZERO;
        for call in &calls {
            now += call.after;
            quota.set(now);
            let (key, permits) = (call.key.to_string(), asked(call, &rule));
            prop_assert_eq!(quota.acquire("r", &key, permits), model.acquire(&key, permits, now));
        }
        prop_assert_eq!(quota.buckets.take_displaced(), vec![model.displaced]);
    }

    #[test]
    fn clearing_at_any_time_changes_no_answer(
        rule in any_rule(6), calls in calls(10), clears in vec(0..4_usize, 200),
    ) {
        let mut quota = Fixture::new(vec![rule.clone()]);
        let mut model = Model::new(rule.clone());
        let mut now = Duration::ZERO;
        for (call, at_most) in calls.iter().zip(clears) {
            now += call.after;
            quota.set(now);
            prop_assert!(quota.buckets.clear(at_most) <= at_most);
            quota.check();
            let (key, permits) = (call.key.to_string(), asked(call, &rule));
            prop_assert_eq!(quota.acquire("r", &key, permits), model.acquire(&key, permits, now));
        }
    }

    /// Between any two moments, at most the burst and the permits that the rate adds are granted.
    #[test]
    fn never_more_is_granted_than_the_burst_and_the_rate_allow(rule in any_rule(1), calls in calls(4)) {
        let rule = Rule { max_keys: Rule::default().max_keys, ..rule };
        let mut quota = Fixture::new(vec![rule.clone()]);
        let mut grants: HashMap<u8, Vec<(u128, u128)>> = HashMap::new();
        let mut now = Duration::ZERO;
        for call in &calls {
            now += call.after;
            quota.set(now);
            let permits = asked(call, &rule);
            if !quota.acquire("r", &call.key.to_string(), permits).granted {
                continue;
            }
            let earlier = grants.entry(call.key).or_default();
            earlier.push((now.as_nanos(), permits.into()));
            let mut sum = 0;
            for (since, permits) in earlier.iter().rev() {
                sum += permits;
                let added = (now.as_nanos() - since) * u128::from(rule.permits.get());
                let period = rule.period().as_nanos();
                prop_assert!(sum * period <= u128::from(rule.burst.get()) * period + added);
            }
        }
    }

    /// A change of rules keeps the permits of each bucket, up to the new burst.
    #[test]
    fn a_reload_keeps_what_buckets_hold_to_the_permit(
        rules in vec(any_rule(1), 2..6), calls in calls(4),
    ) {
        let many = |rule: &Rule| vec![Rule { max_keys: Rule::default().max_keys, ..rule.clone() }];
        let mut rules = rules.iter().map(many);
        let mut rule = rules.next().unwrap();
        let mut quota = Fixture::new(rule.clone());
        let mut now = Duration::ZERO;
        for (index, call) in calls.iter().enumerate() {
            now += call.after;
            quota.set(now);
            let (key, burst) = (call.key.to_string(), rule[0].burst.get());
            let before = quota.acquire("r", &key, asked(call, &rule[0])).remaining;
            if index % 10 != 9 {
                continue;
            }
            let Some(next) = rules.next() else { break };
            quota.reload(next.clone());
            rule = next;
            let new_burst = rule[0].burst.get();
            // The call asks for the whole burst. So a denial tells how many permits there are, and a grant tells that it was full.
            let after = quota.acquire("r", &key, new_burst);
            prop_assert!(before < burst, "it was asked for a permit at least");
            if before >= new_burst {
                prop_assert_eq!((after.granted, after.remaining), (true, 0));
            } else {
                prop_assert_eq!((after.granted, after.remaining), (false, before));
            }
        }
    }

    #[test]
    fn no_call_panics_and_every_argument_is_either_good_or_refused(
        rules in vec(any_rule(3), 1..4), names in vec("[ab]?", 50), keys in vec(".{0,3}", 50), permits in vec(number(), 50),
    ) {
        let rules: Vec<_> =
            rules.into_iter().zip(["a", "b", ""]).map(|(rule, name)| Rule { name: name.into(), ..rule }).collect();
        let mut quota = Fixture::new(rules.clone());
        for ((name, key), permits) in names.iter().zip(&keys).zip(permits) {
            let rule = rules.iter().find(|rule| rule.name == *name);
            let good = rule.is_some_and(|rule| permits <= rule.burst.get()) && !key.is_empty();
            let request = quota.limits.request(name, key, permits);
            prop_assert_eq!(request.is_ok(), good);
            if let Ok(request) = request {
                prop_assert!(quota.buckets.acquire(&request).is_some());
                quota.check();
            }
        }
    }
}
