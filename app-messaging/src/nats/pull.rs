//! Pulls: asking for exactly as many messages as there is room for.
//!
//! The server sends a sign of life while a pull waits. When two are missed, the pull ends, and the next one begins anew: the server
//! that knew of it may be gone. Or the consumer is gone. Old servers do not say so, so the state of the consumer is read. What arrives
//! after a pull ended is handed back at once.

use std::sync::Arc;
use std::time::Duration;

use async_nats::message::OutboundMessage;
use async_nats::{Message, StatusCode};
use bytes::Bytes;
use futures_util::future::BoxFuture;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::ack_info::AckInfo;
use super::consumers;
use super::headers::incoming;
use super::link::{Link, shown};
use super::replies::PullGuard;
use crate::transport::{AckToken, Call, Delivered, Pull, TransportError};

/// The longest time between two signs of life of the server.
const HEARTBEAT: Duration = Duration::from_secs(2);

/// The shortest pull that has signs of life.
const SHORTEST: Duration = Duration::from_secs(1);

/// How much longer than the server a pull waits, for the way of the message.
const GRACE: Duration = Duration::from_millis(500);

/// Deliveries that were asked for.
pub(super) struct NatsPull {
    link: Arc<Link>,
    stream: Arc<str>,
    consumer: Arc<str>,
    /// `None` after the pull was closed.
    guard: Option<PullGuard>,
    messages: mpsc::Receiver<Message>,
    left: usize,
    until: Instant,
    heartbeat: Option<Duration>,
    heard: Instant,
}

/// What a message of a pull is.
enum Kind {
    Delivery(Delivered),
    SignOfLife,
    /// The server sends no more.
    Over,
    Failed(TransportError),
    /// It makes no sense, or is for others.
    Unknown,
}

impl NatsPull {
    /// Asks for up to `batch` messages.
    pub(super) async fn open(
        link: &Arc<Link>,
        stream: &str,
        consumer: &str,
        batch: usize,
        expires: Duration,
    ) -> Result<Self, TransportError> {
        let now = Instant::now();
        let until = now + expires + GRACE;
        let key = format!("{stream}.{consumer}");
        let (guard, messages) = link.replies().pull(&key, batch, until)?;
        let heartbeat = (expires >= SHORTEST).then(|| HEARTBEAT.min(expires / 2));
        let mut body = format!(r#"{{"batch":{batch},"expires":{}"#, expires.as_nanos());
        if let Some(heartbeat) = heartbeat {
            body.push_str(&format!(r#","idle_heartbeat":{}"#, heartbeat.as_nanos()));
        }
        body.push('}');
        let message = OutboundMessage {
            subject: format!("{}.CONSUMER.MSG.NEXT.{key}", link.api).into(),
            reply: Some(link.inbox(guard.token())),
            payload: Bytes::from(body),
            headers: None,
        };
        link.publish(message, now + link.timeout()).await?;
        Ok(Self {
            stream: stream.into(),
            consumer: consumer.into(),
            guard: Some(guard),
            messages,
            left: batch,
            until,
            heartbeat,
            heard: now,
            link: Arc::clone(link),
        })
    }

    fn kind(&self, message: Message) -> Kind {
        match message.status {
            None => self.delivered(message).map_or(Kind::Unknown, Kind::Delivery),
            Some(status) => self.status(status, message.description.as_deref().unwrap_or_default()),
        }
    }

    fn status(&self, status: StatusCode, text: &str) -> Kind {
        let what = || format!("consumer {} of stream {}", self.consumer, self.stream);
        let lower = text.to_ascii_lowercase();
        match status.as_u16() {
            100 => Kind::SignOfLife,
            404 | 408 => Kind::Over,
            // Nobody takes pulls for it.
            503 => Kind::Failed(TransportError::NotFound(what())),
            409 if lower.contains("deleted") => Kind::Failed(TransportError::NotFound(what())),
            // Another server leads now, or the pull is as full as it gets: ask again.
            409 if lower.contains("leadership")
                || lower.contains("shutdown")
                || lower.contains("batch completed") =>
            {
                Kind::Over
            }
            code => Kind::Failed(TransportError::Refused(format!(
                "the pull of {}: {code} {}",
                what(),
                shown(text)
            ))),
        }
    }

    fn delivered(&self, message: Message) -> Option<Delivered> {
        let info = AckInfo::parse(message.reply.as_ref()?.as_str())?;
        let message = incoming(message);
        let reply = message.reply.clone();
        Some(Delivered {
            token: AckToken {
                stream: Arc::clone(&self.stream),
                consumer: Arc::clone(&self.consumer),
                sequence: info.sequence,
                reply,
            },
            message,
            sequence: info.sequence,
            deliveries: info.deliveries,
            stored_at: std::time::SystemTime::UNIX_EPOCH + Duration::from_nanos(info.stored_nanos),
            pending: info.pending,
        })
    }

    /// When the pull is over, or too quiet.
    fn wakes(&self) -> Instant {
        match self.heartbeat {
            Some(heartbeat) => self.until.min(self.heard + heartbeat * 2 + GRACE),
            None => self.until,
        }
    }

    async fn take(&mut self) -> Result<Option<Delivered>, TransportError> {
        while self.left > 0 {
            let wakes = self.wakes();
            let message = tokio::select! {
                biased;
                message = self.messages.recv() => message,
                () = self.link.retired() => None,
                () = sleep_until(wakes) => {
                    let there = self.too_quiet().await;
                    if there.is_err() {
                        self.ends();
                    }
                    return there;
                }
            };
            let Some(message) = message else {
                return if self.link.is_connected() { Ok(None) } else { Err(TransportError::NotConnected) };
            };
            self.heard = Instant::now();
            match self.kind(message) {
                Kind::Delivery(delivered) => {
                    self.left -= 1;
                    return Ok(Some(delivered));
                }
                Kind::SignOfLife | Kind::Unknown => {}
                Kind::Over => {
                    self.ends();
                    return Ok(None);
                }
                Kind::Failed(error) => {
                    self.ends();
                    return Err(error);
                }
            }
        }
        Ok(None)
    }

    /// The server should have said something by now. An error if the consumer does not exist.
    async fn too_quiet(&self) -> Result<Option<Delivered>, TransportError> {
        consumers::info(&self.link, &self.stream, &self.consumer).await.map(|_| None)
    }

    /// The server sends no more.
    fn ends(&mut self) {
        self.left = 0;
        if let Some(mut guard) = self.guard.take() {
            guard.is_over();
        }
    }
}

impl Pull for NatsPull {
    fn next(&mut self) -> Call<'_, Option<Delivered>> {
        Box::pin(self.take())
    }

    fn lingers(&self) -> bool {
        // No call ends a pull in the server.
        self.left > 0 && self.guard.is_some() && Instant::now() < self.until
    }

    fn close(mut self: Box<Self>) -> BoxFuture<'static, Vec<Delivered>> {
        // From here on what arrives is handed back. What arrived before is returned.
        drop(self.guard.take());
        let mut rest = Vec::new();
        while let Ok(message) = self.messages.try_recv() {
            if let Kind::Delivery(delivered) = self.kind(message) {
                rest.push(delivered);
            }
        }
        Box::pin(std::future::ready(rest))
    }
}

impl Drop for NatsPull {
    fn drop(&mut self) {
        drop(self.guard.take());
        while let Ok(message) = self.messages.try_recv() {
            if message.status.is_none() {
                self.link.hand_back(&message);
            }
        }
    }
}
