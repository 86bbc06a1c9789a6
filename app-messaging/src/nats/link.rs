//! One connection: the client, its inbox, and what is known of it.
//!
//! The client of a link never connects again by itself: that is the keeper's work, which makes a new link. So each connection is
//! probed, errors are told in full, and a client that ended with a panic (as it does after `-ERR` without a text) is noticed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use app_core::prelude::Service;
use async_nats::client::traits::Publisher as _;
use async_nats::connection::State;
use async_nats::message::OutboundMessage;
use async_nats::{Client, Event, HeaderMap, Message, ServerError, Subject, Subscriber};
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use parking_lot::Mutex;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::ack_info::delivery_key;
use super::in_use::Uses;
use super::replies::{CallGuard, Replies, ReplyResult, Routed};
use super::violations::Violation;
use crate::transport::TransportError;

/// How long nothing may have come late before a connection closes.
const QUIET: Duration = Duration::from_millis(300);

/// When what came late is delivered again. Longer than [`QUIET`]: at once, it would come here again and again, and each time count
/// as a delivery without a known end.
const LATE_NAK: Duration = Duration::from_millis(400);

/// How long closing waits for calls under way.
const CALLS: Duration = Duration::from_secs(4);

/// How long closing waits for what comes late.
const LATE: Duration = Duration::from_secs(2);

/// How many messages beside deliveries may be on the way to an inbox that ends.
const BESIDE: u64 = 64;

/// The most subjects that are remembered as denied.
const MAX_DENIED: usize = 256;

/// What a server said or did. The callbacks of the client write it.
#[derive(Default)]
pub(super) struct ServerSigns {
    /// The connection is gone.
    pub(super) gone: CancellationToken,
    /// The server will stop soon.
    pub(super) leaving: CancellationToken,
    /// Whether the connection was made. The client must not make it again.
    pub(super) used: AtomicBool,
    /// Messages that the client dropped since its queue was full.
    overflows: AtomicU64,
    /// The last error that the server told.
    error: Mutex<Option<String>>,
    /// Subscriptions that the account may not have.
    denied: Mutex<Vec<String>>,
    /// The subscription of the inbox.
    inbox: OnceLock<String>,
    pub(super) replies: Arc<Replies>,
}

impl ServerSigns {
    /// Takes an event of the client. Events may be lost, so each is known another way too.
    pub(super) fn take(&self, event: &Event) {
        match event {
            Event::Disconnected | Event::Closed => self.gone.cancel(),
            Event::LameDuckMode => self.leaving.cancel(),
            Event::ServerError(error) => self.take_error(error),
            // One event for each message that the client dropped, as far as events arrive. A count alone: it orders nothing.
            Event::SlowConsumer(_) => {
                self.overflows.fetch_add(1, Ordering::Relaxed);
            }
            _ => {}
        }
    }

    fn take_error(&self, error: &ServerError) {
        let ServerError::Other(text) = error else {
            *self.error.lock() = Some(error.to_string());
            return;
        };
        match Violation::parse(text) {
            Some(Violation::Publish(subject)) => self.replies.deny(subject, text),
            Some(Violation::Subscribe(subject)) => {
                if self.inbox.get().is_some_and(|inbox| inbox == subject) {
                    self.replies.deny_all(text);
                }
                let mut denied = self.denied.lock();
                if denied.len() < MAX_DENIED {
                    denied.push(subject.to_owned());
                }
            }
            None => *self.error.lock() = Some(shown(text)),
        }
    }

    fn is_denied(&self, subject: &str) -> bool {
        self.denied.lock().iter().any(|denied| denied == subject)
    }
}

/// Text of a server, for people: one line of at most 200 characters.
pub(super) fn shown(text: &str) -> String {
    app_errors::one_line(text).to_string().chars().take(200).collect()
}

