//! The schema of the quota service keeps the wire: node ids, ordinals, types and defaults are those of existing files and clients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use capnp::traits::HasTypeId;
use contract::{Row, check, enumerants, fields, rows};
use quota_schema::{METHODS, quota_capnp};

#[path = "../../schema/tests/wire/contract.rs"]
mod contract;

#[test]
fn the_quota_schema_keeps_the_wire() {
    check::<quota_capnp::quota_spec::Owned>(
        0xf1b1_466d_411b_9def,
        "QuotaSpec",
        &[(0, "rules", "List(QuotaRule)", "")],
    );
    check::<quota_capnp::quota_rule::Owned>(
        0xae3d_c0d2_7a25_5b5c,
        "QuotaRule",
        &[
            (0, "name", "Text", ""),
            (1, "permits", "UInt32", ""),
            (2, "periodMillis", "UInt32", "1000"),
            (3, "burst", "UInt32", ""),
            (4, "maxKeys", "UInt32", "100000"),
            (5, "scope", "RuleScope", ""),
            (6, "whenAway", "WhenAway", ""),
            (7, "instances", "UInt16", ""),
        ],
    );
    let members = |names: &[&str]| (0..).zip(names.iter().map(|name| (*name).to_owned())).collect::<Vec<_>>();
    assert_eq!(
        enumerants::<quota_capnp::RuleScope>(),
        (0xe8f7_41b5_1f65_513e, members(&["instance", "fleet"]))
    );
    assert_eq!(
        enumerants::<quota_capnp::WhenAway>(),
        (0x89da_472c_5966_7b6d, members(&["deny", "localShare"]))
    );
}

#[test]
fn the_messages_keep_the_wire() {
    let rule_and_key: [Row; 2] = [(0, "rule", "Text", ""), (1, "key", "Text", "")];
    check::<quota_capnp::exhausted::Owned>(
        0x93e3_4e54_a29d_a1a9,
        "Exhausted",
        &[
            rule_and_key[0],
            rule_and_key[1],
            (2, "retryAfterMillis", "UInt32", ""),
            (3, "atMillis", "Int64", ""),
        ],
    );
    check::<quota_capnp::refill::Owned>(0xab01_b1a0_857a_ea8d, "Refill", &rule_and_key);
    check::<quota_capnp::remaining_ask::Owned>(0xa44e_7f52_2c4e_61a2, "RemainingAsk", &rule_and_key);
    check::<quota_capnp::remaining_answer::Owned>(
        0x8ea5_910a_a0d9_94b5,
        "RemainingAnswer",
        &[(0, "remaining", "UInt32", "")],
    );
}

#[test]
fn what_the_instances_share_keeps_the_wire() {
    check::<quota_capnp::shared_bucket::Owned>(
        0xa9f0_45e7_79e9_614a,
        "SharedBucket",
        &[(0, "fullAtNanos", "Int64", ""), (1, "atNanos", "Int64", "")],
    );
}

#[test]
fn the_quota_interface_keeps_the_wire() {
    assert_eq!(quota_capnp::quota::Client::TYPE_ID, 0xe472_019f_31e4_976f);
    assert_eq!(
        fields::<quota_capnp::quota::acquire_params::Owned>(),
        rows(&[(0, "rule", "Text", ""), (1, "key", "Text", ""), (2, "permits", "UInt32", "1")])
    );
    assert_eq!(
        fields::<quota_capnp::quota::acquire_results::Owned>(),
        rows(&[
            (0, "granted", "Bool", ""),
            (1, "remaining", "UInt32", ""),
            (2, "retryAfterMillis", "UInt32", "")
        ])
    );
    assert_eq!(fields::<quota_capnp::quota::rules_params::Owned>(), rows(&[]));
    assert_eq!(
        fields::<quota_capnp::quota::rules_results::Owned>(),
        rows(&[(0, "rules", "List(QuotaRule)", "")])
    );
}

#[test]
fn the_file_keeps_its_id() {
    let path = format!("{}/capnp/quota.capnp", env!("CARGO_MANIFEST_DIR"));
    assert!(std::fs::read_to_string(path).unwrap().lines().any(|line| line == "@0xa59dc3c618efbe35;"));
}
