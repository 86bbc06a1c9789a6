//! The schema of the quota service keeps the wire: node ids, ordinals, types and defaults are those of existing files and clients.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "this schema has no enum")]

use capnp::traits::HasTypeId;
use contract::{check, fields, rows};
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
        ],
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
