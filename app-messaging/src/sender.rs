//! Sending messages to their streams, and publishing events.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use app_metrics::{Counter, Histogram};
use capnp::traits::Owned;
use tokio::time::{Instant, timeout_at};
use tracing::Instrument;

use crate::context::Context;
use crate::errors::{SendError, SendFailure};
use crate::place::{NO_SERVER, Place};
use crate::traces::{self, Sending};
use crate::transport::{Outgoing, TransportError};
use crate::types::{EventMessage, StoredMessage};
use crate::wire::{MAX_ID_BYTES, is_good_id, random_id};

/// The longest that one attempt waits for its acknowledgement before the message is sent again with the same id.
const ATTEMPT: Duration = Duration::from_secs(1);

/// The pause before a message is sent again.
const PAUSE: Duration = Duration::from_millis(50);

/// What the stream said about a stored message.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Receipt {
    /// The name of the stream.
    pub stream: Arc<str>,
    /// The sequence of the message in the stream.
    pub sequence: u64,
    /// Whether the stream had a message with this id already, and did not store it again.
    pub duplicate: bool,
}

/// Sends messages of one type to their stream. Cheap to clone.
pub struct Sender<T> {
    context: Arc<Context>,
    deadline: Duration,
    sent: Option<Counter>,
    seconds: Option<Histogram>,
    of: PhantomData<fn() -> T>,
}

impl<T: StoredMessage> Sender<T> {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let name = T::INFO.name();
        let sent = context.metrics.sent.with([name]).ok();
        let seconds = context.metrics.send_seconds.with([name]).ok();
        let deadline = context.send_timeout;
        Self { context, deadline, sent, seconds, of: PhantomData }
    }

    /// Another deadline than the `sendMillis` of the config.
    #[must_use]
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Sends a message, and returns when its stream has stored it. Until the deadline, a message without acknowledgement is sent
    /// again with the same id, so that it is stored once.
    ///
    /// Dropping the future leaves open whether the message is stored.
    ///
    /// # Errors
    /// See [`SendFailure`].
    pub async fn send(
        &self,
        fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
    ) -> Result<Receipt, SendError> {
        self.send_with_id(&random_id(), fill).await
    }

    /// As [`send`](Self::send), with an id of your own, such as the number of an order. A stream stores an id once within its
    /// duplicate window.
    ///
    /// # Errors
    /// As [`send`](Self::send). [`SendFailure::Refused`] when the id is not 1 to 128 visible ASCII characters.
    pub async fn send_with_id(
        &self,
        id: &str,
        fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
    ) -> Result<Receipt, SendError> {
        let span = traces::sending(Sending::Send, T::INFO, Some(id));
        // Built before the first await, so that the future does not hold the message's builder.
        let made = if is_good_id(id) {
            span.in_scope(|| self.context.make::<T>(fill, Some(id))).map(|made| made.outgoing)
        } else {
            let wrong = format!("its id must be 1 to {MAX_ID_BYTES} visible ASCII characters");
            Err(SendError::new(SendFailure::Refused, T::INFO, wrong))
        };
        let began = Instant::now();
        let sent = match made {
            Ok(message) => self.store(message).instrument(span.clone()).await,
            Err(error) => Err(error),
        };
        if let Err(error) = &sent {
            traces::failed(&span, error.failure().word(), &error);
        }
        match &sent {
            Ok(_) => {
                if let (Some(sent), Some(seconds)) = (&self.sent, &self.seconds) {
                    sent.inc();
                    span.in_scope(|| seconds.observe(began.elapsed().as_secs_f64()));
                }
            }
            Err(error) => self.context.metrics.failed(T::INFO.name(), error.failure().word()),
        }
        sent.map_err(|error| error.with_id(id))
    }

    async fn store(&self, message: Outgoing) -> Result<Receipt, SendError> {
        let context = &self.context;
        if context.place == Place::NoServer {
            return Err(SendError::new(SendFailure::NotSent, T::INFO, NO_SERVER));
        }
        let until = Instant::now() + self.deadline;
        let Ok(Ok(_permit)) = timeout_at(until, context.waiting.acquire()).await else {
            let reason =
                "too many messages wait for their acknowledgement; send slower, or raise maxWaitingAcks";
            return Err(SendError::new(SendFailure::NotSent, T::INFO, reason));
        };
        let mut maybe_stored = false;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let reason = format!("no acknowledgement came within {:?}", self.deadline);
                let failure = if maybe_stored { SendFailure::MaybeStored } else { SendFailure::NotSent };
                return Err(SendError::new(failure, T::INFO, reason));
            }
            let attempt = left.min(ATTEMPT);
            // The transport keeps the time too. This one holds if it does not.
            let stored =
                tokio::time::timeout(attempt * 2, context.transport.store(message.clone(), attempt)).await;
            match stored.unwrap_or(Err(TransportError::NoAnswer)) {
                Ok(ack) => {
                    return Ok(Receipt {
                        stream: ack.stream,
                        sequence: ack.sequence,
                        duplicate: ack.duplicate,
                    });
                }
                Err(TransportError::NoAnswer) => maybe_stored = true,
                // An earlier attempt may have been stored, so the outcome is not known yet.
                Err(TransportError::NotConnected) if maybe_stored => {}
                Err(error) if maybe_stored => {
                    return Err(SendError::new(SendFailure::MaybeStored, T::INFO, error.to_string()));
                }
                Err(error) => {
                    if matches!(error, TransportError::NotFound(_)) {
                        context.streams.missed();
                    }
                    return Err(SendError::of(&error, T::INFO));
                }
            }
            tokio::time::sleep(PAUSE.min(until.saturating_duration_since(Instant::now()))).await;
        }
    }
}

