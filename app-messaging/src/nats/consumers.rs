//! Durable consumers: making them, and how far they are.

use std::time::SystemTime;

use serde_json::{Value, json};

use super::api::{API_TIMEOUT, as_nanos, call, limit, nanos, number, time_of, try_call, word};
use super::link::{Link, shown};
use super::streams::{description, release};
use crate::transport::{ConsumerConfig, ConsumerInfo, ConsumerState, DeliverPolicy, TransportError};

/// The most consumers of a stream that are listed.
const MAX_LISTED: usize = 1_024;

/// What JetStream says when the consumer does not exist.
const NO_CONSUMER: u64 = 10_014;

fn what(stream: &str, consumer: &str) -> String {
    format!("consumer {consumer} of stream {stream}")
}

fn rfc3339(time: SystemTime) -> String {
    humantime::format_rfc3339_nanos(time).to_string()
}

/// Sets what may change of a consumer.
fn fill(config: &mut Value, with: &ConsumerConfig) {
    config["ack_wait"] = json!(as_nanos(with.ack_wait));
    config["max_ack_pending"] = json!(with.max_ack_pending);
    config["description"] = json!(description(with.release));
}

fn new_config(with: &ConsumerConfig) -> Value {
    let mut config = json!({
        "name": with.name,
        "durable_name": with.name,
        "ack_policy": "explicit",
        "replay_policy": "instant",
        "max_deliver": -1,
    });
    if let Some(filter) = &with.filter {
        config["filter_subject"] = json!(filter);
    }
    match with.deliver {
        DeliverPolicy::All => config["deliver_policy"] = json!("all"),
        DeliverPolicy::FromSequence(sequence) => {
            config["deliver_policy"] = json!("by_start_sequence");
            config["opt_start_seq"] = json!(sequence.max(1));
        }
        DeliverPolicy::FromTime(time) => {
            config["deliver_policy"] = json!("by_start_time");
            config["opt_start_time"] = json!(rfc3339(time));
        }
    }
    fill(&mut config, with);
    config
}

async fn find(link: &Link, stream: &str, consumer: &str) -> Result<Option<Value>, TransportError> {
    match try_call(link, &format!("CONSUMER.INFO.{stream}.{consumer}"), &Value::Null, API_TIMEOUT).await? {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.err_code == NO_CONSUMER => Ok(None),
        Err(error) => Err(error.about(&format!("stream {stream}"))),
    }
}

/// Makes a durable consumer, or changes its ack wait, its limit and its release.
pub(super) async fn ensure(
    link: &Link,
    stream: &str,
    config: &ConsumerConfig,
) -> Result<ConsumerState, TransportError> {
    let name = &config.name;
    let wanted = match find(link, stream, name).await? {
        None => new_config(config),
        Some(mut found) => {
            let is = read(&found);
            if is.config.filter != config.filter {
                let reason = format!(
                    "consumer {name} has another filter; delete it, or give the new one another name"
                );
                return Err(TransportError::Refused(reason));
            }
            let same = (is.config.ack_wait, is.config.max_ack_pending, is.config.release)
                == (config.ack_wait, config.max_ack_pending, config.release);
            if same {
                return Ok(is.state);
            }
            let mut wanted = found["config"].take();
            fill(&mut wanted, config);
            wanted
        }
    };
    let body = json!({ "stream_name": stream, "config": wanted });
    call(link, &format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"), &body, || format!("stream {stream}"))
        .await?;
    // Old servers ignore fields that they do not know, so what counts is what is there now.
    let made = find(link, stream, name).await?.ok_or_else(|| TransportError::NotFound(what(stream, name)))?;
    let made = read(&made);
    if made.config.filter != config.filter {
        let reason =
            format!("consumer {name} was made without its filter; delete it, and use a newer server");
        return Err(TransportError::Refused(reason));
    }
    Ok(made.state)
}

/// A consumer as it is.
pub(super) async fn info(link: &Link, stream: &str, consumer: &str) -> Result<ConsumerInfo, TransportError> {
    let found = find(link, stream, consumer).await?;
    found.map(|found| read(&found)).ok_or_else(|| TransportError::NotFound(what(stream, consumer)))
}

/// The consumers of a stream by name.
pub(super) async fn list(link: &Link, stream: &str) -> Result<Vec<ConsumerInfo>, TransportError> {
    let mut all: Vec<ConsumerInfo> = Vec::new();
    while all.len() < MAX_LISTED {
        let body = json!({ "offset": all.len() });
        let page =
            call(link, &format!("CONSUMER.LIST.{stream}"), &body, || format!("stream {stream}")).await?;
        let found = page["consumers"].as_array().map_or(&[][..], Vec::as_slice);
        all.extend(found.iter().map(read));
        if found.is_empty() || all.len() as u64 >= number(&page, "total") {
            break;
        }
    }
    all.truncate(MAX_LISTED);
    all.sort_by(|one, other| one.config.name.cmp(&other.config.name));
    all.dedup_by(|one, other| one.config.name == other.config.name);
    Ok(all)
}

/// Deletes a consumer.
pub(super) async fn delete(link: &Link, stream: &str, consumer: &str) -> Result<(), TransportError> {
    let subject = format!("CONSUMER.DELETE.{stream}.{consumer}");
    call(link, &subject, &Value::Null, || what(stream, consumer)).await.map(drop)
}

fn read(found: &Value) -> ConsumerInfo {
    let config = &found["config"];
    let filter = match word(config, "filter_subject") {
        "" => None,
        filter => Some(filter.to_owned()),
    };
    let deliver = match word(config, "deliver_policy") {
        "by_start_sequence" => DeliverPolicy::FromSequence(number(config, "opt_start_seq")),
        "by_start_time" => DeliverPolicy::FromTime(time_of(config.get("opt_start_time"))),
        _ => DeliverPolicy::All,
    };
    ConsumerInfo {
        config: ConsumerConfig {
            name: word(found, "name").to_owned(),
            filter,
            ack_wait: nanos(config, "ack_wait"),
            max_ack_pending: usize::try_from(limit(config, "max_ack_pending")).unwrap_or(usize::MAX),
            deliver,
            release: release(config),
        },
        state: ConsumerState {
            pending: number(found, "num_pending"),
            ack_pending: number(found, "num_ack_pending"),
            delivered_sequence: number(&found["delivered"], "stream_seq"),
        },
        unfit: unfit(config),
    }
}

/// What this crate never sets and can't work with.
fn unfit(config: &Value) -> Vec<String> {
    let mut unfit = Vec::new();
    let ack = word(config, "ack_policy");
    if ack != "explicit" {
        unfit.push(format!("ack policy is {}, and must be explicit", shown(ack)));
    }
    if limit(config, "max_deliver") > 0 {
        unfit.push("max_deliver is set, so that messages get lost, and must be -1".to_owned());
    }
    if !word(config, "deliver_subject").is_empty() {
        unfit.push("it has a deliver subject, and must be a pull consumer".to_owned());
    }
    if config["filter_subjects"].as_array().is_some_and(|list| !list.is_empty()) {
        unfit.push("it has several filters, and must have one at most".to_owned());
    }
    if word(config, "replay_policy") == "original" {
        unfit.push("replay policy is original, and must be instant".to_owned());
    }
    unfit
}
