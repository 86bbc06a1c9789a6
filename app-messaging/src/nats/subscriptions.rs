//! Subscriptions outlive connections: each is made again on every new one.
//!
//! 1. Each instance gets an event at most once. While two connections overlap, an event comes over both. One of them forwards: who
//!    has the turn. The old link has it until it retires. What it forwarded is remembered, and the new one leaves it out: see
//!    [`Recent`].
//! 2. No event is lost on the way: the new link keeps what it gets until it has the turn.
//! 3. Queue groups get a message over one connection anyway. The old link forwards what it was given to the end.
//! 4. The queue of a subscription is bounded. What does not fit is dropped, the newest first, and counted.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use app_core::prelude::Service;
use async_nats::Subscriber;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::headers::incoming;
use super::link::Link;
use super::recent::Recent;
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
    /// The number of the last link that has the subscription.
    attached: AtomicU64,
    /// One link forwards events at a time.
    turn: Semaphore,
    /// What the old link forwards while a new one is made. Who has the turn uses it.
    recent: Mutex<Recent>,
}

impl Registered {
    fn forward(&self, message: Incoming) {
        if let Err(mpsc::error::TrySendError::Full(_)) = self.to.try_send(message) {
            // A count alone: it orders nothing.
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
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
    /// The number of the link that another one will take over from.
    ends: AtomicU64,
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
        let registered = Registered {
            subject,
            queue,
            to,
            dropped: Arc::clone(&dropped),
            ended: ended.clone(),
            attached: AtomicU64::new(0),
            turn: Semaphore::new(1),
            recent: Mutex::default(),
        };
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

    /// From now on, what this link forwards is remembered for the next one.
    pub(super) fn begin_change(&self, old: &Link) {
        // The next link gets no event before it connects, which takes far longer than this to be seen.
        self.ends.store(old.number, Ordering::Relaxed);
    }

    /// Makes one subscription on a link, if it does not have it.
    pub(super) async fn attach(
        self: &Arc<Self>,
        id: u64,
        link: &Arc<Link>,
        service: &Service,
    ) -> Result<(), TransportError> {
        let Some(registered) = self.all.lock().registered.get(&id).cloned() else { return Ok(()) };
        if registered.attached.fetch_max(link.number, Ordering::Relaxed) >= link.number {
            return Ok(());
        }
        let subscribed = link.subscribe(&registered.subject, registered.queue.as_deref()).await;
        let subscriber = subscribed.inspect_err(|_| registered.attached.store(0, Ordering::Relaxed))?;
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

    async fn pump(&self, registered: &Registered, link: &Link, subscriber: Subscriber) {
        tokio::select! {
            () = registered.ended.cancelled() => {}
            () = async {
                match registered.queue {
                    Some(_) => share(registered, link, subscriber).await,
                    None => self.follow(registered, link, subscriber).await,
                }
            } => {}
        }
    }

    /// Forwards events from its turn on, until another link takes over.
    async fn follow(&self, registered: &Registered, link: &Link, mut subscriber: Subscriber) {
        // The subscription keeps what comes before. The semaphore is never closed.
        let Ok(_turn) = registered.turn.acquire().await else { return };
        let retired = link.retired();
        tokio::pin!(retired);
        loop {
            // Messages first: tokio gives the other a turn every now and then.
            let message = tokio::select! {
                biased;
                message = subscriber.next() => message,
                () = &mut retired => break,
            };
            let Some(message) = message else { return };
            self.forward_once(registered, link, incoming(message));
        }
        while let Some(Some(message)) = subscriber.next().now_or_never() {
            self.forward_once(registered, link, incoming(message));
        }
    }

    fn forward_once(&self, registered: &Registered, link: &Link, message: Incoming) {
        let mut recent = registered.recent.lock();
        if recent.is_copy(link.number, &message) {
            return;
        }
        // Numbers grow, and a link that retired may have some left to forward when the next change begins.
        if link.number <= self.ends.load(Ordering::Relaxed) {
            recent.remember(link.number, &message);
        }
        registered.forward(message);
    }
}

/// Forwards what a queue group gets. When another link takes over, the server is told to send no more, and what is on the way is
/// forwarded still.
async fn share(registered: &Registered, link: &Link, mut subscriber: Subscriber) {
    let retired = link.retired();
    tokio::pin!(retired);
    loop {
        let message = tokio::select! {
            biased;
            message = subscriber.next() => message,
            () = &mut retired => break,
        };
        let Some(message) = message else { return };
        registered.forward(incoming(message));
    }
    let rest = async {
        // The stream ends after the last message.
        let _ = subscriber.drain().await;
        while let Some(message) = subscriber.next().await {
            registered.forward(incoming(message));
        }
    };
    // A connection that is gone ends the stream, and one that hangs ends by its own deadline.
    tokio::select! {
        () = rest => {}
        () = link.gone() => {}
    }
    while let Some(Some(message)) = subscriber.next().now_or_never() {
        registered.forward(incoming(message));
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