/// Publishes events of one type. Cheap to clone.
pub struct Publisher<T> {
    context: Arc<Context>,
    published: Option<Counter>,
    of: PhantomData<fn() -> T>,
}

impl<T: EventMessage> Publisher<T> {
    pub(crate) fn new(context: Arc<Context>) -> Self {
        let published = context.metrics.published.with([T::INFO.name()]).ok();
        Self { context, published, of: PhantomData }
    }

    /// Publishes an event to the subscribers that listen now. It may be lost, and nobody learns of that.
    ///
    /// # Errors
    /// The event did not leave the process: [`SendFailure::NotSent`], [`SendFailure::TooLarge`].
    pub async fn publish(
        &self,
        fill: impl FnOnce(&mut <T::Schema as Owned>::Builder<'_>),
    ) -> Result<(), SendError> {
        let span = traces::sending(Sending::Publish, T::INFO, None);
        let made = span.in_scope(|| self.context.make::<T>(fill, None)).map(|made| made.outgoing);
        let published = match made {
            Ok(message) => {
                let sent =
                    tokio::time::timeout(self.context.send_timeout, self.context.transport.publish(message));
                let sent = sent.instrument(span.clone()).await.unwrap_or(Err(TransportError::NotConnected));
                sent.map_err(|error| SendError::of(&error, T::INFO))
            }
            Err(error) => Err(error),
        };
        if let Err(error) = &published {
            traces::failed(&span, error.failure().word(), &error);
        }
        match (&published, &self.published) {
            (Ok(()), Some(counter)) => counter.inc(),
            (Ok(()), None) => {}
            (Err(error), _) => self.context.metrics.failed(T::INFO.name(), error.failure().word()),
        }
        published
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self {
            context: Arc::clone(&self.context),
            deadline: self.deadline,
            sent: self.sent.clone(),
            seconds: self.seconds.clone(),
            of: PhantomData,
        }
    }
}

impl<T> Clone for Publisher<T> {
    fn clone(&self) -> Self {
        Self { context: Arc::clone(&self.context), published: self.published.clone(), of: PhantomData }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender").field("deadline", &self.deadline).finish_non_exhaustive()
    }
}

impl<T> fmt::Debug for Publisher<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Publisher").finish_non_exhaustive()
    }
}
