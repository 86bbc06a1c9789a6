//! The calls of JetStream: JSON in, JSON out, each with a deadline.

use std::time::{Duration, SystemTime};

use async_nats::Message;
use serde_json::Value;
use tokio::time::Instant;

use super::link::{Link, shown};
use crate::transport::{StoreAck, TransportError};

/// How long a call of JetStream may take.
pub(super) const API_TIMEOUT: Duration = Duration::from_secs(5);

/// What JetStream says when the last sequence of a subject is not the expected one.
const WRONG_LAST_SEQUENCE: u64 = 10_071;

/// JetStream does not answer at all.
const UNAVAILABLE: &str =
    "JetStream does not answer: it is not enabled for the account, or has no leader at the moment";

/// An error of JetStream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ApiError {
    pub(super) code: u64,
    pub(super) err_code: u64,
    pub(super) description: String,
}

impl ApiError {
    /// The error in an answer, if there is one.
    pub(super) fn of(answer: &Value) -> Option<Self> {
        let error = answer.get("error")?;
        let number = |name| error.get(name).and_then(Value::as_u64).unwrap_or_default();
        let description =
            error.get("description").and_then(Value::as_str).unwrap_or("an error without a text");
        Some(Self { code: number("code"), err_code: number("err_code"), description: shown(description) })
    }

    /// The error of a call about this thing.
    pub(super) fn about(self, what: &str) -> TransportError {
        if self.err_code == WRONG_LAST_SEQUENCE {
            return TransportError::WrongRevision;
        }
        if self.code == 404 {
            return TransportError::NotFound(what.to_owned());
        }
        TransportError::Refused(self.description)
    }
}

/// Calls `{api}.{call}`. The outer error is that nothing is known of the call, the inner one is that of JetStream.
pub(super) async fn try_call(
    link: &Link,
    call: &str,
    body: &Value,
    timeout: Duration,
) -> Result<Result<Value, ApiError>, TransportError> {
    let subject = format!("{}.{call}", link.api).into();
    let payload = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    if payload.len() > link.max_payload() {
        return Err(TransportError::TooLarge { bytes: payload.len(), limit: link.max_payload() });
    }
    let answer = match link.call(subject, None, payload.into(), Instant::now() + timeout).await {
        Err(TransportError::NoResponders) => return Err(TransportError::Refused(UNAVAILABLE.to_owned())),
        answer => answer?,
    };
    let answer: Value = serde_json::from_slice(&answer.payload)
        .map_err(|error| TransportError::Refused(format!("JetStream's answer makes no sense: {error}")))?;
    Ok(match ApiError::of(&answer) {
        Some(error) => Err(error),
        None => Ok(answer),
    })
}

/// Calls `{api}.{call}` about a thing.
pub(super) async fn call(
    link: &Link,
    call: &str,
    body: &Value,
    what: impl FnOnce() -> String,
) -> Result<Value, TransportError> {
    try_call(link, call, body, API_TIMEOUT).await?.map_err(|error| error.about(&what()))
}

/// The acknowledgement of a stream.
#[derive(serde::Deserialize)]
struct PubAck<'a> {
    #[serde(borrow, default)]
    stream: std::borrow::Cow<'a, str>,
    #[serde(default)]
    seq: u64,
    #[serde(default)]
    duplicate: bool,
}

/// Reads what a stream answered to a message for `subject`.
pub(super) fn store_ack(answer: &Message, subject: &str) -> Result<StoreAck, TransportError> {
    let nonsense = || {
        let text = shown(&String::from_utf8_lossy(&answer.payload));
        TransportError::Refused(format!("what answered on {subject} is no stream: {text:?}"))
    };
    if let Ok(PubAck { stream, seq, duplicate }) = serde_json::from_slice(&answer.payload)
        && seq > 0
        && !stream.is_empty()
    {
        return Ok(StoreAck { stream: stream.as_ref().into(), sequence: seq, duplicate });
    }
    let value: Value = serde_json::from_slice(&answer.payload).map_err(|_| nonsense())?;
    let error = ApiError::of(&value).ok_or_else(nonsense)?;
    Err(error.about(&format!("a stream with the subject {subject}")))
}

/// A time as JetStream writes it.
pub(super) fn time_of(value: Option<&Value>) -> SystemTime {
    let text = value.and_then(Value::as_str).unwrap_or_default();
    humantime::parse_rfc3339(text).unwrap_or(SystemTime::UNIX_EPOCH)
}

pub(super) fn number(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_u64).unwrap_or_default()
}

/// A number that JetStream writes as -1 or 0 when there is no limit.
pub(super) fn limit(value: &Value, name: &str) -> u64 {
    value.get(name).and_then(Value::as_i64).and_then(|limit| u64::try_from(limit).ok()).unwrap_or_default()
}

pub(super) fn nanos(value: &Value, name: &str) -> Duration {
    Duration::from_nanos(limit(value, name))
}

pub(super) fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// A duration for JetStream. Longer ones than it can write are as long as it can.
pub(super) fn as_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