/// A connection.
pub(super) struct Link {
    client: Client,
    signs: Arc<ServerSigns>,
    /// What the subjects of answers begin with, with the dot at its end.
    inbox: String,
    /// What the subjects of JetStream's calls begin with.
    pub(super) api: String,
    pub(super) number: u64,
    pub(super) server: String,
    pub(super) version: String,
    pub(super) in_cluster: bool,
    send_timeout: Duration,
    /// Set when another link takes over.
    retired: CancellationToken,
    /// Set when the inbox is to end.
    closing: CancellationToken,
    uses: Uses,
}

impl Link {
    /// Takes over a client that has just connected. Subscribes to its inbox, and proves that answers arrive.
    pub(super) async fn take_over(
        client: Client,
        signs: Arc<ServerSigns>,
        settings: &super::Settings,
        number: u64,
        service: &Service,
    ) -> Result<Arc<Self>, String> {
        let info = client.server_info();
        let inbox = format!("{}.{:016x}.", settings.inbox_prefix, app_ids::random_u64());
        let link = Arc::new(Self {
            client,
            signs,
            inbox,
            api: settings.api.clone(),
            number,
            server: shown(if info.server_name.is_empty() { &info.server_id } else { &info.server_name }),
            version: shown(&info.version),
            in_cluster: info.cluster.is_some(),
            send_timeout: settings.send_timeout,
            retired: CancellationToken::new(),
            closing: CancellationToken::new(),
            uses: Uses::default(),
        });
        let pattern = format!("{}*", link.inbox);
        // Whatever goes wrong, or who stops waiting: the connection ends then.
        let ends = link.signs.gone.clone().drop_guard();
        // A connection has one inbox, so this is the first time.
        let _ = link.signs.inbox.set(pattern.clone());
        let subscribed = timeout(settings.connect_timeout, link.client.subscribe(pattern.clone())).await;
        let Ok(Ok(subscriber)) = subscribed else {
            return Err("the connection was lost before its inbox was subscribed".to_owned());
        };
        let routes = Arc::clone(&link);
        let routed = service.spawn("messaging answers", async move { routes.route_all(subscriber).await });
        if routed.is_err() {
            return Err("the service stops".to_owned());
        }
        let proven = link.round_trip(settings.connect_timeout).await;
        if link.signs.is_denied(&pattern) {
            return Err(format!(
                "the account may not subscribe to {pattern}, so no answer arrives; allow {}.>, or set inboxPrefix to what it may use",
                settings.inbox_prefix
            ));
        }
        if let Err(error) = proven {
            return Err(format!("the connection was made, and then nothing arrived at its inbox: {error}"));
        }
        ends.disarm();
        Ok(link)
    }

    /// Gives what arrives at the inbox to the calls and pulls. It ends with the connection.
    async fn route_all(&self, mut subscriber: Subscriber) {
        let gone = self.signs.gone.cancelled();
        tokio::pin!(gone);
        let (mut received, mut ends) = (0, false);
        loop {
            // Messages first: tokio gives the other a turn every now and then.
            let message = tokio::select! {
                biased;
                message = subscriber.next() => message,
                () = &mut gone => break,
                () = self.closing.cancelled(), if !ends => {
                    ends = true;
                    self.end_inbox(&mut subscriber, received).await;
                    continue;
                }
            };
            let Some(message) = message else { break };
            received += 1;
            self.route(message);
        }
        self.signs.gone.cancel();
        self.signs.replies.close();
    }

    /// Ends the subscription of the inbox behind all that the server may have sent by now. No call of the client does that: after a
    /// drain it does not read what is on the way. So the server is told after how many messages the subscription ends, and sends
    /// itself as many as are missing.
    async fn end_inbox(&self, subscriber: &mut Subscriber, received: u64) {
        let more = self.signs.replies.on_the_way() as u64 + BESIDE;
        if subscriber.unsubscribe_after(received + more).await.is_err() {
            return;
        }
        for _ in 0..more {
            // No token of a call.
            let subject = format!("{}end", self.inbox).into();
            let message = OutboundMessage { subject, reply: None, payload: Bytes::new(), headers: None };
            if self.client.publish_message(message).await.is_err() {
                return;
            }
        }
    }

