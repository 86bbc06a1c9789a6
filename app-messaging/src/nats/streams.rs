//! Streams: making them, and what they hold.
//!
//! Of a stream that exists only the fields that this crate sets are changed; what else is in its config is sent back as it was.

use std::sync::Arc;
use std::time::SystemTime;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use super::api::{self, API_TIMEOUT, as_nanos, call, limit, nanos, number, time_of, try_call, word};
use super::headers;
use super::link::Link;
use crate::config::StreamStorage;
use crate::transport::{Incoming, Record, StreamConfig, StreamInfo, StreamState, TransportError, WhenFull};

/// How many copies a stream in a cluster has, unless the config says another number.
pub(super) const REPLICAS: u8 = 3;

/// What JetStream says when it has not the servers for so many copies.
pub(super) const TOO_FEW_SERVERS: [u64; 2] = [10_005, 10_074];

/// What JetStream says when there is no message.
const NO_MESSAGE: [u64; 2] = [10_037, 10_043];

/// What is before the release in a description.
const RELEASE: &str = "op release ";

/// The description of what this release provided.
pub(super) fn description(release: u64) -> String {
    format!("{RELEASE}{release:016x}")
}

/// The release in a description. Zero if there is none.
pub(super) fn release(config: &Value) -> u64 {
    let hex = word(config, "description").strip_prefix(RELEASE);
    hex.and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or_default()
}

fn no_limit(value: u64) -> Value {
    if value == 0 { json!(-1) } else { json!(value) }
}

/// Sets what this crate sets.
fn fill(config: &mut Value, with: &StreamConfig, replicas: Option<u8>) {
    config["name"] = json!(with.name);
    config["subjects"] = json!(with.subjects);
    config["max_age"] = json!(as_nanos(with.max_age));
    config["max_bytes"] = no_limit(with.max_bytes);
    config["max_msgs"] = no_limit(with.max_messages);
    config["duplicate_window"] = json!(as_nanos(with.duplicate_window));
    config["discard"] = json!(match with.when_full {
        WhenFull::DropOldest => "old",
        WhenFull::Refuse => "new",
    });
    config["storage"] = json!(match with.storage {
        StreamStorage::File => "file",
        StreamStorage::Memory => "memory",
    });
    config["description"] = json!(description(with.release));
    if let Some(replicas) = replicas {
        config["num_replicas"] = json!(replicas);
    }
}

/// Makes a stream, or sets the config of one that exists.
pub(super) async fn put(link: &Link, config: &StreamConfig, exists: bool) -> Result<(), TransportError> {
    let name = &config.name;
    let what = || format!("stream {name}");
    let chosen = (config.replicas > 0).then_some(config.replicas);
    if exists {
        let mut found = call(link, &format!("STREAM.INFO.{name}"), &Value::Null, what).await?;
        let mut with = found["config"].take();
        fill(&mut with, config, chosen);
        call(link, &format!("STREAM.UPDATE.{name}"), &with, what).await?;
        return Ok(());
    }
    let mut made =
        json!({ "retention": "limits", "max_consumers": -1, "max_msg_size": -1, "allow_direct": true });
    fill(&mut made, config, Some(chosen.unwrap_or(if link.in_cluster { REPLICAS } else { 1 })));
    let create = format!("STREAM.CREATE.{name}");
    match try_call(link, &create, &made, API_TIMEOUT).await? {
        Ok(_) => Ok(()),
        // A cluster of two, or one whose third server is away. `raise_copies` looks whether it is back.
        Err(error) if chosen.is_none() && TOO_FEW_SERVERS.contains(&error.err_code) => {
            made["num_replicas"] = json!(1);
            call(link, &create, &made, what).await.map(drop)
        }
        Err(error) => Err(error.about(&what())),
    }
}

/// Raises the copies of a stream in a cluster, if it may change it. Returns why it has fewer than a new one.
pub(super) async fn raise_copies(
    link: &Link,
    name: &str,
    change: bool,
) -> Result<Option<String>, TransportError> {
    if !link.in_cluster {
        return Ok(None);
    }
    let mut found =
        call(link, &format!("STREAM.INFO.{name}"), &Value::Null, || format!("stream {name}")).await?;
    let copies = number(&found["config"], "num_replicas").max(1);
    if copies >= REPLICAS.into() {
        return Ok(None);
    }
    let why = if change {
        let mut config = found["config"].take();
        config["num_replicas"] = json!(REPLICAS);
        match try_call(link, &format!("STREAM.UPDATE.{name}"), &config, API_TIMEOUT).await? {
            Ok(_) => return Ok(None),
            Err(error) => error.description,
        }
    } else {
        "the config says that nothing is changed".to_owned()
    };
    Ok(Some(format!(
        "has {copies} of {REPLICAS} copies in its cluster, so the loss of one server may lose it: {why}; raise it (nats stream edit {name} --replicas {REPLICAS})"
    )))
}

/// A stream as it is.
pub(super) async fn info(link: &Link, name: &str) -> Result<StreamInfo, TransportError> {
    let found = call(link, &format!("STREAM.INFO.{name}"), &Value::Null, || format!("stream {name}")).await?;
    Ok(StreamInfo {
        config: read_config(&found["config"]),
        state: read_state(&found["state"]),
        unfit: unfit(&found["config"]),
    })
}

