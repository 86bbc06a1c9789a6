//! Streams and consumers are provided: made, extended, or only compared.
//!
//! Rules:
//!
//! 1. Nothing is deleted, and nothing shrinks: limits are raised, subjects are added. So an older release never narrows what a newer
//!    one needs.
//! 2. Where a setting has no wider value, such as an ack wait, the newer release decides. Its number is kept with what it provided.
//! 3. Servers have no compare-and-set for this. So what was set is read back, until two readings agree. A server may also ignore a
//!    setting that it does not know, which the reading shows.
//! 4. Only what this crate sets is compared.

mod differences;
mod streams;
#[cfg(test)]
mod tests;

use std::fmt;
use std::time::Duration;

pub(crate) use self::differences::extended;
use self::differences::{cannot_change, lacks};
pub(crate) use self::streams::Streams;
use crate::config::Provisioning;
use crate::transport::{BucketConfig, ConsumerConfig, ConsumerInfo, StreamConfig, Transport, TransportError};

/// How many times what was set is read back before that is an error.
const ROUNDS: usize = 5;

/// The longest pause between two readings. Jitter lets instances that started together drift apart.
const PAUSE: Duration = Duration::from_millis(100);

/// Why something is not provided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ProvisionError {
    Transport(TransportError),
    /// It is not as the program needs it. The text names the setting and the cure.
    Differs(String),
    /// It is missing, and only compared.
    Missing(String),
}

impl fmt::Display for ProvisionError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Transport(error) => error.fmt(f),
            Self::Differs(text) | Self::Missing(text) => f.write_str(text),
        }
    }
}

impl From<TransportError> for ProvisionError {
    fn from(error: TransportError) -> Self {
        Self::Transport(error)
    }
}

fn differs(what: &str, differences: &[String]) -> ProvisionError {
    ProvisionError::Differs(format!("{what}: {}", differences.join("; ")))
}

async fn pause() {
    tokio::time::sleep(PAUSE.mul_f64(fastrand::f64())).await;
}

/// Provides a stream.
///
/// # Errors
/// It can't be asked, is missing, or is not as it is needed.
pub(crate) async fn stream(
    transport: &dyn Transport,
    wanted: &StreamConfig,
    provisioning: Provisioning,
) -> Result<(), ProvisionError> {
    let what = format!("stream {}", wanted.name);
    // What was set last. The next reading has to show it.
    let mut set: Option<StreamConfig> = None;
    let mut refused = None;
    for _ in 0..ROUNDS {
        let found = match transport.stream_info(&wanted.name).await {
            Ok(found) => found,
            Err(TransportError::NotFound(_)) if provisioning == Provisioning::Verify => {
                let cure = "make it, or set provision to ensure in the config of messaging";
                return Err(ProvisionError::Missing(format!("{what}: does not exist; {cure}")));
            }
            Err(TransportError::NotFound(_)) => {
                // Another instance may be faster. Then the next reading shows its stream.
                refused = match transport.put_stream(wanted.clone(), false).await {
                    Err(TransportError::Refused(reason)) => Some(reason),
                    made => {
                        made?;
                        set = Some(wanted.clone());
                        None
                    }
                };
                pause().await;
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if !found.unfit.is_empty() {
            return Err(differs(&what, &found.unfit));
        }
        let differences = match provisioning {
            Provisioning::Ensure => cannot_change(&found.config, wanted),
            Provisioning::Verify => lacks(&found.config, wanted),
        };
        if !differences.is_empty() {
            return Err(differs(&what, &differences));
        }
        let wider = extended(&found.config, wanted);
        if provisioning == Provisioning::Verify || wider == found.config {
            return Ok(());
        }
        transport.put_stream(wider.clone(), true).await?;
        set = Some(wider);
        pause().await;
    }
    if let Some(reason) = refused {
        return Err(TransportError::Refused(reason).into());
    }
    // It was set again and again, and is still not as it was set.
    let found = transport.stream_info(&wanted.name).await?.config;
    let left = set.map(|set| lacks(&found, &set)).unwrap_or_default();
    if left.is_empty() {
        Ok(())
    } else {
        Err(differs(&format!("{what}: the server does not keep what was set"), &left))
    }
}

/// Provides a consumer.
///
/// # Errors
/// It can't be asked, is missing, or is not as it is needed.
pub(crate) async fn consumer(
    transport: &dyn Transport,
    stream: &str,
    wanted: &ConsumerConfig,
    provisioning: Provisioning,
) -> Result<(), ProvisionError> {
    let what = format!("consumer {} of stream {stream}", wanted.name);
    let found = match transport.consumer_info(stream, &wanted.name).await {
        Ok(found) => Some(found),
        Err(TransportError::NotFound(_)) => None,
        Err(error) => return Err(error.into()),
    };
    let Some(ConsumerInfo { config: found, unfit, .. }) = found else {
        if provisioning == Provisioning::Verify {
            let cure = "make it, or set provision to ensure in the config of messaging";
            return Err(ProvisionError::Missing(format!("{what}: does not exist; {cure}")));
        }
        transport.ensure_consumer(stream, wanted.clone()).await?;
        return Ok(());
    };
    if !unfit.is_empty() {
        return Err(differs(&what, &unfit));
    }
    if found.filter != wanted.filter {
        let of = |filter: &Option<String>| filter.clone().unwrap_or_else(|| "all subjects".to_owned());
        let differs = format!(
            "{what}: its filter is {}, and the program needs {}; delete the consumer, which begins it anew, or give the new one another name",
            of(&found.filter),
            of(&wanted.filter)
        );
        return Err(ProvisionError::Differs(differs));
    }
    let same = found.ack_wait == wanted.ack_wait && found.max_ack_pending == wanted.max_ack_pending;
    // Rule 2.
    if same || found.release > wanted.release {
        return Ok(());
    }
    if provisioning == Provisioning::Verify {
        let differs = format!(
            "{what}: ack wait {:?} and max ack pending {}, and the program needs {:?} and {}; change the consumer, or the program",
            found.ack_wait, found.max_ack_pending, wanted.ack_wait, wanted.max_ack_pending
        );
        return Err(ProvisionError::Differs(differs));
    }
    transport.ensure_consumer(stream, wanted.clone()).await?;
    Ok(())
}

/// Provides a bucket.
///
/// # Errors
/// It can't be asked, or is missing and only compared.
pub(crate) async fn bucket(
    transport: &dyn Transport,
    wanted: &BucketConfig,
    provisioning: Provisioning,
) -> Result<(), ProvisionError> {
    if provisioning == Provisioning::Ensure {
        return Ok(transport.ensure_bucket(wanted.clone()).await?);
    }
    // Any key shows whether it is there.
    match transport.bucket_get(&wanted.name, "00").await {
        Err(TransportError::NotFound(_)) => {
            let cure = "make it, or set provision to ensure in the config of messaging";
            Err(ProvisionError::Missing(format!("bucket {}: does not exist; {cure}", wanted.name)))
        }
        asked => Ok(asked.map(drop)?),
    }
}