    fn route(&self, message: Message) {
        if let Some(token) = message.subject.as_str().strip_prefix(self.inbox.as_str()) {
            if let Ok(token) = u64::from_str_radix(token, 16) {
                self.signs.replies.answer(token, message);
            }
            return;
        }
        // The subject is that of the stored message. Who asked for it is in the reply subject.
        let reply = message.reply.clone();
        let Some(key) = reply.as_ref().and_then(|reply| delivery_key(reply.as_str())) else { return };
        if let Routed::Late(message) = self.signs.replies.deliver(key, message) {
            self.hand_back(&message);
        }
    }

    /// Gives a delivery back that nobody here takes. It does not wait: the ack wait of the delivery does the same, later.
    pub(super) fn hand_back(&self, message: &Message) {
        if let Some(reply) = &message.reply {
            let nak = format!("-NAK {{\"delay\": {}}}", LATE_NAK.as_nanos());
            let _ = self.client.publish(reply.clone(), nak.into()).now_or_never();
        }
    }

    /// Sends if there is room at once. Nobody waits for what becomes of it.
    pub(super) fn send_without_waiting(&self, subject: String, payload: &'static [u8]) {
        let _ = self.client.publish(subject, Bytes::from_static(payload)).now_or_never();
    }

    pub(super) fn uses(&self) -> &Uses {
        &self.uses
    }

    pub(super) fn replies(&self) -> &Arc<Replies> {
        &self.signs.replies
    }

    /// The subject that answers to this token go to.
    pub(super) fn inbox(&self, token: u64) -> Subject {
        format!("{}{token:x}", self.inbox).into()
    }

    /// A subject beside those of the answers.
    pub(super) fn inbox_of(&self, name: &str) -> String {
        format!("{}w.{name}", self.inbox)
    }

    /// How long a call may take.
    pub(super) fn timeout(&self) -> Duration {
        self.send_timeout
    }

    /// Whether messages can be sent.
    pub(super) fn is_connected(&self) -> bool {
        !self.signs.gone.is_cancelled() && self.client.connection_state() == State::Connected
    }

    /// Waits until the connection is gone.
    pub(super) async fn gone(&self) {
        self.signs.gone.cancelled().await;
    }

    /// Waits until the server says that it will stop.
    pub(super) async fn leaving(&self) {
        self.signs.leaving.cancelled().await;
    }

    /// Waits until another link takes over, or the connection is gone.
    pub(super) async fn retired(&self) {
        tokio::select! {
            () = self.retired.cancelled() => {}
            () = self.signs.gone.cancelled() => {}
        }
    }

    /// Why the connection was lost, as far as the server told.
    pub(super) fn last_error(&self) -> Option<String> {
        self.signs.error.lock().clone()
    }

    /// Other servers of the cluster, as the server tells them: `host:port`.
    pub(super) fn other_servers(&self) -> Vec<String> {
        self.client.server_info().connect_urls
    }

    pub(super) fn max_payload(&self) -> usize {
        self.client.max_payload()
    }