fn read_config(config: &Value) -> StreamConfig {
    let subjects = config["subjects"].as_array().into_iter().flatten();
    StreamConfig {
        name: word(config, "name").to_owned(),
        subjects: subjects.filter_map(Value::as_str).map(str::to_owned).collect(),
        max_age: nanos(config, "max_age"),
        max_bytes: limit(config, "max_bytes"),
        max_messages: limit(config, "max_msgs"),
        duplicate_window: nanos(config, "duplicate_window"),
        storage: if word(config, "storage") == "memory" {
            StreamStorage::Memory
        } else {
            StreamStorage::File
        },
        replicas: u8::try_from(number(config, "num_replicas")).unwrap_or(u8::MAX),
        when_full: if word(config, "discard") == "new" { WhenFull::Refuse } else { WhenFull::DropOldest },
        release: release(config),
    }
}

fn read_state(state: &Value) -> StreamState {
    let (messages, last_sequence) = (number(state, "messages"), number(state, "last_seq"));
    // Servers differ in what they say of an empty stream.
    let first_sequence = if messages == 0 { last_sequence + 1 } else { number(state, "first_seq") };
    StreamState { messages, bytes: number(state, "bytes"), first_sequence, last_sequence }
}

/// What this crate never sets and can't work with.
fn unfit(config: &Value) -> Vec<String> {
    let mut unfit = Vec::new();
    let retention = word(config, "retention");
    if !["", "limits"].contains(&retention) {
        unfit.push(format!("retention is {}, and must be limits", super::link::shown(retention)));
    }
    for flag in ["sealed", "no_ack", "deny_delete"] {
        if config[flag].as_bool() == Some(true) {
            unfit.push(format!("{flag} is set, and must not be"));
        }
    }
    if limit(config, "max_msgs_per_subject") > 0 {
        unfit.push(
            "max_msgs_per_subject is set, so that later messages drop earlier ones, and must not be"
                .to_owned(),
        );
    }
    for part in ["mirror", "sources", "subject_transform"] {
        if !config[part].is_null() && config[part].as_array().is_none_or(|list| !list.is_empty()) {
            unfit.push(format!("{part} is set, and must not be"));
        }
    }
    unfit
}

/// What a stream holds.
pub(super) async fn state(link: &Link, name: &str) -> Result<StreamState, TransportError> {
    let found = call(link, &format!("STREAM.INFO.{name}"), &Value::Null, || format!("stream {name}")).await?;
    Ok(read_state(&found["state"]))
}

/// When a stream was made, and what it holds.
pub(super) async fn made_at(link: &Link, name: &str) -> Result<(SystemTime, StreamState), TransportError> {
    let found = call(link, &format!("STREAM.INFO.{name}"), &Value::Null, || format!("stream {name}")).await?;
    Ok((time_of(found.get("created")), read_state(&found["state"])))
}

/// The message that a request of `STREAM.MSG.GET` names. `None` if there is none.
pub(super) async fn message(
    link: &Link,
    stream: &str,
    which: &Value,
) -> Result<Option<Record>, TransportError> {
    match try_call(link, &format!("STREAM.MSG.GET.{stream}"), which, API_TIMEOUT).await? {
        Ok(found) => read_message(&found["message"]).map(Some),
        Err(error) if NO_MESSAGE.contains(&error.err_code) => Ok(None),
        Err(error) => Err(error.about(&format!("stream {stream}"))),
    }
}

fn read_message(message: &Value) -> Result<Record, TransportError> {
    let decode = |name: &str| {
        STANDARD.decode(word(message, name)).map_err(|_| {
            TransportError::Refused(format!("JetStream's answer makes no sense: {name} is no base64"))
        })
    };
    let block = decode("hdrs")?;
    let message_headers = if block.is_empty() { crate::wire::Headers::new() } else { headers::parse(&block) };
    Ok(Record {
        message: Incoming {
            subject: word(message, "subject").into(),
            reply: None,
            headers: Arc::new(message_headers),
            payload: Bytes::from(decode("data")?),
        },
        sequence: number(message, "seq"),
        stored_at: time_of(message.get("time")),
    })
}

/// The first message with this sequence or a later one, whose subject the filter covers.
pub(super) async fn next(
    link: &Link,
    stream: &str,
    from: u64,
    filter: Option<&str>,
) -> Result<Option<Record>, TransportError> {
    message(link, stream, &json!({ "seq": from.max(1), "next_by_subj": filter.unwrap_or(">") })).await
}

/// Removes a message. Returns whether it was there.
pub(super) async fn delete(link: &Link, stream: &str, sequence: u64) -> Result<bool, TransportError> {
    let body = json!({ "seq": sequence, "no_erase": true });
    match try_call(link, &format!("STREAM.MSG.DELETE.{stream}"), &body, API_TIMEOUT).await? {
        Ok(answer) => Ok(answer["success"].as_bool() == Some(true)),
        // Servers differ in the code; the text is the same.
        Err(error) if is_absent(&error) => Ok(false),
        Err(error) => Err(error.about(&format!("stream {stream}"))),
    }
}

fn is_absent(error: &api::ApiError) -> bool {
    let text = error.description.to_lowercase();
    NO_MESSAGE.contains(&error.err_code)
        || text.contains("no message found")
        || text.contains("sequence not found")
        || (text.contains("sequence") && text.contains("not found"))
}
