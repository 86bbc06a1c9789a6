//! Buckets: keys with revisions, as NATS' key-value buckets have them, so that other programs can read them.
//!
//! A bucket is a stream `KV_{bucket}` with the subjects `$KV.{bucket}.{key}`. The sequence of a message is the revision of its key.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::api::{API_TIMEOUT, as_nanos, call, limit, nanos, store_ack, try_call};
use super::link::Link;
use super::streams::{REPLICAS, TOO_FEW_SERVERS};
use super::{one_header, streams};
use crate::transport::{BucketConfig, Expected, RawEntry, Record, TransportError};

/// The header with the operation of an entry that has no value.
const OPERATION: &str = "KV-Operation";

/// The header with the revision that is expected.
const EXPECTED: &str = "Nats-Expected-Last-Subject-Sequence";

/// The longest time that ids of messages are remembered, which a stream can't be without.
const WINDOW: Duration = Duration::from_secs(120);

/// The stream of a bucket.
pub(super) fn stream(bucket: &str) -> String {
    format!("KV_{bucket}")
}

/// The subject of a key, as it is stored.
pub(super) fn subject(bucket: &str, key: &str) -> String {
    format!("$KV.{bucket}.{key}")
}

fn about(bucket: &str) -> impl Fn(TransportError) -> TransportError {
    move |error| match error {
        TransportError::NotFound(_) => TransportError::NotFound(format!("bucket {bucket}")),
        error => error,
    }
}

/// Makes a bucket, or raises its limits and its copies. Returns why a new one has fewer copies than others in its cluster.
pub(super) async fn ensure(link: &Link, config: &BucketConfig) -> Result<Option<String>, TransportError> {
    let name = stream(&config.name);
    let what = || format!("bucket {}", config.name);
    match try_call(link, &format!("STREAM.INFO.{name}"), &Value::Null, API_TIMEOUT).await? {
        Ok(mut found) => {
            raise(link, &name, found["config"].take(), config).await?;
            // Why it was made with fewer was said then.
            let _ = streams::raise_copies(link, &name, true).await;
            Ok(None)
        }
        Err(error) if error.code == 404 => {
            let mut made = new_config(config, if link.in_cluster { REPLICAS } else { 1 });
            let create = format!("STREAM.CREATE.{name}");
            match try_call(link, &create, &made, API_TIMEOUT).await? {
                Ok(_) => Ok(None),
                Err(error) if TOO_FEW_SERVERS.contains(&error.err_code) => {
                    made["num_replicas"] = json!(1);
                    call(link, &create, &made, what).await?;
                    streams::raise_copies(link, &name, true).await
                }
                Err(error) => Err(error.about(&what())),
            }
        }
        Err(error) => Err(error.about(&what())),
    }
}

fn new_config(config: &BucketConfig, replicas: u8) -> Value {
    let no_limit = |value: u64| if value == 0 { json!(-1) } else { json!(value) };
    let window = if config.max_age.is_zero() { WINDOW } else { WINDOW.min(config.max_age) };
    json!({
        "name": stream(&config.name),
        "subjects": [format!("$KV.{}.>", config.name)],
        "retention": "limits",
        "storage": "file",
        "discard": "new",
        "max_msgs_per_subject": config.history.clamp(1, 64),
        "max_msgs": -1,
        "max_bytes": no_limit(config.max_bytes),
        "max_msg_size": config.max_value_bytes,
        "max_age": as_nanos(config.max_age),
        "max_consumers": -1,
        "duplicate_window": as_nanos(window),
        "allow_rollup_hdrs": true,
        "allow_direct": true,
        "num_replicas": replicas,
    })
}

/// Raises the limits of a bucket that exists. Zero is the highest.
async fn raise(
    link: &Link,
    name: &str,
    mut found: Value,
    config: &BucketConfig,
) -> Result<(), TransportError> {
    let higher = |is: u64, wanted: u64| if is == 0 || wanted == 0 { 0 } else { is.max(wanted) };
    let (is_age, is_bytes) = (nanos(&found, "max_age"), limit(&found, "max_bytes"));
    let age = if is_age.is_zero() || config.max_age.is_zero() {
        Duration::ZERO
    } else {
        is_age.max(config.max_age)
    };
    let bytes = higher(is_bytes, config.max_bytes);
    let size = higher(limit(&found, "max_msg_size"), config.max_value_bytes as u64);
    if (age, bytes, size) == (is_age, is_bytes, limit(&found, "max_msg_size")) {
        return Ok(());
    }
    found["max_age"] = json!(as_nanos(age));
    found["max_bytes"] = if bytes == 0 { json!(-1) } else { json!(bytes) };
    found["max_msg_size"] = if size == 0 { json!(-1) } else { json!(size) };
    call(link, &format!("STREAM.UPDATE.{name}"), &found, || format!("bucket {}", config.name)).await.map(drop)
}

