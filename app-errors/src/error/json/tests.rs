//! The keys of the JSON form, their formats, and which keys may be absent.

use std::io;

use app_ids::{ErrorId, ServiceId};

use super::*;
use crate::errors::{BUG, CONFIG_FAILURE, SERVICE_NOT_ALIVE};
use crate::{ErrSpec, ErrorSeverity, ErrorType};

const SERVICE: ServiceId = ServiceId::new(0xce1f_32c6_80e1_ef0b);

fn keys(json: &Value) -> Vec<&str> {
    json.as_object().unwrap().keys().map(String::as_str).collect()
}

#[test]
fn json_has_all_values_of_the_error() {
    let cause = BUG.error(SERVICE).message("not alive").cause(io::Error::other("reset")).build();
    let line = line!() + 1;
    let raised = CONFIG_FAILURE.error(SERVICE).cause(cause).message("a\n\"b\"").tags(["T2", "T1"]);
    let error = raised.context(json!({ "rule": [1, null] })).build();
    let mut json = error.to_json();
    let stack = json.as_object_mut().unwrap().remove("stack").unwrap();
    assert!(stack[0].as_str().unwrap().contains("json_has_all_values_of_the_error"), "{stack:#}");
    assert_eq!(
        json,
        json!({
            "id": "e75f1a73534f382d",
            "name": "ConfigFailure",
            "type": "config",
            "severity": "fatal",
            "message": "a\n\"b\"",
            "cause": ["not alive", "reset"],
            "tags": ["T1", "T2"],
            "context": { "rule": [1, null] },
            "uid": error.uid().hex(),
            "time": rfc3339(error.time()),
            "service": "ce1f32c680e1ef0b",
            "location": format!("{}:{line}", file!()),
        })
    );
    assert_eq!(json, error.to_json_without_stack());
}

#[test]
fn json_of_an_error_without_optional_values_has_only_the_keys_of_every_error() {
    let json = SERVICE_NOT_ALIVE.error(SERVICE).build().to_json();
    let expected =
        ["cause", "id", "location", "message", "name", "service", "severity", "tags", "time", "type", "uid"];
    assert_eq!(keys(&json), expected);
    assert_eq!((&json["cause"], &json["tags"]), (&json!([]), &json!([])));
    assert_eq!(json["message"], "ServiceNotAlive (9cb3a496d32894d2)");
}

#[test]
fn json_has_a_name_only_if_one_was_recorded() {
    let unnamed = ErrSpec::new(ErrorId::new(0xabc), ErrorType::Bug, ErrorSeverity::Low).without_stack();
    assert!(!keys(&unnamed.error(SERVICE).build().to_json()).contains(&"name"));
}

#[test]
fn json_takes_the_message_from_the_cause_if_there_is_none() {
    let cause = SERVICE_NOT_ALIVE.error(SERVICE).message("not alive").cause("reset").build();
    let json = BUG.error(SERVICE).cause(cause).build().to_json_without_stack();
    assert_eq!((&json["message"], &json["cause"]), (&json!("not alive"), &json!(["reset"])));
}

#[test]
fn json_of_a_long_chain_has_its_beginning() {
    let long = (0..10_000).fold(SERVICE_NOT_ALIVE.error(SERVICE).message("last").build(), |cause, at| {
        SERVICE_NOT_ALIVE.error(SERVICE).cause(cause).message(at.to_string()).build()
    });
    let json = long.to_json();
    assert_eq!(json["message"], "9999");
    assert_eq!(json["cause"].as_array().unwrap().len(), 32);
    assert_eq!(json["cause"][31], ".. (further causes left out)");
}

#[test]
fn time_is_rfc_3339_in_utc_with_nanoseconds() {
    let time = UNIX_EPOCH + Duration::new(1_700_000_000, 1);
    assert_eq!(rfc3339(time), "2023-11-14T22:13:20.000000001Z");
}

#[test]
fn a_time_outside_of_the_format_becomes_the_nearest_one() {
    assert_eq!(rfc3339(UNIX_EPOCH - Duration::from_secs(1)), "1970-01-01T00:00:00.000000000Z");
    let far = UNIX_EPOCH + Duration::from_secs(1 << 40);
    assert_eq!(rfc3339(far), "9999-12-31T23:59:59.999999999Z");
}
