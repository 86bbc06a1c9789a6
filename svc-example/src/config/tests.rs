//! Reading a config, and the problems of a bad one.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_config::{Config, Problems, parse};
use capnp::message::Builder;
use quota_schema::quota_capnp::{RuleScope, WhenAway as SpecWhenAway, quota_rule, quota_spec};

use crate::{QUOTA, QuotaConfig, Rule, Scope, WhenAway};

/// Writes a spec to the bytes of a file, and reads the config or its problems from them.
fn read(build: impl FnOnce(quota_spec::Builder<'_>)) -> Result<QuotaConfig, Vec<String>> {
    let mut message = Builder::new_default();
    build(message.init_root());
    let mut file = Vec::new();
    app_config::codec::marshal(&message, &mut file).unwrap();
    let found = |problems: Problems| problems.into_vec().iter().map(ToString::to_string).collect();
    parse(app_config::codec::decode(&file).unwrap()).map_err(found)
}

fn read_rules(rules: &[fn(quota_rule::Builder<'_>)]) -> Result<QuotaConfig, Vec<String>> {
    read(|spec| {
        let mut list = spec.init_rules(u32::try_from(rules.len()).unwrap());
        for (index, build) in (0..).zip(rules) {
            build(list.reborrow().get(index));
        }
    })
}

#[test]
fn it_is_the_config_of_the_quota_service() {
    assert_eq!(<QuotaConfig as Config>::SERVICE, QUOTA);
    let linked = app_config::ConfigSchema::linked();
    let schema = linked.iter().find(|schema| schema.service() == QUOTA).unwrap();
    assert_eq!((schema.name(), schema.doc()), (Some("quota"), "Rate limits by key."));
}

#[test]
fn without_a_file_there_is_one_rule() {
    let QuotaConfig { rules } = <QuotaConfig as Config>::without_file();
    let [rule] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!(rule.name, "default");
    let numbers = [rule.permits, rule.period_millis, rule.burst, rule.max_keys].map(u32::from);
    assert_eq!(numbers, [100, 1_000, 100, 100_000]);
}

#[test]
fn what_a_rule_does_not_say_has_a_default() {
    let config = read_rules(&[|mut rule| {
        rule.set_name("default");
        rule.set_permits(100);
    }]);
    assert_eq!(config.unwrap(), <QuotaConfig as Config>::without_file());
}

#[test]
fn what_a_rule_says_is_what_it_means() {
    let config = read_rules(&[
        |mut rule| {
            rule.set_name("mails é");
            rule.set_permits(1);
            rule.set_period_millis(u32::MAX);
            rule.set_burst(u32::MAX);
            rule.set_max_keys(1);
        },
        |mut rule| {
            rule.set_name("b");
            rule.set_permits(7);
        },
    ])
    .unwrap();
    let numbers = |rule: &Rule| [rule.permits, rule.period_millis, rule.burst, rule.max_keys].map(u32::from);
    assert_eq!(config.rules[0].name, "mails é");
    assert_eq!(numbers(&config.rules[0]), [1, u32::MAX, u32::MAX, 1]);
    assert_eq!(config.rules[0].period().as_millis(), u128::from(u32::MAX));
    assert_eq!(numbers(&config.rules[1]), [7, 1_000, 7, 100_000]);
}

#[test]
fn a_config_without_rules_is_refused() {
    let expected = "rules: must have at least one rule; without a file there is one, \"default\"";
    assert_eq!(read(|_| ()).unwrap_err(), [expected]);
    assert_eq!(read_rules(&[]).unwrap_err(), [expected]);
}

#[test]
fn every_problem_of_every_rule_is_reported() {
    let found = read_rules(&[
        |mut rule| {
            rule.set_name("a");
            rule.set_permits(10);
            rule.set_burst(9);
        },
        |mut rule| {
            rule.set_period_millis(0);
            rule.set_max_keys(0);
        },
        |mut rule| {
            rule.set_name("a");
            rule.set_permits(0);
        },
        |mut rule| {
            rule.set_name("a");
            rule.set_permits(1);
        },
    ]);
    assert_eq!(
        found.unwrap_err(),
        [
            "rules[0].burst: must not be below permits (10), since a bucket could never hold what a period adds; found 9 \
             (to let fewer through at once, use a shorter period)",
            "rules[1].name: must not be empty",
            "rules[1].permits: must be at least 1",
            "rules[1].periodMillis: must be at least 1",
            "rules[1].maxKeys: must be at least 1",
            "rules[2].name: \"a\" is the name of rules[0] already",
            "rules[2].permits: must be at least 1",
            "rules[3].name: \"a\" is the name of rules[0] already",
        ]
    );
}

#[test]
fn a_name_is_a_line_of_text_of_limited_length() {
    let found = read_rules(&[
        |mut rule| {
            rule.set_name("a\nb");
            rule.set_permits(1);
        },
        |mut rule| {
            rule.set_name(&*"x".repeat(1_025));
            rule.set_permits(1);
        },
    ]);
    assert_eq!(
        found.unwrap_err(),
        [
            "rules[0].name: must have no control characters, found '\\n'",
            "rules[1].name: must have at most 1024 bytes, found 1025"
        ]
    );
}

#[test]
fn what_is_shown_without_a_file_is_the_default() {
    let linked = app_config::ConfigSchema::linked();
    let schema = linked.iter().find(|schema| schema.service() == QUOTA).unwrap();
    let json = <QuotaConfig as Config>::WITHOUT_FILE.unwrap();
    let file = app_config::author::compile(schema, json, None).unwrap();
    let read: QuotaConfig = parse(app_config::codec::decode(&file).unwrap()).unwrap();
    assert_eq!(read, <QuotaConfig as Config>::without_file());
}

#[test]
fn a_rule_says_whose_budget_it_is_and_what_holds_while_servers_are_away() {
    let config = read_rules(&[
        |mut rule| {
            rule.set_name("of the instance");
            rule.set_permits(1);
        },
        |mut rule| {
            rule.set_name("of the fleet");
            rule.set_permits(1);
            rule.set_scope(RuleScope::Fleet);
        },
        |mut rule| {
            rule.set_name("shared");
            rule.set_permits(1);
            rule.set_scope(RuleScope::Fleet);
            rule.set_when_away(SpecWhenAway::LocalShare);
            rule.set_instances(3);
        },
    ]);
    let scopes: Vec<_> = config.unwrap().rules.iter().map(|rule| rule.scope).collect();
    let three = std::num::NonZeroU16::new(3).unwrap();
    assert_eq!(
        scopes,
        [Scope::Instance, Scope::Fleet(WhenAway::Deny), Scope::Fleet(WhenAway::LocalShare(three))]
    );
}

#[test]
fn what_does_not_fit_the_scope_of_a_rule_is_refused() {
    let found = read_rules(&[
        |mut rule| {
            rule.set_name("a");
            rule.set_permits(1);
            rule.set_when_away(SpecWhenAway::LocalShare);
            rule.set_instances(3);
        },
        |mut rule| {
            rule.set_name("b");
            rule.set_permits(1);
            rule.set_scope(RuleScope::Fleet);
            rule.set_when_away(SpecWhenAway::LocalShare);
        },
        |mut rule| {
            rule.set_name("c");
            rule.set_permits(1);
            rule.set_scope(RuleScope::Fleet);
            rule.set_instances(3);
        },
        |mut rule| {
            rule.set_name("d");
            rule.set_permits(1);
            rule.set_period_millis(u32::MAX);
            rule.set_burst(8);
            rule.set_scope(RuleScope::Fleet);
        },
    ]);
    let found = found.unwrap_err();
    let places: Vec<_> = found.iter().map(|problem| problem.split(':').next().unwrap()).collect();
    assert_eq!(
        places,
        ["rules[0].whenAway", "rules[1].instances", "rules[2].instances", "rules[3].burst"],
        "{found:#?}"
    );
    assert!(found[3].contains("full within 366 days") && found[3].contains("found 397 days"), "{found:#?}");
}
