//! Arguments that are refused, and the error texts.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use app_config::Config;
use app_core::prelude::errors;

use super::{Limits, MAX_KEY_BYTES};
use crate::{QUOTA, QuotaConfig, Rule};

fn limits() -> Limits {
    Limits::new(&<QuotaConfig as Config>::without_file())
}

fn refusal(rule: &str, key: &str, permits: u32) -> String {
    let refused = limits().request(rule, key, permits).unwrap_err();
    assert!(refused.is(&errors::ILLEGAL_ARGUMENT));
    assert_eq!(refused.service(), QUOTA);
    refused.to_string()
}

#[test]
fn a_good_call_is_taken_as_it_is() {
    let request = limits().request("default", "a", 100).unwrap();
    assert_eq!((request.rule, &*request.key, request.permits), (0, "a", 100));
}

#[test]
fn an_unknown_rule_is_refused_and_the_known_ones_are_named() {
    assert_eq!(refusal("nosuch", "a", 1), "rule: there is no rule \"nosuch\"; there are \"default\"");
    assert_eq!(refusal("", "a", 1), "rule: there is no rule \"\"; there are \"default\"");
}

#[test]
fn a_refusal_is_short_and_on_one_line_whatever_was_asked() {
    let rules = (0..1_000).map(|number| Rule { name: format!("rule{number}"), ..Rule::default() });
    let limits = Limits::new(&QuotaConfig { rules: rules.collect() });
    let refused = limits.request(&"\n\u{1b}[2J".repeat(100_000), "a", 1).unwrap_err().to_string();
    assert!(refused.len() < 1_000, "{refused}");
    assert!(!refused.contains(char::is_control), "{refused:?}");
    assert!(refused.ends_with("\"rule9\" and others"), "{refused}");
}

#[test]
fn no_permits_and_more_than_the_burst_are_refused() {
    assert_eq!(refusal("default", "a", 0), "permits: must not be zero");
    assert_eq!(
        refusal("default", "a", 101),
        "permits: 101 is more than the burst of rule \"default\", which is 100"
    );
}

#[test]
fn a_key_has_a_byte_at_least_and_a_thousand_at_most() {
    assert!(refusal("default", "", 1).starts_with("key: must not be empty"));
    let longest = "é".repeat(MAX_KEY_BYTES / 2);
    assert!(limits().request("default", &longest, 1).is_ok());
    assert_eq!(refusal("default", &format!("{longest}a"), 1), "key: at most 1024 bytes, found 1025");
}
