//! A delivery that is worked on: the message as it was in its stream, and when signs of life were sent.

use std::sync::Arc;
use std::time::Duration;

use app_ids::{DomainId, MessageId};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout};

use super::attempts::{Here, Known};
use super::feed::{Feed, FeedKind};
use crate::transport::{AckToken, Delivered, Settlement, Transport};
use crate::types::MessageInfo;
use crate::wire::{Envelope, Origin, Subject, dedup_id, header, subject};

/// A delivery that is worked on.
pub(super) struct Work {
    pub(super) feed: Arc<Feed>,
    /// With the subject and the id that the message had in its stream.
    pub(super) delivered: Delivered,
    pub(super) origin: Origin,
    pub(super) known: Mutex<Known>,
    pub(super) life: Life,
    /// Whether a process ended with it since it was delivered before, alone.
    pub(super) crashed: bool,
    /// Held until the message is settled.
    pub(super) _here: Here,
}

impl Work {
    /// How many attempts the message had, on all its ways.
    pub(super) fn attempts(&self) -> u64 {
        self.origin.attempts + self.known.lock().attempts
    }

    /// How many times the message was delivered to begin. A retry comes once before it is due.
    pub(super) fn deliveries_to_begin(&self) -> u64 {
        self.delivered.deliveries.saturating_sub(u64::from(self.feed.kind == FeedKind::Retries))
    }

    /// The type of the message.
    pub(super) fn message(&self) -> MessageId {
        Subject::parse(&self.delivered.message.subject).map(|subject| subject.message).unwrap_or_default()
    }
}

/// The message of a delivery as it was in its stream. A replay that names no subject is of the type of a
/// consumer that takes one alone.
pub(super) fn restored(
    feed: &Feed,
    mut delivered: Delivered,
    domain: DomainId,
    infos: &[&MessageInfo],
) -> (Delivered, Origin) {
    if feed.kind == FeedKind::Stream {
        let (sequence, id) = (delivered.sequence, id_of(&delivered));
        return (delivered, Origin { sequence, id, round: None, attempts: 0, subject: None });
    }
    let mut origin = Origin::read(&delivered.message.headers).unwrap_or(Origin {
        sequence: delivered.sequence,
        id: None,
        round: None,
        attempts: 0,
        subject: None,
    });
    let only = if let [only] = infos { Some(only) } else { None };
    let named =
        origin.subject.take().or_else(|| only.map(|info| subject(domain, info.of(), info.id(), None)));
    if let Some(named) = named {
        delivered.message.subject = named.into();
    }
    if let Some(id) = &origin.id {
        let of =
            Subject::parse(&delivered.message.subject).map(|subject| subject.message).unwrap_or_default();
        let mut headers = (*delivered.message.headers).clone();
        headers.set(header::MSG_ID, &dedup_id(of, id));
        delivered.message.headers = Arc::new(headers);
    } else {
        let mut headers = (*delivered.message.headers).clone();
        // That of the retry or the replay.
        headers.remove(header::MSG_ID);
        delivered.message.headers = Arc::new(headers);
    }
    (delivered, origin)
}

fn id_of(delivered: &Delivered) -> Option<String> {
    let of = Subject::parse(&delivered.message.subject)?.message;
    Envelope::read(&delivered.message.headers, of).id
}

/// When signs of life of a delivery are sent. It lives as long as the delivery, so that its steps share one rhythm.
#[derive(Debug)]
pub(super) struct Life {
    signs: Mutex<Signs>,
    ack_wait: Duration,
}

#[derive(Debug, Clone, Copy)]
struct Signs {
    next: Instant,
    /// When the last one that is confirmed was sent.
    confirmed: Instant,
}

impl Life {
    /// The ack wait of a delivery that arrives now.
    pub(super) fn begins(ack_wait: Duration) -> Self {
        let now = Instant::now();
        Self { signs: Mutex::new(Signs { next: now + ack_wait / 2, confirmed: now }), ack_wait }
    }

    /// When the next sign is due: at half of the ack wait, and more often while none is confirmed.
    pub(super) fn next(&self) -> Instant {
        self.signs.lock().next
    }

    /// Sends a sign for this delivery. It may take an eighth of the ack wait, so there is time for three of them.
    pub(super) async fn sign(&self, transport: &dyn Transport, token: &AckToken) {
        let (asked, patience) = (Instant::now(), self.ack_wait / 8);
        let settled = transport.settle(token.clone(), Settlement::Progress, patience);
        let confirmed = matches!(timeout(patience, settled).await, Ok(Ok(())));
        // Only now: a sign that was cut off is sent again at once.
        let mut signs = self.signs.lock();
        if confirmed {
            *signs = Signs { next: asked + self.ack_wait / 2, confirmed: asked };
        } else {
            signs.next = asked + self.ack_wait / 8;
        }
    }

    /// Whether another instance may have the message soon: no sign was confirmed for seven eighths of the ack wait. The rest is for
    /// the way of the delivery, since the server's wait began before it.
    pub(super) fn is_over(&self) -> bool {
        self.signs.lock().confirmed.elapsed() >= self.ack_wait / 8 * 7
    }
}
