//! Every printed form reads back as the same id, and no text makes reading panic.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use app_ids::{
    AppId, BucketId, DomainId, ErrorId, HealthCheckId, InstanceId, LogEventId, MessageId, MetricId,
    ReleaseId, ServiceId, StreamId,
};
use proptest::prelude::*;

fn hash(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// Ids as they are (random), and the small and large ones where digits begin and end.
fn any_id() -> impl Strategy<Value = u64> {
    prop_oneof![any::<u64>(), 0..300_u64, u64::MAX - 300..=u64::MAX, (0..64_u32).prop_map(|bit| 1 << bit)]
}

macro_rules! round_trips {
    ($($id:ident $test:ident),+) => {
        proptest! {
            $(
                #[test]
                fn $test(number in any_id(), other in any_id()) {
                    let id = $id::new(number);
                    prop_assert_eq!(number.to_string().parse::<$id>(), Ok(id));
                    prop_assert_eq!(format!("{id:#x}").parse::<$id>(), Ok(id));
                    prop_assert_eq!(format!("0X{}", id.hex().to_uppercase()).parse::<$id>(), Ok(id));
                    prop_assert_eq!(format!("{id:x}"), id.hex());
                    prop_assert_eq!(u64::from_str_radix(&id.to_string(), 16), Ok(number));

                    let json = serde_json::to_string(&id).unwrap();
                    prop_assert_eq!(&json, &format!("\"{id}\""));
                    prop_assert_eq!(serde_json::from_str::<$id>(&json).unwrap(), id);
                    prop_assert_eq!(serde_json::from_str::<$id>(&format!("\"{id:#x}\"")).unwrap(), id);
                    prop_assert_eq!(serde_json::from_value::<$id>(serde_json::to_value(id).unwrap()).unwrap(), id);
                    prop_assert!(serde_json::from_str::<$id>(&number.to_string()).is_err());

                    prop_assert_eq!(id.cmp(&$id::new(other)), number.cmp(&other));
                    prop_assert_eq!(id == $id::new(other), number == other);
                    prop_assert_eq!(hash(id), hash($id::new(number)));
                }
            )+
        }
    };
}

round_trips! {
    DomainId every_form_of_a_domain_id_reads_back,
    AppId every_form_of_an_app_id_reads_back,
    ReleaseId every_form_of_a_release_id_reads_back,
    InstanceId every_form_of_an_instance_id_reads_back,
    ServiceId every_form_of_a_service_id_reads_back,
    ErrorId every_form_of_an_error_id_reads_back,
    LogEventId every_form_of_a_log_event_id_reads_back,
    MetricId every_form_of_a_metric_id_reads_back,
    HealthCheckId every_form_of_a_health_check_id_reads_back,
    MessageId every_form_of_a_message_id_reads_back,
    StreamId every_form_of_a_stream_id_reads_back,
    BucketId every_form_of_a_bucket_id_reads_back
}

/// What reading ought to do, said another way: all digits of the radix, and in range.
fn expected(text: &str) -> Option<u64> {
    let (digits, radix) = match text.get(..2) {
        Some("0x" | "0X") => (&text[2..], 16),
        _ => (text, 10),
    };
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| char::from(byte).is_digit(radix));
    if all_digits { u64::from_str_radix(digits, radix).ok() } else { None }
}

proptest! {
    #[test]
    fn any_text_is_read_or_refused_on_one_short_line(text in ".{0,200}|[0-9a-fxX_+ \\-]{0,30}|0[xX][0-9a-fA-F]{0,20}") {
        match text.parse::<ServiceId>() {
            Ok(id) => prop_assert_eq!(Some(id.as_u64()), expected(&text)),
            Err(refused) => {
                prop_assert_eq!(None, expected(&text));
                let refused = refused.to_string();
                prop_assert!(refused.len() < 600, "{}", refused);
                prop_assert!(!refused.contains(char::is_control), "{}", refused);
            }
        }
    }

    #[test]
    fn any_json_is_read_or_refused(text in any::<String>()) {
        let _read_or_refused = serde_json::from_str::<ServiceId>(&text);
        let _read_or_refused = serde_json::from_value::<ServiceId>(text.into());
    }
}
