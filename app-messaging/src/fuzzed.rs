//! The root of another crate, `app-messaging/fuzz`: the modules that read bytes of strangers, compiled for fuzz targets. The targets
//! use private items that way, and `app-messaging` does not have to make them public.
//!
//! Nothing in `app-messaging` refers to this file. It is here because a crate looks for its modules beside its root.

#[allow(dead_code, unused_imports, missing_docs, reason = "fuzz targets use a part of it")]
mod wire;

#[path = "discovery/instance.rs"]
#[allow(dead_code, missing_docs, unreachable_pub, reason = "fuzz targets use a part of it")]
mod instance;

use instance::Instance;
use quota_schema::quota_capnp::quota_spec;
use wire::{DeadLetterHeaders, Envelope, Headers, Limits, Payload, Subject};

/// The limits of a payload here.
const PACKED_BYTES: usize = 4 << 10;

/// A subject, then lines of the form `name: value`.
///
/// # Panics
/// When something was found.
pub fn headers(input: &str) {
    let mut lines = input.split('\n');
    if let Some(subject) = lines.next()
        && let Some(read) = Subject::parse(subject)
    {
        assert_eq!(read.to_string(), subject, "a subject has one form");
    }
    let mut headers = Headers::new();
    for (name, value) in lines.filter_map(|line| line.split_once(':')) {
        headers.append(name, value);
    }
    assert!(headers.iter().count() <= 64 && headers.wire_bytes() <= input.len() + 12 + 64 * 4);
    let read = Envelope::read(&headers, 7.into());
    assert_eq!(Envelope::read(&read.write(7.into()), 7.into()), read, "what is understood reads back");
    let _ = DeadLetterHeaders::read(&headers);
}

/// A packed payload.
///
/// # Panics
/// When something was found.
pub fn payload(input: &[u8]) {
    let Ok(payload) = Payload::<quota_spec::Owned>::decode(input, Limits::new(PACKED_BYTES)) else { return };
    assert!(payload.unpacked_bytes() <= PACKED_BYTES * 8, "within the limit");
    let reader = payload.read().expect("it was decoded");
    let Ok(rules) = reader.get().expect("it was decoded").get_rules() else { return };
    for rule in rules {
        let _ = rule.get_name().map(|name| name.to_str().is_ok());
    }
}

/// What answers `$SRV.INFO`.
///
/// # Panics
/// When something was found.
pub fn instance(input: &[u8]) {
    let Some(read) = Instance::read(input) else { return };
    let ids = [&read.app, &read.domain, &read.instance, &read.release];
    assert!(ids.iter().all(|id| u64::from_str_radix(id, 16).is_ok()), "ids are ids");
    assert!(!read.state.contains(char::is_control) && read.state.len() <= 64, "the state is a word");
    assert!(read.endpoints.len() <= 256, "within the limit");
    for endpoint in &read.endpoints {
        assert!(endpoint.address.parse::<std::net::SocketAddr>().is_ok(), "an address is one");
        assert!(read.addresses_of(&endpoint.server_name).count() > 0, "it is found by its name");
    }
}
