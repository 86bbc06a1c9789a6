//! What stays open between calls: pulls and watches.

use std::collections::VecDeque;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::Inner;
use crate::transport::{AckToken, Call, Delivered, Pull, RawEntry, TransportError, Watch};

pub(super) struct OpenPull {
    pub(super) inner: Arc<Inner>,
    pub(super) stream: Arc<str>,
    pub(super) consumer: Arc<str>,
    pub(super) left: usize,
    pub(super) until: Instant,
    /// What was fetched and not taken.
    pub(super) ahead: VecDeque<Delivered>,
}

impl OpenPull {
    /// The next delivery, or when to look again.
    fn take(&mut self) -> Result<Result<Delivered, Option<Instant>>, TransportError> {
        let Self { inner, stream, consumer, .. } = self;
        let taken = inner.with(|state, now| {
            let twice = state.dice.delivers_twice();
            let found = state.stream(stream)?;
            found.expire(now);
            let last = found.last_sequence;
            let (durable, messages) = state.durable(stream, consumer)?;
            let Some(taken) = durable.take(messages, last, now) else { return Ok(Err(durable.next_due())) };
            if twice {
                durable.repeat(&taken);
            }
            let kept = messages.get(&taken.sequence);
            Ok(kept.map_or(Err(Some(now)), |kept| {
                Ok(Delivered {
                    message: kept.message.clone(),
                    token: AckToken {
                        stream: Arc::clone(stream),
                        consumer: Arc::clone(consumer),
                        sequence: taken.sequence,
                        reply: None,
                    },
                    sequence: taken.sequence,
                    deliveries: taken.deliveries,
                    stored_at: kept.stored_at,
                    pending: taken.pending,
                })
            }))
        })?;
        if taken.is_ok() {
            self.left -= 1;
        }
        Ok(taken)
    }

    /// Takes the rest at once, as a server sends it.
    fn fetch(&mut self) {
        let fetches_ahead = self.inner.state.lock().dice.fetches_ahead();
        while fetches_ahead && self.left > 0 {
            let Ok(Ok(delivered)) = self.take() else { break };
            self.ahead.push_back(delivered);
        }
    }
}

impl Pull for OpenPull {
    fn next(&mut self) -> Call<'_, Option<Delivered>> {
        Box::pin(async move {
            loop {
                if let Some(delivered) = self.ahead.pop_front() {
                    return Ok(Some(delivered));
                }
                if self.left == 0 {
                    return Ok(None);
                }
                let changed = self.inner.with(|state, _| {
                    Ok(Arc::clone(&state.durable(&self.stream, &self.consumer)?.0.changed))
                })?;
                let changed = changed.notified();
                tokio::pin!(changed);
                // Before looking, so that no change is missed.
                changed.as_mut().enable();
                let again = match self.take()? {
                    Ok(delivered) => {
                        self.fetch();
                        return Ok(Some(delivered));
                    }
                    Err(again) => again.map_or(self.until, |again| again.min(self.until)),
                };
                if Instant::now() >= self.until {
                    return Ok(None);
                }
                tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(again) => {}
                }
            }
        })
    }

    fn lingers(&self) -> bool {
        false
    }

    fn close(self: Box<Self>) -> BoxFuture<'static, Vec<Delivered>> {
        Box::pin(std::future::ready(Vec::from(self.ahead)))
    }
}

pub(super) struct OpenWatch {
    pub(super) inner: Arc<Inner>,
    pub(super) bucket: String,
    pub(super) key: Option<String>,
    pub(super) changes: broadcast::Receiver<RawEntry>,
    pub(super) waiting: VecDeque<RawEntry>,
    pub(super) seen: u64,
}

impl Watch for OpenWatch {
    fn next(&mut self) -> Call<'_, Option<RawEntry>> {
        Box::pin(async move {
            loop {
                if let Some(entry) = self.waiting.pop_front() {
                    self.seen = self.seen.max(entry.revision);
                    return Ok(Some(entry));
                }
                match self.changes.recv().await {
                    Ok(entry) => {
                        let wanted = self.key.as_deref().is_none_or(|key| key == &*entry.key);
                        if wanted && entry.revision > self.seen {
                            self.waiting.push_back(entry);
                        }
                    }
                    Err(broadcast::error::RecvError::Lagged(_)) => {
                        let (key, seen) = (self.key.as_deref(), self.seen);
                        self.waiting = self
                            .inner
                            .with(|state, now| Ok(state.bucket(&self.bucket, now)?.present(key, seen)))?;
                    }
                    Err(broadcast::error::RecvError::Closed) => return Ok(None),
                }
            }
        })
    }
}
