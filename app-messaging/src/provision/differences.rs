//! What a stream is, compared with what the program needs.

use std::time::Duration;

use crate::config::StreamStorage;
use crate::transport::{StreamConfig, WhenFull};

/// The wider of two limits. Zero is without limit.
fn wider(one: u64, other: u64) -> u64 {
    if one == 0 || other == 0 { 0 } else { one.max(other) }
}

fn longer(one: Duration, other: Duration) -> Duration {
    if one.is_zero() || other.is_zero() { Duration::ZERO } else { one.max(other) }
}

/// The stream as it is, extended to what is wanted. It never shrinks.
pub(crate) fn extended(found: &StreamConfig, wanted: &StreamConfig) -> StreamConfig {
    let mut subjects = found.subjects.clone();
    subjects.extend(wanted.subjects.iter().filter(|subject| !found.subjects.contains(subject)).cloned());
    let max_age = longer(found.max_age, wanted.max_age);
    let window = found.duplicate_window.max(wanted.duplicate_window);
    let mut extended = StreamConfig {
        name: found.name.clone(),
        subjects,
        max_age,
        max_bytes: wider(found.max_bytes, wanted.max_bytes),
        max_messages: wider(found.max_messages, wanted.max_messages),
        duplicate_window: if max_age.is_zero() { window } else { window.min(max_age) },
        storage: found.storage,
        replicas: found.replicas.max(wanted.replicas),
        when_full: found.when_full,
        release: found.release,
    };
    // A stream that needs nothing is not written only to note the release.
    if extended != *found {
        extended.release = found.release.max(wanted.release);
    }
    extended
}

/// The differences that no change mends.
pub(super) fn cannot_change(found: &StreamConfig, wanted: &StreamConfig) -> Vec<String> {
    let mut all = Vec::new();
    if found.storage != wanted.storage {
        all.push(format!(
            "storage is {}, and the program needs {}; no server changes it: set storage in streams of the config of messaging, or move the messages to a new stream",
            storage(found.storage),
            storage(wanted.storage)
        ));
    }
    if found.when_full != wanted.when_full {
        all.push(format!(
            "discard is {}, and the program needs {}; change it (nats stream edit --discard)",
            discard(found.when_full),
            discard(wanted.when_full)
        ));
    }
    all
}

/// Each setting in which the stream is less than is wanted, with the cure.
pub(super) fn lacks(found: &StreamConfig, wanted: &StreamConfig) -> Vec<String> {
    let mut all = cannot_change(found, wanted);
    let missing: Vec<_> =
        wanted.subjects.iter().filter(|subject| !found.subjects.contains(subject)).collect();
    if !missing.is_empty() {
        let missing: Vec<_> = missing.into_iter().map(String::as_str).collect();
        all.push(format!("subjects lack {}; add them (nats stream edit --subjects)", missing.join(" and ")));
    }
    if longer(found.max_age, wanted.max_age) != found.max_age {
        let (is, needs) = (age(found.max_age), age(wanted.max_age));
        all.push(cure("max_age", &is, &needs, "--max-age", "maxAgeSeconds"));
    }
    for (name, is, needs, flag, field) in [
        ("max_bytes", found.max_bytes, wanted.max_bytes, "--max-bytes", "maxBytes"),
        ("max_msgs", found.max_messages, wanted.max_messages, "--max-msgs", ""),
        ("num_replicas", found.replicas.into(), wanted.replicas.into(), "--replicas", "replicas"),
    ] {
        let enough = if name == "num_replicas" { is >= needs } else { wider(is, needs) == is };
        if !enough {
            all.push(cure(name, &number(is), &number(needs), flag, field));
        }
    }
    if found.duplicate_window < wanted.duplicate_window {
        let (is, needs) = (age(found.duplicate_window), age(wanted.duplicate_window));
        all.push(cure("duplicate_window", &is, &needs, "--dupe-window", "duplicateWindowSeconds"));
    }
    all
}

fn cure(name: &str, is: &str, needs: &str, flag: &str, field: &str) -> String {
    let or = if field.is_empty() {
        String::new()
    } else {
        format!(", or set {field} in streams of the config of messaging")
    };
    format!("{name} is {is}, and the program needs {needs}; raise it (nats stream edit {flag}){or}")
}

fn age(age: Duration) -> String {
    if age.is_zero() { "without limit".to_owned() } else { humantime::format_duration(age).to_string() }
}

fn number(number: u64) -> String {
    if number == 0 { "without limit".to_owned() } else { number.to_string() }
}

fn storage(storage: StreamStorage) -> &'static str {
    match storage {
        StreamStorage::File => "file",
        StreamStorage::Memory => "memory",
    }
}

fn discard(when_full: WhenFull) -> &'static str {
    match when_full {
        WhenFull::DropOldest => "old",
        WhenFull::Refuse => "new",
    }
}
