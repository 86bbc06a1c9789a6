//! What a collector answers to a request.

use std::time::{Duration, SystemTime};

use app_config::quoted;
use hyper::HeaderMap;
use hyper::StatusCode;
use hyper::header::{CONTENT_TYPE, RETRY_AFTER};

use crate::wire::{Fields, Value};

/// The longest time that a collector may ask for before the next request.
pub(crate) const MAX_RETRY_AFTER: Duration = Duration::from_secs(30);

/// The outcome of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The collector took the spans, but for some of them.
    Accepted {
        rejected: u64,
        /// What it said, if it said something.
        said: String,
    },
    /// The request may be sent again.
    Later {
        /// Not before this time has passed.
        after: Option<Duration>,
        why: String,
    },
    /// The request must not be sent again.
    Refused(String),
}

impl Answer {
    pub(crate) fn later(why: impl Into<String>) -> Self {
        Self::Later { after: None, why: why.into() }
    }

    /// Reads an answer by the rules of OTLP.
    pub(crate) fn of(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        if status.is_success() {
            return accepted(headers, body);
        }
        let why = format!("the collector answered {status}{}", said_in(headers, body));
        match status.as_u16() {
            429 | 502 | 503 | 504 => Self::Later { after: retry_after(headers, SystemTime::now()), why },
            300..=399 => Self::Refused(format!(
                "{why}: it is elsewhere, and redirects are not followed; correct the endpoint"
            )),
            401 | 403 => Self::Refused(format!("{why}: correct the headers or the client certificate")),
            404 | 405 => Self::Refused(format!("{why}: correct the endpoint")),
            _ => Self::Refused(why),
        }
    }
}

/// What `retry-after` says: seconds, or a date.
fn retry_after(headers: &HeaderMap, now: SystemTime) -> Option<Duration> {
    let text = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    let after = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => date(text)?.duration_since(now).unwrap_or_default(),
    };
    Some(after.min(MAX_RETRY_AFTER))
}

/// A date such as `Sun, 06 Nov 1994 08:49:37 GMT`.
fn date(text: &str) -> Option<SystemTime> {
    let [_, day, month, year, time, "GMT"] = text.split(' ').collect::<Vec<_>>()[..] else { return None };
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    let (day, year): (u8, u16) = (day.parse().ok()?, year.parse().ok()?);
    humantime::parse_rfc3339(&format!("{year:04}-{month:02}-{day:02}T{time}Z")).ok()
}

fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

fn accepted(headers: &HeaderMap, body: &[u8]) -> Answer {
    let partial = match media_type(headers) {
        _ if body.is_empty() => Some((0, String::new())),
        "application/json" => partial_of_json(body),
        // Some collectors do not say what they send.
        "application/x-protobuf" | "" => partial(body),
        _ => None,
    };
    match partial {
        Some((rejected, said)) => Answer::Accepted { rejected, said },
        None => Answer::Refused(
            "the answer is not one of OTLP, so nothing is known of the spans; is the endpoint a collector?"
                .to_owned(),
        ),
    }
}

/// Reads `ExportTraceServiceResponse`. `None` if it is malformed.
fn partial(body: &[u8]) -> Option<(u64, String)> {
    let (mut rejected, mut said) = (0, String::new());
    let mut fields = Fields::of(body);
    while let Some(field) = fields.next_field() {
        let (1, Value::Bytes(partial)) = field? else { continue };
        let mut fields = Fields::of(partial);
        while let Some(field) = fields.next_field() {
            match field? {
                // A negative number makes no sense.
                (1, Value::Number(spans)) => rejected = i64::try_from(spans).map_or(0, i64::unsigned_abs),
                (2, Value::Bytes(text)) => said = shown(std::str::from_utf8(text).ok()?),
                _ => {}
            }
        }
    }
    Some((rejected, said))
}

fn partial_of_json(body: &[u8]) -> Option<(u64, String)> {
    let answer: serde_json::Value = serde_json::from_slice(body).ok()?;
    let partial = answer.as_object()?.get("partialSuccess").cloned().unwrap_or_default();
    // 64-bit numbers are texts in the JSON of Protocol Buffers.
    let rejected = match &partial["rejectedSpans"] {
        serde_json::Value::String(text) => text.parse().unwrap_or_default(),
        number => number.as_u64().unwrap_or_default(),
    };
    Some((rejected, partial["errorMessage"].as_str().map(shown).unwrap_or_default()))
}

/// What the body of a refusal says. It is `google.rpc.Status`, whose field 2 is a text, or a text itself.
fn said_in(headers: &HeaderMap, body: &[u8]) -> String {
    let mut said = None;
    if media_type(headers) == "application/x-protobuf" {
        let mut fields = Fields::of(body);
        while let Some(Some(field)) = fields.next_field() {
            if let (2, Value::Bytes(text)) = field {
                said = std::str::from_utf8(text).ok();
            }
        }
    } else if media_type(headers).starts_with("text/plain") || media_type(headers) == "application/json" {
        said = std::str::from_utf8(body).ok();
    }
    let said = said.map(str::trim).filter(|said| !said.is_empty());
    said.map(|said| format!(" and said {}", shown(said))).unwrap_or_default()
}

/// A text of a collector for people: quoted, escaped and shortened.
fn shown(text: &str) -> String {
    if text.is_empty() { String::new() } else { quoted(text) }
}

#[cfg(test)]
mod tests;
