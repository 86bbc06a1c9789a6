//! The calls of the seam, on the state in this process.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::open::{OpenPull, OpenWatch};
use super::{
    AckFate, Durable, InProcess, KeptBucket, MAX_SUBSCRIPTIONS, Stream, Unsubscribe, is_pattern, lost,
};
use crate::transport::{
    AckToken, BucketConfig, Call, ConsumerConfig, ConsumerInfo, ConsumerState, Expected, Incoming, Outgoing,
    Pull, RawEntry, Record, Settlement, StoreAck, StreamConfig, StreamInfo, StreamState, Subscription,
    Transport, TransportError, Watch,
};
use crate::wire::Headers;

/// The most consumers that are listed.
const MAX_LISTED: usize = 1_024;

/// A result that is there at once.
fn ready<'a, T: Send + 'a>(result: Result<T, TransportError>) -> Call<'a, T> {
    Box::pin(std::future::ready(result))
}

impl InProcess {
    fn listen(
        &self,
        pattern: &str,
        queue: Option<&str>,
        capacity: usize,
    ) -> Result<Subscription, TransportError> {
        if !is_pattern(pattern) {
            return Err(TransportError::Refused(format!("{pattern:?} is no subject")));
        }
        let (sender, messages) = mpsc::channel(capacity.max(1));
        let dropped: Arc<AtomicU64> = Arc::default();
        let id = self.inner.with(|state, _| {
            let id = state.listeners.add(pattern, queue, sender, Arc::clone(&dropped));
            id.ok_or_else(|| {
                TransportError::Refused(format!("there are {MAX_SUBSCRIPTIONS} subscriptions already"))
            })
        })?;
        let guard = Unsubscribe { inner: Arc::downgrade(&self.inner), pattern: pattern.to_owned(), id };
        Ok(Subscription { messages, dropped, _guard: Box::new(guard) })
    }

    fn send_out(&self, message: Outgoing) -> Result<usize, TransportError> {
        self.inner.fits(&message)?;
        self.inner.with(|state, now| {
            let (reply, wall) = (message.reply.clone(), self.inner.wall(now));
            let reached = state.send(message, now, wall)?;
            // A stream answers a request on its subject.
            if let (Some(reply), Some(stored)) = (reply, &reached.stored) {
                let StoreAck { stream, sequence, duplicate } = stored;
                let answer = format!(r#"{{"stream":"{stream}","seq":{sequence},"duplicate":{duplicate}}}"#);
                let headers = Headers::new();
                let answer = Outgoing { subject: reply, reply: None, headers, payload: answer.into() };
                state.send(answer, now, wall)?;
            }
            Ok(reached.listeners + usize::from(reached.stored.is_some()))
        })
    }
}

impl Transport for InProcess {
    #[cfg(test)]
    fn cut_off(&self, time: Duration) {
        self.inner.state.lock().dice.cut_off(Instant::now() + time);
    }

    #[cfg(test)]
    fn calls(&self) -> u64 {
        self.inner.state.lock().calls
    }

    #[cfg(test)]
    fn lose_stream(&self, name: &str) {
        let mut state = self.inner.state.lock();
        state.streams.retain(|stream| *stream.name != *name);
        state.buckets.remove(name);
    }

    #[cfg(test)]
    fn lose_answers(&self, time: Duration) {
        self.inner.state.lock().dice.answer_nothing(Instant::now() + time);
    }

    fn publish(&self, message: Outgoing) -> Call<'_, ()> {
        ready(self.send_out(message).map(drop))
    }