    /// Sends, within the deadline. The client waits while its queue is full.
    pub(super) async fn publish(
        &self,
        message: OutboundMessage,
        until: Instant,
    ) -> Result<(), TransportError> {
        if !self.is_connected() {
            return Err(TransportError::NotConnected);
        }
        match timeout_at(until, self.client.publish_message(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(publish_error(&error)),
            Err(_) => Err(TransportError::NotConnected),
        }
    }

    /// Sends, and waits for the first answer.
    pub(super) async fn call(
        &self,
        subject: Subject,
        headers: Option<HeaderMap>,
        payload: Bytes,
        until: Instant,
    ) -> Result<Message, TransportError> {
        let (guard, answer) = self.signs.replies.call(|_| subject.clone())?;
        let message = OutboundMessage { subject, reply: Some(self.inbox(guard.token())), payload, headers };
        self.publish(message, until).await?;
        self.answered(guard, answer, until).await
    }

    async fn answered(
        &self,
        _guard: CallGuard,
        answer: tokio::sync::oneshot::Receiver<ReplyResult>,
        until: Instant,
    ) -> Result<Message, TransportError> {
        match timeout_at(until, answer).await {
            Ok(Ok(Ok(message))) if message.status.is_some_and(|status| status.as_u16() == 503) => {
                Err(TransportError::NoResponders)
            }
            Ok(Ok(Ok(message))) => Ok(message),
            Ok(Ok(Err(denied))) => Err(TransportError::Refused(denied)),
            // The connection is gone, or the time is over.
            Ok(Err(_)) | Err(_) => Err(TransportError::NoAnswer),
        }
    }

    /// Proves that the server has done everything that was asked before.
    pub(super) async fn round_trip(&self, within: Duration) -> Result<(), TransportError> {
        let (guard, answer) = self.signs.replies.call(|token| self.inbox(token))?;
        let subject = self.inbox(guard.token());
        let until = Instant::now() + within;
        let message = OutboundMessage { subject, reply: None, payload: Bytes::new(), headers: None };
        self.publish(message, until).await?;
        match self.answered(guard, answer, until).await {
            // It may not send to its own inbox. The server said so, after everything else.
            Ok(_) | Err(TransportError::Refused(_) | TransportError::NoResponders) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// A subscription of its own.
    pub(super) async fn subscribe(
        &self,
        subject: &str,
        queue: Option<&str>,
    ) -> Result<Subscriber, TransportError> {
        let subscribes = async {
            match queue {
                Some(queue) => self.client.queue_subscribe(subject.to_owned(), queue.to_owned()).await,
                None => self.client.subscribe(subject.to_owned()).await,
            }
        };
        match timeout(self.send_timeout, subscribes).await {
            Ok(Ok(subscriber)) => Ok(subscriber),
            _ => Err(TransportError::NotConnected),
        }
    }

    /// How many messages the client dropped since the last call, since its queue was full.
    pub(super) fn take_overflows(&self) -> u64 {
        self.signs.overflows.swap(0, Ordering::Relaxed)
    }

    /// Whether the server has said that the account may not have this subscription.
    pub(super) fn denies(&self, subject: &str) -> bool {
        self.signs.is_denied(subject)
    }

    /// Whether the server has denied any subscription.
    pub(super) fn denies_something(&self) -> bool {
        !self.signs.denied.lock().is_empty()
    }

    /// Another link takes over: pulls end here.
    pub(super) fn retire(&self) {
        self.retired.cancel();
    }

    /// Ends the connection at once.
    pub(super) fn abandon(&self) {
        self.signs.gone.cancel();
        self.signs.replies.close();
    }

    /// Ends the connection when its calls have their answers, and nothing comes late any more.
    pub(super) async fn close(&self) {
        self.retire();
        self.uses.begin_close();
        let until = Instant::now() + self.send_timeout.min(CALLS);
        let busy = || self.signs.replies.calls() > 0 || self.uses.count() > 0;
        while self.is_connected() && busy() && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let until = Instant::now() + LATE;
        while self.is_connected() && Instant::now() < until {
            let (late, last) = self.signs.replies.late();
            if late == 0 || last.is_none_or(|last| last.elapsed() >= QUIET) {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        if self.is_connected() {
            // What was handed back last has arrived after this.
            let _ = self.round_trip(Duration::from_secs(1)).await;
            if self.signs.replies.on_the_way() > 0 {
                self.closing.cancel();
                // It is gone with its inbox, after everything that came there was handed back.
                let _ = timeout(Duration::from_secs(1), self.gone()).await;
            }
            let _ = timeout(Duration::from_millis(500), self.client.drain()).await;
        }
        self.abandon();
    }
}

fn publish_error(error: &async_nats::PublishError) -> TransportError {
    match error.kind() {
        // The client is gone.
        async_nats::PublishErrorKind::Send => TransportError::NotConnected,
        _ => TransportError::Refused(error.to_string()),
    }
}

#[cfg(test)]
mod tests;
