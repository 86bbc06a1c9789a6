//! Pauses by operators, for the whole fleet: an entry of a bucket for each paused consumer. Every instance watches it.

use std::sync::Arc;
use std::time::Duration;

use app_core::prelude::*;
use app_ids::DomainId;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::members::Consumers;
use crate::ids::{CONSUMER_PAUSES, CONSUMER_RESUMES, PAUSED_CONSUMERS};
use crate::provision::Streams;
use crate::transport::{BucketConfig, Expected, RawEntry, Transport, TransportError};
use crate::wire::{bucket_name, hex_of, text_of};

/// How long a call of the bucket may take.
const WITHIN: Duration = Duration::from_secs(5);

/// The first and the longest pause before the bucket is watched again.
const PAUSES: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));

/// The most bytes of an entry.
const MAX_VALUE_BYTES: usize = 8 << 10;

/// The bucket.
pub(crate) fn bucket(domain: DomainId) -> BucketConfig {
    BucketConfig {
        name: bucket_name(domain, PAUSED_CONSUMERS),
        history: 1,
        max_value_bytes: MAX_VALUE_BYTES,
        max_age: Duration::ZERO,
        max_bytes: 0,
    }
}

/// Who paused a consumer, and why.
#[derive(Debug, Serialize, Deserialize)]
struct PausedBy {
    by: String,
    reason: String,
}

/// Pauses a consumer of this name in every instance, or lets it go on.
pub(crate) async fn decide(
    transport: &dyn Transport,
    domain: DomainId,
    durable: &str,
    pause: Option<(&str, &str)>,
) -> Result<(), TransportError> {
    let value = pause.map(|(by, reason)| {
        let paused = PausedBy { by: by.to_owned(), reason: reason.to_owned() };
        // A struct of texts can be written.
        serde_json::to_vec(&paused).unwrap_or_default().into()
    });
    let (bucket, key) = (bucket_name(domain, PAUSED_CONSUMERS), hex_of(durable));
    let put = transport.bucket_put(&bucket, &key, value, Expected::Any, WITHIN);
    timeout(WITHIN, put).await.unwrap_or(Err(TransportError::NoAnswer)).map(drop)
}

/// What an entry says. `None` when the consumer is not paused.
fn why(entry: &RawEntry) -> Option<String> {
    let value = entry.value.as_ref()?;
    Some(serde_json::from_slice::<PausedBy>(value).map_or_else(
        |_| "an operator paused it".to_owned(),
        |paused| {
            let text = format!("{} paused it: {}", paused.by, paused.reason);
            app_errors::one_line(&text).to_string()
        },
    ))
}

/// Takes over what operators decided about one consumer, before it begins.
pub(super) async fn look(transport: &dyn Transport, consumers: &Consumers, domain: DomainId, durable: &str) {
    let (bucket, key) = (bucket_name(domain, PAUSED_CONSUMERS), hex_of(durable));
    let found = timeout(WITHIN, transport.bucket_get(&bucket, &key)).await;
    if let Ok(Ok(entry)) = found {
        consumers.by_operator(durable, entry.as_ref().and_then(why));
    }
}

/// Takes over an entry. Only a consumer that runs here, and only news, is told of.
fn take(service: &Service, consumers: &Consumers, entry: &RawEntry) {
    let Some(durable) = text_of(&entry.key) else { return };
    let why = why(entry);
    if consumers.by_operator(&durable, why.clone()).is_none() {
        return;
    }
    match why {
        Some(why) => {
            info!(service.log(), "the consumer pauses"; "event" => CONSUMER_PAUSES.hex(), "consumer" => durable, "reason" => why)
        }
        None => {
            info!(service.log(), "the pause of an operator is over"; "event" => CONSUMER_RESUMES.hex(), "consumer" => durable)
        }
    }
}

/// Follows what operators decide, until the service ends.
pub(crate) async fn follow(
    service: Service,
    transport: Arc<dyn Transport>,
    streams: Arc<Streams>,
    consumers: Arc<Consumers>,
    domain: DomainId,
) {
    let bucket = bucket_name(domain, PAUSED_CONSUMERS);
    let mut pause = PAUSES.0;
    let watches = async {
        loop {
            match timeout(WITHIN, transport.bucket_watch(&bucket, None)).await {
                Ok(Ok(mut watch)) => {
                    while let Ok(Some(entry)) = watch.next().await {
                        pause = PAUSES.0;
                        take(&service, &consumers, &entry);
                    }
                }
                // The bucket is lost: it is made again.
                Ok(Err(TransportError::NotFound(_))) => streams.missed(),
                Ok(Err(_)) | Err(_) => {}
            }
            // Jitter, so that a fleet does not come back all at once.
            tokio::time::sleep(pause.mul_f64(0.5 + fastrand::f64() / 2.0)).await;
            pause = (pause * 2).min(PAUSES.1);
        }
    };
    tokio::select! {
        () = service.dying() => {}
        () = watches => {}
    }
}
