//! The headers of W3C Trace Context (<https://www.w3.org/TR/trace-context-1/>).
//!
//! What is malformed counts as absent. A malformed tracestate leaves the traceparent as it is.

use std::sync::Arc;

use super::context::TraceContext;
use super::ids::{SpanId, TraceId};

/// The length of a traceparent of version 0. Later versions may append a dash and more.
const LENGTH: usize = 55;
/// The most members of a tracestate. One with more is left out.
const MOST_MEMBERS: usize = 32;
/// The longest tracestate that is passed on. Of a longer one, members are left out.
const MOST_STATE_BYTES: usize = 512;
/// Members that are longer than this are left out first.
const LONG_MEMBER_BYTES: usize = 128;

pub(super) fn parse(traceparent: &str, tracestate: Option<&str>) -> Option<TraceContext> {
    let text = traceparent.trim_matches([' ', '\t']).as_bytes();
    let (head, more) = text.split_at_checked(LENGTH)?;
    let [v1, v2, b'-', rest @ ..] = head else { return None };
    let version = hex::<1>(&[*v1, *v2])?[0];
    let is_whole = match version {
        0xff => false,
        0 => more.is_empty(),
        _ => more.is_empty() || more.starts_with(b"-"),
    };
    let (trace_id, rest) = rest.split_at_checked(32)?;
    let (span_id, flags) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let flags = hex::<1>(flags.strip_prefix(b"-")?)?[0];
    let (trace_id, span_id) = (TraceId::from_bytes(hex(trace_id)?)?, SpanId::from_bytes(hex(span_id)?)?);
    is_whole.then(|| TraceContext::received(trace_id, span_id, flags & 1 != 0, tracestate))
}

pub(super) fn traceparent(context: &TraceContext) -> String {
    let TraceContext { trace_id, span_id, .. } = context;
    format!("00-{trace_id}-{span_id}-{:02x}", u8::from(context.sampled()))
}

/// Bytes from lower-case hexadecimal digits.
fn hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if digits.len() != 2 * N {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

/// A tracestate without spaces, empty members and repeated keys. `None` if it is malformed, or nothing is left.
pub(super) fn state(text: &str) -> Option<Arc<str>> {
    // A longer one has too many members, or one that is too long.
    if text.len() > MOST_MEMBERS * 1024 {
        return None;
    }
    let mut members: Vec<(&str, &str)> = Vec::new();
    let mut count = 0;
    for member in text.split(',').map(|member| member.trim_matches([' ', '\t'])) {
        if member.is_empty() {
            continue;
        }
        count += 1;
        let (key, value) = member.split_once('=')?;
        if count > MOST_MEMBERS || !is_key(key) || !is_value(value) {
            return None;
        }
        if !members.iter().any(|(known, _)| *known == key) {
            members.push((key, value));
        }
    }
    let mut length = members.iter().map(|(key, value)| key.len() + value.len() + 2).sum::<usize>();
    let mut leave_out = |members: &mut Vec<(&str, &str)>, least: usize| {
        let mut at = members.len();
        while length > MOST_STATE_BYTES + 1 && at > 0 {
            at -= 1;
            let member = members[at].0.len() + members[at].1.len() + 1;
            if member > least {
                length -= member + 1;
                members.remove(at);
            }
        }
    };
    leave_out(&mut members, LONG_MEMBER_BYTES);
    leave_out(&mut members, 0);
    let members: Vec<_> = members.into_iter().map(|(key, value)| format!("{key}={value}")).collect();
    (!members.is_empty()).then(|| members.join(",").into())
}

/// A key: `name`, or `tenant@system`. A digit in front is of level 2 of the specification.
fn is_key(key: &str) -> bool {
    let is_part = |part: &str, most: usize, digit_first: bool| {
        let first = |byte: &u8| byte.is_ascii_lowercase() || (digit_first && byte.is_ascii_digit());
        let other = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-*/".contains(&byte);
        part.len() <= most && part.as_bytes().first().is_some_and(first) && part.bytes().all(other)
    };
    match key.split_once('@') {
        None => is_part(key, 256, true),
        Some((tenant, system)) => is_part(tenant, 241, true) && is_part(system, 14, false),
    }
}

/// A value: printable ASCII without commas and equals signs, which does not end with a space.
fn is_value(value: &str) -> bool {
    let is_allowed = |byte: u8| (b' '..=b'~').contains(&byte) && byte != b',' && byte != b'=';
    !value.is_empty() && value.len() <= 256 && !value.ends_with(' ') && value.bytes().all(is_allowed)
}
