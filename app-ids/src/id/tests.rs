//! What all types have in common, and the names of metrics.

use std::collections::{BTreeMap, HashSet};

use super::*;

/// Runs a test for every type.
macro_rules! every_type {
    ($test:ident) => {
        $test!(
            DomainId,
            AppId,
            ReleaseId,
            InstanceId,
            ServiceId,
            ErrorId,
            LogEventId,
            MetricId,
            HealthCheckId,
            MessageId,
            StreamId,
            BucketId
        );
    };
}

#[test]
fn every_type_prints_lower_case_hexadecimal_without_prefix_or_padding() {
    macro_rules! test {
        ($($id:ident),+) => {$(
            let id = const { $id::new(0xE490_BF00_0000_0001) };
            assert_eq!(id.hex(), "e490bf0000000001");
            assert_eq!(id.to_string(), "e490bf0000000001");
            assert_eq!(format!("{:#}", $id::new(0xab)), "ab");
            assert_eq!(format!("{:>4}|{:x}|{:#x}", $id::new(0xab), $id::new(0xab), $id::new(0xab)), "  ab|ab|0xab");
            assert_eq!(format!("{:?}", $id::new(0xab)), concat!(stringify!($id), "(0xab)"));
            assert_eq!($id::new(0).hex(), "0");
            assert_eq!($id::new(u64::MAX).hex(), "ffffffffffffffff");
        )+};
    }
    every_type!(test);
}

#[test]
fn every_type_is_a_number_and_back() {
    macro_rules! test {
        ($($id:ident),+) => {$(
            assert_eq!($id::new(7).as_u64(), 7);
            assert_eq!(u64::from($id::from(7)), 7);
            assert_eq!($id::default(), $id::new(0));
            assert!($id::new(0).is_zero() && !$id::new(1).is_zero());
            assert!($id::new(1) < $id::new(2));
        )+};
    }
    every_type!(test);
}

#[test]
fn every_type_has_a_kind_of_its_own() {
    macro_rules! test {
        ($($id:ident),+) => {{
            let kinds = [$($id::KIND),+];
            assert_eq!(kinds, IdKind::ALL);
            assert_eq!(kinds.iter().collect::<HashSet<_>>().len(), 12);
            assert_eq!(kinds.iter().map(|kind| kind.noun()).collect::<HashSet<_>>().len(), 12);
        }};
    }
    every_type!(test);
}

#[test]
fn every_type_makes_new_ids_that_are_not_zero() {
    macro_rules! test {
        ($($id:ident),+) => {$(
            let ids: HashSet<$id> = (0..1_000).map(|_| $id::random()).collect();
            assert_eq!(ids.len(), 1_000);
            assert!(!ids.contains(&$id::new(0)));
        )+};
    }
    every_type!(test);
}

#[test]
fn json_is_the_hexadecimal_string() {
    let json = serde_json::to_string(&ServiceId::new(0xce1f_32c6_80e1_ef0b)).unwrap();
    assert_eq!(json, r#""ce1f32c680e1ef0b""#);
    for text in [r#""ce1f32c680e1ef0b""#, r#""0xce1f32c680e1ef0b""#, r#""0XCE1F32C680E1EF0B""#] {
        assert_eq!(serde_json::from_str::<ServiceId>(text).unwrap(), ServiceId::new(0xce1f_32c6_80e1_ef0b));
    }
}

#[test]
fn json_numbers_are_refused_since_they_may_have_been_rounded() {
    for text in ["12", "12.0", "-1", "14852645924238389003", "true", "null", "[]"] {
        let refused = serde_json::from_str::<ServiceId>(text).unwrap_err().to_string();
        assert!(refused.contains("expected a service id as a hexadecimal string"), "{refused}");
        let value: serde_json::Value = serde_json::from_str(text).unwrap();
        serde_json::from_value::<ServiceId>(value).unwrap_err();
    }
}

#[test]
fn a_json_string_that_is_no_id_is_refused_with_the_reason() {
    let refused = serde_json::from_str::<MetricId>(r#""0x12g4""#).unwrap_err().to_string();
    assert!(refused.contains(r#""0x12g4" is no metric id: 'g' is no digit"#), "{refused}");
}

#[test]
fn ids_are_keys_of_json_objects() {
    let by_service = BTreeMap::from([(ServiceId::new(0xab), 1), (ServiceId::new(0xcd), 2)]);
    let json = serde_json::to_string(&by_service).unwrap();
    assert_eq!(json, r#"{"ab":1,"cd":2}"#);
    assert_eq!(serde_json::from_str::<BTreeMap<ServiceId, i32>>(&json).unwrap(), by_service);
}

#[test]
fn a_metric_is_named_by_its_service_and_itself() {
    let service = ServiceId::new(0xe492_14fa_20b3_5ba8);
    assert_eq!(
        MetricId::new(0xdb72_2ec1_bb1b_5766).prometheus_name(service),
        "op_e49214fa20b35ba8_db722ec1bb1b5766"
    );
    assert_eq!(MetricId::new(0).prometheus_name(ServiceId::new(0)), "op_0_0");
}
