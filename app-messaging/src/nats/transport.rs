//! The calls of the seam.

use std::time::Duration;

use app_core::prelude::*;
use async_nats::Subject;
use bytes::Bytes;
use tokio::time::Instant;

use super::pull::NatsPull;
use super::watch::NatsWatch;
use super::{DEFAULT_MAX_PAYLOAD, Nats, api, buckets, consumers, headers, streams};
use crate::ids::STREAM_WAITS;
use crate::in_process::is_pattern;
use crate::transport::{
    AckToken, BucketConfig, Call, ConsumerConfig, ConsumerInfo, ConsumerState, CopiesOf, Expected, Incoming,
    Outgoing, Pull, RawEntry, Record, Settlement, StoreAck, StreamConfig, StreamInfo, StreamState,
    Subscription, Transport, TransportError, Watch,
};

/// The pause before a message for which no stream listens is sent again: it may be choosing its leader.
const ELECTION: Duration = Duration::from_millis(100);

impl Nats {
    async fn store_within(&self, message: Outgoing, timeout: Duration) -> Result<StoreAck, TransportError> {
        let until = Instant::now() + timeout;
        let link = self.link()?;
        self.check(&link, &message)?;
        let Outgoing { subject, headers, payload, .. } = message;
        let subject = Subject::from(subject);
        loop {
            let headers = headers::outgoing(&headers);
            match link.call(subject.clone(), headers, payload.clone(), until).await {
                Ok(answer) => return api::store_ack(&answer, subject.as_str()),
                // A stream without a leader listens no more than one that does not exist.
                Err(TransportError::NoResponders) if Instant::now() + ELECTION * 2 < until => {
                    tokio::time::sleep(ELECTION.mul_f64(0.5 + fastrand::f64())).await;
                }
                Err(TransportError::NoResponders) => {
                    return Err(TransportError::NotFound(format!("a stream with the subject {subject}")));
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn settle_within(
        &self,
        token: AckToken,
        settlement: Settlement,
        timeout: Duration,
    ) -> Result<(), TransportError> {
        let until = Instant::now() + timeout;
        let payload = match settlement {
            Settlement::Ack => Bytes::from_static(b"+ACK"),
            // Never bare: that would ignore what the consumer says of delays.
            Settlement::Nak(delay) => {
                Bytes::from(format!("-NAK {{\"delay\": {}}}", delay.as_nanos().clamp(1, i64::MAX as u128)))
            }
            Settlement::Progress => Bytes::from_static(b"+WPI"),
            Settlement::Term => Bytes::from_static(b"+TERM"),
        };
        let what =
            || TransportError::NotFound(format!("consumer {} of stream {}", token.consumer, token.stream));
        let reply = token.reply.as_deref().ok_or_else(what)?;
        match self.link()?.call(reply.to_owned().into(), None, payload, until).await {
            Ok(_) => Ok(()),
            Err(TransportError::NoResponders) => Err(what()),
            Err(error) => Err(error),
        }
    }

    async fn listen(
        &self,
        subject: String,
        queue: Option<String>,
        capacity: usize,
    ) -> Result<Subscription, TransportError> {
        let good_queue = |queue: &String| !queue.is_empty() && !queue.contains(char::is_whitespace);
        if !is_pattern(&subject) || !queue.as_ref().is_none_or(good_queue) {
            return Err(TransportError::Refused(format!("{subject:?} is no subject")));
        }
        let shared = &self.shared;
        let (id, subscription) = shared.subscriptions.enter(subject, queue, capacity)?;
        // Without a connection the next one gets it. A link that becomes current later finds it entered.
        if let Ok(link) = self.link()
            && shared.subscriptions.attach(id, link.link(), &shared.service).await.is_ok()
        {
            // What is published from now on arrives. If the connection is lost meanwhile, the next one has the subscription.
            let _ = link.round_trip(link.timeout()).await;
        }
        Ok(subscription)
    }
}

impl Transport for Nats {
    fn publish(&self, message: Outgoing) -> Call<'_, ()> {
        Box::pin(async move {
            let link = self.link()?;
            let message = self.outbound(&link, message)?;
            link.publish(message, Instant::now() + link.timeout()).await
        })
    }

    fn request(&self, message: Outgoing, timeout: Duration) -> Call<'_, Incoming> {
        Box::pin(async move { self.send(message, timeout).await.map(headers::incoming) })
    }

    fn subscribe(&self, subject: String, queue: Option<String>, capacity: usize) -> Call<'_, Subscription> {
        Box::pin(self.listen(subject, queue, capacity))
    }

    fn store(&self, message: Outgoing, timeout: Duration) -> Call<'_, StoreAck> {
        Box::pin(self.store_within(message, timeout))
    }

    fn max_bytes(&self) -> usize {
        self.shared.current.load().as_ref().map_or(DEFAULT_MAX_PAYLOAD, |link| link.max_payload())
    }