    fn request(&self, mut message: Outgoing, timeout: Duration) -> Call<'_, Incoming> {
        Box::pin(async move {
            let inbox = {
                let mut state = self.inner.state.lock();
                state.inboxes += 1;
                format!("_INBOX.{}", state.inboxes)
            };
            let mut answers = self.listen(&inbox, None, 1)?;
            message.reply = Some(inbox);
            if self.send_out(message)? == 0 {
                return Err(TransportError::NoResponders);
            }
            let answer = tokio::time::timeout(timeout, answers.messages.recv()).await;
            answer.ok().flatten().ok_or(TransportError::NoAnswer)
        })
    }

    fn subscribe(&self, subject: String, queue: Option<String>, capacity: usize) -> Call<'_, Subscription> {
        ready(self.listen(&subject, queue.as_deref(), capacity))
    }

    fn store(&self, message: Outgoing, timeout: Duration) -> Call<'_, StoreAck> {
        if let Err(large) = self.inner.fits(&message) {
            return ready(Err(large));
        }
        let subject = message.subject.clone();
        let done = self.inner.with(|state, now| {
            let fate = state.dice.ack_fate();
            if fate == AckFate::LostBefore {
                return Ok((None, fate));
            }
            if !state.streams.iter().any(|stream| stream.stores(&message.subject)) {
                return Err(TransportError::NotFound(format!(
                    "a stream with the subject {}",
                    message.subject
                )));
            }
            let wall = self.inner.wall(now);
            Ok((state.send(message, now, wall)?.stored, fate))
        });
        Box::pin(async move {
            match done? {
                (Some(ack), AckFate::Arrives) => Ok(ack),
                (None, AckFate::Arrives) => {
                    Err(TransportError::NotFound(format!("a stream with the subject {subject}")))
                }
                _ => Err(lost(timeout).await),
            }
        })
    }

    fn max_bytes(&self) -> usize {
        self.inner.max_message_bytes
    }

    fn wall_clock(&self) -> SystemTime {
        self.inner.wall(Instant::now())
    }

    fn put_stream(&self, config: StreamConfig, exists: bool) -> Call<'_, ()> {
        ready(self.inner.with_calm(|state, now| {
            if let Some(bad) = config.subjects.iter().find(|subject| !is_pattern(subject)) {
                return Err(TransportError::Refused(format!("{bad:?} is no subject")));
            }
            let taken = state.streams.iter().filter(|stream| *stream.name != *config.name);
            for other in taken {
                if let Some(shared) =
                    config.subjects.iter().find(|subject| other.subjects().contains(subject))
                {
                    return Err(TransportError::Refused(format!(
                        "stream {} has the subject {shared} already",
                        other.name
                    )));
                }
            }
            match state.stream(&config.name) {
                Ok(_) if !exists => {
                    Err(TransportError::Refused(format!("stream {} exists already", config.name)))
                }
                Ok(stream) => {
                    stream.set(config, now);
                    Ok(())
                }
                Err(missing) if exists => Err(missing),
                Err(_) => {
                    state.streams.push(Stream::new(config));
                    Ok(())
                }
            }
        }))
    }

    fn stream_info(&self, name: &str) -> Call<'_, StreamInfo> {
        ready(self.inner.with_calm(|state, now| {
            let stream = state.stream(name)?;
            stream.expire(now);
            Ok(stream.info())
        }))
    }

    fn stream_next(&self, stream: &str, from: u64, filter: Option<&str>) -> Call<'_, Option<Record>> {
        ready(self.inner.with(|state, now| {
            let stream = state.stream(stream)?;
            stream.expire(now);
            Ok(stream.next(from, filter))
        }))
    }

    fn stream_delete(&self, stream: &str, sequence: u64) -> Call<'_, bool> {
        ready(self.inner.with(|state, now| {
            let stream = state.stream(stream)?;
            stream.expire(now);
            Ok(stream.delete(sequence))
        }))
    }

    fn stream_state(&self, name: &str) -> Call<'_, StreamState> {
        ready(self.inner.with(|state, now| {
            let stream = state.stream(name)?;
            stream.expire(now);
            Ok(stream.state())
        }))
    }

    fn ensure_consumer(&self, stream: &str, config: ConsumerConfig) -> Call<'_, ConsumerState> {
        ready(self.inner.with(|state, _| {
            let Stream { durables, messages, last_sequence, .. } = state.stream(stream)?;
            let name: Arc<str> = config.name.as_str().into();
            match durables.get_mut(&name) {
                Some(durable) if durable.filter() != config.filter.as_deref() => {
                    let reason = format!(
                        "consumer {name} has another filter; delete it, or give the new one another name"
                    );
                    return Err(TransportError::Refused(reason));
                }
                Some(durable) => durable.change(&config),
                None => {
                    durables.insert(Arc::clone(&name), Durable::new(config, messages, *last_sequence));
                }
            }
            Ok(durables.get(&name).map(|durable| durable.state(messages)).unwrap_or_default())
        }))
    }

    fn consumer_state(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerState> {
        ready(self.inner.with(|state, now| {
            state.stream(stream)?.expire(now);
            let (durable, messages) = state.durable(stream, consumer)?;
            Ok(durable.state(messages))
        }))
    }

    fn consumer_info(&self, stream: &str, consumer: &str) -> Call<'_, ConsumerInfo> {
        ready(self.inner.with(|state, now| {
            state.stream(stream)?.expire(now);
            let (durable, messages) = state.durable(stream, consumer)?;
            Ok(durable.info(messages))
        }))
    }

    fn consumers(&self, stream: &str) -> Call<'_, Vec<ConsumerInfo>> {
        ready(self.inner.with(|state, now| {
            let stream = state.stream(stream)?;
            stream.expire(now);
            let Stream { durables, messages, .. } = stream;
            let mut all: Vec<_> = durables.values().map(|durable| durable.info(messages)).collect();
            all.sort_by(|one, other| one.config.name.cmp(&other.config.name));
            all.truncate(MAX_LISTED);
            Ok(all)
        }))
    }

    fn delete_consumer(&self, stream: &str, consumer: &str) -> Call<'_, ()> {
        ready(self.inner.with(|state, _| {
            let removed = state.stream(stream)?.durables.remove(consumer);
            let removed = removed.ok_or_else(|| TransportError::NotFound(format!("consumer {consumer}")))?;
            removed.changed.notify_waiters();
            Ok(())
        }))
    }

    fn pull(&self, stream: &str, consumer: &str, batch: usize, expires: Duration) -> Call<'_, Box<dyn Pull>> {
        let (inner, until) = (Arc::clone(&self.inner), Instant::now() + expires);
        let exists = self.inner.with(|state, _| state.durable(stream, consumer).map(drop));
        let (stream, consumer, ahead) = (stream.into(), consumer.into(), VecDeque::new());
        let pull = OpenPull { inner, stream, consumer, left: batch, until, ahead };
        ready(exists.map(|()| Box::new(pull) as Box<dyn Pull>))
    }

    fn settle(&self, token: AckToken, settlement: Settlement, timeout: Duration) -> Call<'_, ()> {
        let fate = self.inner.with(|state, now| {
            let fate = state.dice.settlement_fate(now);
            if fate != AckFate::LostBefore {
                state.durable(&token.stream, &token.consumer)?.0.settle(token.sequence, settlement, now);
            }
            Ok(fate)
        });
        Box::pin(async move { if fate? == AckFate::Arrives { Ok(()) } else { Err(lost(timeout).await) } })
    }

    fn ensure_bucket(&self, config: BucketConfig) -> Call<'_, ()> {
        ready(self.inner.with_calm(|state, _| {
            let max_age = config.max_age;
            let bucket = state.buckets.entry(config.name.clone()).or_insert_with(|| KeptBucket::new(config));
            bucket.extend(max_age);
            Ok(())
        }))
    }

    fn bucket_get(&self, bucket: &str, key: &str) -> Call<'_, Option<RawEntry>> {
        ready(self.inner.with(|state, now| Ok(state.bucket(bucket, now)?.get(key))))
    }

    fn bucket_put(
        &self,
        bucket: &str,
        key: &str,
        value: Option<Bytes>,
        expected: Expected,
        timeout: Duration,
    ) -> Call<'_, u64> {
        let done = self.inner.with(|state, now| {
            let fate = state.dice.ack_fate();
            let put = if fate == AckFate::LostBefore {
                Ok(0)
            } else {
                state.bucket(bucket, now)?.put(key, value, expected, (now, self.inner.wall(now)))
            };
            Ok((put, fate))
        });
        Box::pin(async move {
            let (put, fate) = done?;
            if fate == AckFate::Arrives { put } else { Err(lost(timeout).await) }
        })
    }

    fn bucket_forget(&self, bucket: &str, key: &str, revision: u64) -> Call<'_, ()> {
        ready(self.inner.with(|state, now| {
            state.bucket(bucket, now)?.forget(key, revision);
            Ok(())
        }))
    }

    fn bucket_history(&self, bucket: &str, key: &str) -> Call<'_, Vec<RawEntry>> {
        ready(self.inner.with(|state, now| Ok(state.bucket(bucket, now)?.history(key))))
    }

    fn bucket_watch(&self, bucket: &str, key: Option<&str>) -> Call<'_, Box<dyn Watch>> {
        let opened = self.inner.with(|state, now| {
            let found = state.bucket(bucket, now)?;
            Ok((found.watch(), found.present(key, 0)))
        });
        let opened = opened.map(|(changes, waiting)| OpenWatch {
            inner: Arc::clone(&self.inner),
            bucket: bucket.to_owned(),
            key: key.map(str::to_owned),
            changes,
            waiting,
            seen: 0,
        });
        ready(opened.map(|watch| Box::new(watch) as Box<dyn Watch>))
    }
}