/// The entry in a stored message.
pub(super) fn entry(bucket: &str, record: &Record) -> Option<RawEntry> {
    let key = record.message.subject.strip_prefix(subject(bucket, "").as_str())?;
    let has_value = record.message.headers.get(OPERATION).is_none();
    Some(RawEntry {
        key: key.into(),
        value: has_value.then(|| record.message.payload.clone()),
        revision: record.sequence,
        stored_at: record.stored_at,
    })
}

/// The last entry of a key. It asks the leader of the stream, so that what was written before is seen.
pub(super) async fn get(link: &Link, bucket: &str, key: &str) -> Result<Option<RawEntry>, TransportError> {
    let which = json!({ "last_by_subj": subject(bucket, key) });
    let found = streams::message(link, &stream(bucket), &which).await.map_err(about(bucket))?;
    Ok(found.and_then(|record| entry(bucket, &record)))
}

/// Sets a key, or deletes it without a value.
pub(super) async fn put(
    link: &Link,
    bucket: &str,
    key: &str,
    value: Option<Bytes>,
    expected: Expected,
    timeout: Duration,
) -> Result<u64, TransportError> {
    let until = Instant::now() + timeout;
    let at = match expected {
        Expected::Any => None,
        Expected::Absent => Some(0),
        Expected::Revision(revision) => Some(revision),
    };
    match put_at(link, bucket, key, value.clone(), at, until).await {
        // A deleted key has an entry without a value, and is absent all the same.
        Err(TransportError::WrongRevision) if expected == Expected::Absent => {
            let found = tokio::time::timeout_at(until, get(link, bucket, key)).await;
            match found.unwrap_or(Err(TransportError::NoAnswer))? {
                Some(RawEntry { value: None, revision, .. }) => {
                    put_at(link, bucket, key, value, Some(revision), until).await
                }
                // It expired meanwhile.
                None => put_at(link, bucket, key, value, Some(0), until).await,
                Some(_) => Err(TransportError::WrongRevision),
            }
        }
        put => put,
    }
}

async fn put_at(
    link: &Link,
    bucket: &str,
    key: &str,
    value: Option<Bytes>,
    revision: Option<u64>,
    until: Instant,
) -> Result<u64, TransportError> {
    let stored = subject(bucket, key);
    // In another domain, the calls' prefix leads to the stream.
    let subject = if link.api == super::settings::DEFAULT_API {
        stored.clone()
    } else {
        format!("{}.{stored}", link.api)
    };
    let mut headers = revision.map(|revision| one_header(EXPECTED, &revision.to_string()));
    if value.is_none() {
        headers.get_or_insert_default().append(OPERATION, "DEL");
    }
    let payload = value.unwrap_or_default();
    // The bucket's own limit is the server's to tell; this one would end the connection.
    let bytes = payload.len() + 256;
    if bytes > link.max_payload() {
        return Err(TransportError::TooLarge { bytes, limit: link.max_payload() });
    }
    let missing = || TransportError::NotFound(format!("bucket {bucket}"));
    match link.call(subject.into(), headers, payload, until).await {
        Ok(answer) => store_ack(&answer, &stored).map(|ack| ack.sequence).map_err(about(bucket)),
        Err(TransportError::NoResponders) => Err(missing()),
        Err(error) => Err(error),
    }
}

/// Removes the entry of a key with this revision, if it is still there.
pub(super) async fn forget(
    link: &Link,
    bucket: &str,
    key: &str,
    revision: u64,
) -> Result<(), TransportError> {
    let name = stream(bucket);
    let is_it = streams::message(link, &name, &json!({ "seq": revision })).await.map_err(about(bucket))?;
    if is_it.is_some_and(|record| *record.message.subject == *subject(bucket, key)) {
        streams::delete(link, &name, revision).await.map_err(about(bucket))?;
    }
    Ok(())
}

/// The kept entries of a key, oldest first.
pub(super) async fn history(link: &Link, bucket: &str, key: &str) -> Result<Vec<RawEntry>, TransportError> {
    let (name, filter) = (stream(bucket), subject(bucket, key));
    let (mut all, mut from) = (Vec::new(), 1);
    // A key has at most 64 entries; more come only while it changes.
    while all.len() < 256 {
        let Some(record) = streams::next(link, &name, from, Some(&filter)).await.map_err(about(bucket))?
        else {
            break;
        };
        from = record.sequence + 1;
        all.extend(entry(bucket, &record));
    }
    Ok(all)
}
