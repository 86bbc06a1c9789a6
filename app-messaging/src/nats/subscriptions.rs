//! Subscriptions outlive connections: each is made again on every new one.
//!
//! 1. Each instance gets an event at most once. So while two connections overlap, only the `live` one forwards; queue
//!    groups get a message over one connection anyway.
//! 2. The queue of a subscription is bounded. What does not fit is dropped, the newest first, and counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app_core::prelude::Service;
use async_nats::Subscriber;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::headers::incoming;
use super::link::Link;
use crate::transport::{Incoming, Subscription, TransportError};

/// The most subscriptions.
const MAX_SUBSCRIPTIONS: usize = 100_000;

/// A subscription, whatever connection it is on.
struct Registered {
    subject: String,
    queue: Option<String>,
    to: mpsc::Sender<Incoming>,
    dropped: Arc<AtomicU64>,
    ended: CancellationToken,
}

#[derive(Default)]
struct SubscriptionMap {
    last: u64,
    registered: BTreeMap<u64, Arc<Registered>>,
}

/// All subscriptions.
#[derive(Default)]
pub(super) struct Subscriptions {
    all: Mutex<SubscriptionMap>,
    /// The number of the link that forwards.
    live: AtomicU64,
}

impl Subscriptions {
    /// Enters a subscription. It gets messages when a link has it.
    pub(super) fn enter(
        self: &Arc<Self>,
        subject: String,
        queue: Option<String>,
        capacity: usize,
    ) -> Result<(u64, Subscription), TransportError> {
        let (to, messages) = mpsc::channel(capacity.max(1));
        let dropped: Arc<AtomicU64> = Arc::default();
        let ended = CancellationToken::new();
        let registered =
            Registered { subject, queue, to, dropped: Arc::clone(&dropped), ended: ended.clone() };
        let mut all = self.all.lock();
        if all.registered.len() >= MAX_SUBSCRIPTIONS {
            let reason = format!("there are {MAX_SUBSCRIPTIONS} subscriptions already");
            return Err(TransportError::Refused(reason));
        }
        all.last += 1;
        let id = all.last;
        all.registered.insert(id, Arc::new(registered));
        let guard = Leave { all: Arc::clone(self), id, ended };
        Ok((id, Subscription { messages, dropped, _guard: Box::new(guard) }))
    }

    /// Lets this link forward, and no other.
    pub(super) fn live(&self, link: &Link) {
        // Pairs with the load of each pump.
        self.live.store(link.number, Ordering::Release);
    }

    /// Makes one subscription on a link.
    pub(super) async fn attach(
        self: &Arc<Self>,
        id: u64,
        link: &Arc<Link>,
        service: &Service,
    ) -> Result<(), TransportError> {
        let Some(registered) = self.all.lock().registered.get(&id).cloned() else { return Ok(()) };
        let subscriber = link.subscribe(&registered.subject, registered.queue.as_deref()).await?;
        let (all, link) = (Arc::clone(self), Arc::clone(link));
        let name = format!("messages of {}", registered.subject);
        let pumps = service.spawn(name, async move { all.pump(&registered, &link, subscriber).await });
        pumps.map_err(|_| TransportError::NotConnected)
    }

    /// Makes all subscriptions on a link, and waits until the server has them.
    pub(super) async fn attach_all(
        self: &Arc<Self>,
        link: &Arc<Link>,
        service: &Service,
    ) -> Result<(), TransportError> {
        let ids: Vec<_> = self.all.lock().registered.keys().copied().collect();
        for id in ids {
            self.attach(id, link, service).await?;
        }
        link.round_trip(link.timeout()).await
    }

    /// The subjects that the account may not subscribe to.
    pub(super) fn denied(&self, link: &Link) -> Vec<String> {
        if !link.denies_something() {
            return Vec::new();
        }
        let all = self.all.lock();
        let subjects = all.registered.values().map(|registered| registered.subject.clone());
        let mut denied: Vec<_> = subjects.filter(|subject| link.denies(subject)).collect();
        denied.sort();
        denied.dedup();
        denied
    }

    async fn pump(&self, registered: &Registered, link: &Link, mut subscriber: Subscriber) {
        let ended = async {
            tokio::select! {
                () = registered.ended.cancelled() => {}
                () = link.retired() => {}
            }
        };
        tokio::pin!(ended);
        loop {
            // Messages first: tokio gives the other a turn every now and then.
            let message = tokio::select! {
                biased;
                message = subscriber.next() => message,
                () = &mut ended => break,
            };
            let Some(message) = message else { break };
            if registered.queue.is_none() && self.live.load(Ordering::Acquire) != link.number {
                continue;
            }
            if let Err(mpsc::error::TrySendError::Full(_)) = registered.to.try_send(incoming(message)) {
                // A count alone: it orders nothing.
                registered.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A queue group would lose what has arrived already.
        while let Some(Some(message)) = subscriber.next().now_or_never() {
            if registered.queue.is_some() && registered.to.try_send(incoming(message)).is_err() {
                registered.dropped.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// Ends a subscription when it is dropped.
struct Leave {
    all: Arc<Subscriptions>,
    id: u64,
    ended: CancellationToken,
}

impl Drop for Leave {
    fn drop(&mut self) {
        self.ended.cancel();
        self.all.all.lock().registered.remove(&self.id);
    }
}
