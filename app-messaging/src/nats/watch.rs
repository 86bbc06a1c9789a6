//! Watching a bucket: what is there, then every change, in order, over reconnects.
//!
//! The server pushes to a consumer that lives as long as its subscriber. When a change is missed, or no sign of life comes, or the
//! connection is another one, a new consumer begins behind the last revision that was seen. If another bucket has the name by then,
//! the watch ends, as if it had seen that its bucket was gone.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_nats::{Message, Subscriber};
use futures_util::StreamExt;
use serde_json::json;
use tokio::time::{Instant, sleep_until};

use super::ack_info::AckInfo;
use super::api::{as_nanos, call};
use super::headers::incoming;
use super::link::Link;
use super::{Nats, buckets, streams};
use crate::transport::{Call, RawEntry, Record, TransportError, Watch};

/// How often the server sends a sign of life.
const HEARTBEAT: Duration = Duration::from_secs(5);

/// How long the server keeps a consumer without a subscriber.
const KEPT: Duration = Duration::from_secs(30);

/// The pause before a watch that ended begins anew.
const PAUSE: Duration = Duration::from_millis(200);

/// A watch that is open on a connection.
struct OpenPush {
    link: Arc<Link>,
    messages: Subscriber,
    /// The number of the next delivery.
    next: u64,
    heard: Instant,
    delete: String,
}

impl Drop for OpenPush {
    fn drop(&mut self) {
        // Otherwise the server finds out by itself, later.
        self.link.send_without_waiting(std::mem::take(&mut self.delete), b"");
    }
}

/// A bucket as it was when the watch began.
struct Began {
    /// When it was made. Another one of this name has revisions of its own.
    made_at: SystemTime,
    /// Deletions up to this revision are as keys that never were.
    last_revision: u64,
}

/// Changes of a bucket.
pub(super) struct NatsWatch {
    nats: Nats,
    bucket: String,
    filter: String,
    /// The last revision that was seen.
    seen: u64,
    /// The bucket that is watched.
    began: Option<Began>,
    open: Option<OpenPush>,
}

impl NatsWatch {
    /// Begins to watch.
    pub(super) async fn begin(nats: Nats, bucket: &str, key: Option<&str>) -> Result<Self, TransportError> {
        let filter = buckets::subject(bucket, key.unwrap_or(">"));
        let mut watch = Self { nats, bucket: bucket.to_owned(), filter, seen: 0, began: None, open: None };
        watch.reopen().await?;
        Ok(watch)
    }

    async fn reopen(&mut self) -> Result<(), TransportError> {
        self.open = None;
        let link = self.nats.link()?;
        let stream = buckets::stream(&self.bucket);
        let (made_at, state) = streams::made_at(&link, &stream).await.map_err(|error| self.about(error))?;
        let last_revision = state.last_sequence;
        let began = self.began.get_or_insert(Began { made_at, last_revision });
        if began.made_at != made_at {
            return Err(TransportError::NotFound(format!("bucket {}", self.bucket)));
        }
        let name = format!("op{:016x}", app_ids::random_u64());
        // A subscription of its own: servers push nothing to one with a wildcard, as that of the answers is.
        let inbox = link.inbox_of(&name);
        let messages = link.subscribe(&inbox, None).await?;
        let mut config = json!({
            "name": name,
            "deliver_subject": inbox,
            "filter_subject": self.filter,
            "ack_policy": "none",
            "max_deliver": 1,
            "replay_policy": "instant",
            "idle_heartbeat": as_nanos(HEARTBEAT),
            "inactive_threshold": as_nanos(KEPT),
            "mem_storage": true,
            "num_replicas": 1,
        });
        if self.seen == 0 {
            config["deliver_policy"] = json!("last_per_subject");
        } else {
            config["deliver_policy"] = json!("by_start_sequence");
            config["opt_start_seq"] = json!(self.seen + 1);
        }
        let body = json!({ "stream_name": stream, "config": config });
        let what = || format!("bucket {}", self.bucket);
        call(&link, &format!("CONSUMER.CREATE.{stream}.{name}"), &body, what).await?;
        let delete = format!("{}.CONSUMER.DELETE.{stream}.{name}", link.api);
        self.open = Some(OpenPush {
            link: Arc::clone(link.link()),
            messages,
            next: 1,
            heard: Instant::now(),
            delete,
        });
        Ok(())
    }

    fn about(&self, error: TransportError) -> TransportError {
        match error {
            TransportError::NotFound(_) => TransportError::NotFound(format!("bucket {}", self.bucket)),
            error => error,
        }
    }

    /// The entry in a delivery. The outer `None` says that the watch has to begin anew.
    fn entry(&mut self, message: Message) -> Option<Option<RawEntry>> {
        let open = self.open.as_mut()?;
        open.heard = Instant::now();
        if let Some(status) = message.status {
            // Other than signs of life, whatever it is: the server sends no more.
            return (status.as_u16() == 100).then_some(None);
        }
        let info = message.reply.as_ref().and_then(|reply| AckInfo::parse(reply.as_str()))?;
        if info.consumer_sequence != open.next {
            return None;
        }
        open.next += 1;
        let (sequence, stored_at) =
            (info.sequence, SystemTime::UNIX_EPOCH + Duration::from_nanos(info.stored_nanos));
        let found = buckets::entry(&self.bucket, &Record { message: incoming(message), sequence, stored_at });
        if sequence <= self.seen {
            return Some(None);
        }
        self.seen = sequence;
        let gone_before = self.began.as_ref().is_some_and(|began| sequence <= began.last_revision);
        Some(found.filter(|entry| entry.value.is_some() || !gone_before))
    }

    async fn take(&mut self) -> Result<Option<RawEntry>, TransportError> {
        loop {
            let Some(open) = &mut self.open else {
                match self.reopen().await {
                    Ok(()) => continue,
                    Err(TransportError::NotFound(_)) => return Ok(None),
                    // Without a connection it waits for the next one.
                    Err(_) => tokio::time::sleep(PAUSE.mul_f64(1.0 + fastrand::f64())).await,
                }
                continue;
            };
            let quiet = open.heard + HEARTBEAT * 2 + PAUSE;
            let message = tokio::select! {
                biased;
                message = open.messages.next() => message,
                () = open.link.retired() => None,
                () = sleep_until(quiet) => None,
            };
            match message.and_then(|message| self.entry(message)) {
                Some(Some(entry)) => return Ok(Some(entry)),
                Some(None) => {}
                None => self.open = None,
            }
        }
    }
}

impl Watch for NatsWatch {
    fn next(&mut self) -> Call<'_, Option<RawEntry>> {
        Box::pin(self.take())
    }
}
