//! The limits of a connection in a config.

use std::time::Duration;

use app_config::{Expected, Place};
use schema::rpc_capnp::rpc_limits;

use crate::Limits;

/// The smallest limit in bytes: every protocol message without content fits.
const MIN_BYTES: u32 = 4096;
/// The most calls in flight.
const MAX_CALLS: u32 = 1 << 20;
/// The longest drain in milliseconds. By default a service has 10 s to stop.
const MAX_DRAIN_MILLIS: u32 = 8000;
/// The largest limit of a message.
const MAX_MESSAGE_BYTES: u32 = 256 * 1024 * 1024;

/// Reads the limits, and adds every problem.
pub(super) fn read_limits(spec: rpc_limits::Reader<'_>, place: &mut Place<'_>) -> Limits {
    let message = spec.get_max_message_bytes();
    let ranges = [
        ("maxMessageBytes", message, MIN_BYTES, MAX_MESSAGE_BYTES),
        ("maxCalls", spec.get_max_calls(), 1, MAX_CALLS),
        ("maxHeldBytes", spec.get_max_held_bytes(), MIN_BYTES, u32::MAX),
        ("maxQueuedBytes", spec.get_max_queued_bytes(), message, u32::MAX),
        ("handshakeMillis", spec.get_handshake_millis(), 1, u32::MAX),
        ("stallMillis", spec.get_stall_millis(), 1, u32::MAX),
        ("idleSeconds", spec.get_idle_seconds(), 1, u32::MAX),
        ("drainMillis", spec.get_drain_millis(), 0, MAX_DRAIN_MILLIS),
    ];
    for (field, value, least, most) in ranges {
        if field == "maxQueuedBytes" && value < least {
            // The limit is a value of the config itself.
            let wrong = format_args!("must be {least} or more, found {value}");
            place.field(field).add_in_full("must not be below maxMessageBytes", wrong);
            continue;
        }
        within(value, least, most, &mut place.field(field));
    }
    let (peer_memory_bytes, memory_bytes) = read_memory(spec, place);
    Limits {
        message_bytes: to_usize(message),
        calls: to_usize(spec.get_max_calls()),
        held_bytes: to_usize(spec.get_max_held_bytes()),
        queued_bytes: to_usize(spec.get_max_queued_bytes()),
        peer_memory_bytes,
        memory_bytes,
        handshake: Duration::from_millis(spec.get_handshake_millis().into()),
        stall: Duration::from_millis(spec.get_stall_millis().into()),
        idle: Duration::from_secs(spec.get_idle_seconds().into()),
        drain: Duration::from_millis(spec.get_drain_millis().into()),
        ..Limits::default()
    }
}

/// The memory of one client, and of all clients.
fn read_memory(spec: rpc_limits::Reader<'_>, place: &mut Place<'_>) -> (usize, usize) {
    let message = to_usize(spec.get_max_message_bytes());
    let mut read = |field, rule: &'static str, value: u32, least: usize, default: usize| {
        let bytes = if value == 0 { default } else { to_usize(value) };
        if bytes < least {
            place.field(field).add_found(rule, value);
        }
        bytes
    };
    let one = read(
        "maxClientMemoryBytes",
        "must be 0, or at least four times maxMessageBytes",
        spec.get_max_client_memory_bytes(),
        Limits::least_peer_memory(message),
        Limits::default_peer_memory(message),
    );
    let all = read(
        "maxMemoryBytes",
        "must be 0, or at least what one client may take",
        spec.get_max_memory_bytes(),
        one,
        Limits::default_memory(one),
    );
    (one, all)
}

/// Adds a problem if a number is out of its range.
pub(super) fn within(value: u32, least: u32, most: u32, place: &mut Place<'_>) {
    if (least..=most).contains(&value) {
        return;
    }
    let rule = if most == u32::MAX {
        Expected::of_code(format_args!("must be {least} or more"))
    } else {
        Expected::of_code(format_args!("must be {least} to {most}"))
    };
    place.add_found(rule, value);
}

/// Reads the limit of a message in bytes.
pub(super) fn read_message_bytes(value: u32, place: &mut Place<'_>) -> usize {
    within(value, MIN_BYTES, MAX_MESSAGE_BYTES, place);
    to_usize(value)
}

fn to_usize(value: u32) -> usize {
    usize::try_from(value).unwrap_or(usize::MAX)
}
