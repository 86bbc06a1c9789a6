//! Reads the body of a request that changes something.

use std::time::Duration;

use app_core::prelude::ServiceId;
use serde::Deserialize;
use serde_json::Value;

use crate::apps::{Call, Change, Changed};

/// Longest reason in bytes, as in the apps.
const MOST_REASON: usize = 1024;
/// Longest names and request ids in bytes.
const MOST_NAME: usize = 256;
/// Longest time of an operation, and the time if the request names none.
const MOST_TIME: Duration = Duration::from_secs(60);
const USUAL_TIME: Duration = Duration::from_secs(20);

/// A change from its JSON: `{"change": "restart", "service": "0x..", "reason": ".."}`.
///
/// # Errors
/// What is wrong with the body.
pub(crate) fn change(body: &[u8]) -> Result<Change, String> {
    let body: Value = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    let Value::Object(mut fields) = body else { return Err("the body: expected an object".to_owned()) };
    let reason = match fields.remove("reason") {
        Some(Value::String(reason)) => reason,
        None => String::new(),
        Some(_) => return Err("reason: expected a text".to_owned()),
    };
    check_reason(&reason)?;
    let confirmed = match fields.remove("confirmed") {
        None => false,
        Some(Value::Bool(confirmed)) => confirmed,
        Some(_) => return Err("confirmed: expected true or false".to_owned()),
    };
    let what: Changed =
        serde_json::from_value(Value::Object(fields)).map_err(|error| format!("the body: {error}"))?;
    if what.destroys() && !confirmed {
        return Err("confirmed: this cannot be undone; send true".to_owned());
    }
    Ok(Change { what, reason })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CallBody {
    service: String,
    name: String,
    #[serde(default)]
    arguments: Option<Value>,
    #[serde(default)]
    reason: String,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    confirmed: bool,
    #[serde(default)]
    time_millis: Option<u64>,
}

/// A call of an operation from its JSON. The app checks the arguments, the reason and the confirmation, since it knows the
/// operation.
///
/// # Errors
/// What is wrong with the body.
pub(crate) fn call(body: &[u8]) -> Result<Call, String> {
    let body: CallBody = serde_json::from_slice(body).map_err(|error| format!("the body: {error}"))?;
    let service = crate::parse::hex_or_zero(&body.service).map_err(|why| format!("service: {why}"))?;
    for (field, text) in [("name", &body.name), ("request_id", &body.request_id)] {
        if text.len() > MOST_NAME {
            return Err(format!("{field}: has {} bytes, at most {MOST_NAME}", text.len()));
        }
    }
    if body.reason.len() > MOST_REASON {
        return Err(format!("reason: has {} bytes, at most {MOST_REASON}", body.reason.len()));
    }
    let arguments = body.arguments.unwrap_or_else(|| Value::Object(serde_json::Map::new()));
    if !arguments.is_object() {
        return Err("arguments: expected an object".to_owned());
    }
    Ok(Call {
        service: ServiceId::new(service),
        name: body.name,
        arguments,
        reason: body.reason,
        request_id: body.request_id,
        confirmed: body.confirmed,
        time: body.time_millis.map_or(USUAL_TIME, Duration::from_millis).min(MOST_TIME),
    })
}

fn check_reason(reason: &str) -> Result<(), String> {
    if reason.trim().is_empty() {
        return Err("reason: is missing; say why, for the log of the app".to_owned());
    }
    if reason.len() > MOST_REASON {
        return Err(format!("reason: has {} bytes, at most {MOST_REASON}", reason.len()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_has_a_reason_and_a_destructive_one_is_confirmed() {
        let good = change(br#"{"change":"restart","service":"0x10","reason":"stuck"}"#).unwrap();
        assert_eq!(good, Change { what: Changed::Restart { service: 16 }, reason: "stuck".to_owned() });
        let good = change(br#"{"change":"stop","reason":"r","confirmed":true}"#).unwrap();
        assert_eq!(good.what, Changed::Stop { drain_millis: None });
        let good =
            change(br#"{"change":"set_level","level":"debug","service":null,"for_millis":5,"reason":"r"}"#);
        assert_eq!(
            good.unwrap().what,
            Changed::SetLevel { service: None, level: "debug".to_owned(), for_millis: 5 }
        );
        assert_eq!(change(br#"{"change":"reload","reason":"r"}"#).unwrap().what, Changed::Reload {});
    }

    #[test]
    fn a_wrong_body_is_refused_with_what_is_wrong() {
        let long = format!(r#"{{"change":"reload","reason":"{}"}}"#, "x".repeat(1025));
        for (body, why) in [
            ("", "the body: EOF"),
            ("[]", "expected an object"),
            ("{}", "reason: is missing"),
            (r#"{"change":"reload","reason":" "}"#, "reason: is missing"),
            (r#"{"change":"reload","reason":7}"#, "reason: expected a text"),
            (r#"{"change":"reload","reason":"r","confirmed":1}"#, "confirmed: expected"),
            (r#"{"change":"stop","reason":"r"}"#, "confirmed: this cannot be undone"),
            (r#"{"change":"explode","reason":"r"}"#, "unknown variant `explode`"),
            (r#"{"change":"restart","reason":"r"}"#, "missing field `service`"),
            (r#"{"change":"restart","service":"quota","reason":"r"}"#, "expected 0x"),
            (r#"{"change":"restart","service":7,"reason":"r"}"#, "invalid type"),
            (r#"{"change":"restart","service":"0x1","reason":"r","yes":1}"#, "unknown field `yes`"),
            (long.as_str(), "has 1025 bytes"),
        ] {
            let refused = change(body.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{body}: {refused}");
        }
    }

    #[test]
    fn a_call_has_an_object_as_arguments_and_bounded_texts() {
        let good = call(br#"{"service":"0x0","name":"whoami"}"#).unwrap();
        assert_eq!((good.service.as_u64(), good.time), (0, USUAL_TIME));
        assert_eq!(good.arguments, serde_json::json!({}));
        let long = format!(r#"{{"service":"0x1","name":"{}"}}"#, "x".repeat(257));
        for (body, why) in [
            (r#"{"service":"0x1"}"#, "missing field `name`"),
            (r#"{"service":"one","name":"x"}"#, "service: an id"),
            (r#"{"service":"0x1","name":"x","arguments":[1]}"#, "arguments: expected an object"),
            (r#"{"service":"0x1","name":"x","wait":1}"#, "unknown field `wait`"),
            (long.as_str(), "name: has 257 bytes"),
        ] {
            let refused = call(body.as_bytes()).unwrap_err();
            assert!(refused.contains(why), "{body}: {refused}");
        }
        let endless = call(br#"{"service":"0x1","name":"x","time_millis":99999999}"#).unwrap();
        assert_eq!(endless.time, MOST_TIME);
    }
}