    fn put_stream(&self, config: StreamConfig, exists: bool) -> Call<'_, ()> {
        Box::pin(async move { streams::put(&*self.link()?, &config, exists).await })
    }

    fn raise_copies(&self, of: CopiesOf<'_>, change: bool) -> Call<'_, Option<String>> {
        let name = match of {
            CopiesOf::Stream(name) => name.to_owned(),
            CopiesOf::Bucket(name) => buckets::stream(name),
        };
        Box::pin(async move { streams::raise_copies(&*self.link()?, &name, change).await })
    }

    fn stream_info(&self, name: &str) -> Call<'_, StreamInfo> {
        let name = name.to_owned();
        Box::pin(async move { streams::info(&*self.link()?, &name).await })
    }

    fn stream_state(&self, name: &str) -> Call<'_, StreamState> {
        let name = name.to_owned();
        Box::pin(async move { streams::state(&*self.link()?, &name).await })
    }

    fn stream_next(&self, stream: &str, from: u64, filter: Option<&str>) -> Call<'_, Option<Record>> {
        let (stream, filter) = (stream.to_owned(), filter.map(str::to_owned));
        Box::pin(async move { streams::next(&*self.link()?, &stream, from, filter.as_deref()).await })
    }

    fn stream_delete(&self, stream: &str, sequence: u64) -> Call<'_, bool> {
        let stream = stream.to_owned();
        Box::pin(async move { streams::delete(&*self.link()?, &stream, sequence).await })
    }

    fn ensure_consumer(&self, stream: &str, config: ConsumerConfig) -> Call<'_, ConsumerState> {
        let stream = stream.to_owned();
        Box::pin(async move { consumers::ensure(&*self.link()?, &stream, &config).await })
    }

    fn consumer_state(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerState> {
        let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
        Box::pin(async move { Ok(consumers::info(&*self.link()?, &stream, &consumer).await?.state) })
    }

    fn consumer_info(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerInfo> {
        let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
        Box::pin(async move { consumers::info(&*self.link()?, &stream, &consumer).await })
    }

    fn consumers(&self, stream: &str) -> Call<'_, Vec<ConsumerInfo>> {
        let stream = stream.to_owned();
        Box::pin(async move { consumers::list(&*self.link()?, &stream).await })
    }

    fn delete_consumer(&self, stream: &str, consumer: &str) -> Call<'_, ()> {
        let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
        Box::pin(async move { consumers::delete(&*self.link()?, &stream, &consumer).await })
    }

    fn pull(&self, stream: &str, consumer: &str, batch: usize, expires: Duration) -> Call<'_, Box<dyn Pull>> {
        let (stream, consumer) = (stream.to_owned(), consumer.to_owned());
        Box::pin(async move {
            let pull = NatsPull::open(self.link()?.link(), &stream, &consumer, batch, expires).await?;
            Ok(Box::new(pull) as Box<dyn Pull>)
        })
    }

    fn settle(&self, token: AckToken, settlement: Settlement, timeout: Duration) -> Call<'_, ()> {
        Box::pin(self.settle_within(token, settlement, timeout))
    }

    fn ensure_bucket(&self, config: BucketConfig) -> Call<'_, ()> {
        Box::pin(async move {
            if let Some(why) = buckets::ensure(&*self.link()?, &config).await? {
                warn!(self.shared.service.log(), "a bucket has too few copies"; "event" => STREAM_WAITS.hex(), "bucket" => config.name, "reason" => why);
            }
            Ok(())
        })
    }

    fn bucket_get(&self, bucket: &str, key: &str) -> Call<'_, Option<RawEntry>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Box::pin(async move { buckets::get(&*self.link()?, &bucket, &key).await })
    }

    fn bucket_put(
        &self,
        bucket: &str,
        key: &str,
        value: Option<Bytes>,
        expected: Expected,
        timeout: Duration,
    ) -> Call<'_, u64> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Box::pin(async move { buckets::put(&*self.link()?, &bucket, &key, value, expected, timeout).await })
    }

    fn bucket_forget(&self, bucket: &str, key: &str, revision: u64) -> Call<'_, ()> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Box::pin(async move { buckets::forget(&*self.link()?, &bucket, &key, revision).await })
    }

    fn bucket_history(&self, bucket: &str, key: &str) -> Call<'_, Vec<RawEntry>> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        Box::pin(async move { buckets::history(&*self.link()?, &bucket, &key).await })
    }

    fn bucket_watch(&self, bucket: &str, key: Option<&str>) -> Call<'_, Box<dyn Watch>> {
        let (bucket, key) = (bucket.to_owned(), key.map(str::to_owned));
        Box::pin(async move {
            let watch = NatsWatch::begin(self.clone(), &bucket, key.as_deref()).await?;
            Ok(Box::new(watch) as Box<dyn Watch>)
        })
    }
}
