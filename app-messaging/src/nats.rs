//! The transport on NATS with JetStream.
//!
//! Of `async-nats` it uses the protocol alone: connecting, publishing, subscriptions. What is above that has deadlines, bounds and
//! answers that are read back, which is what this module is for:
//!
//! - One inbox for all answers, with a bounded map whose entries are guarded ([`replies`]). Permission violations, which a server
//!   tells beside the answer, are matched by subject.
//! - Pulls of exactly what there is room for, with signs of life ([`pull`]). What comes after a pull ended is handed back.
//! - A keeper makes each connection, probes it, and makes it anew ([`keeper`]). The client itself never connects again.
//! - A payload over the limit of the server would end the connection, so sizes are checked before ([`Nats::send`]).

mod account;
mod ack_info;
mod api;
mod buckets;
mod connect;
mod consumers;
mod headers;
mod in_use;
mod keeper;
mod link;
mod pull;
mod recent;
mod replies;
mod settings;
mod streams;
mod subscriptions;
mod transport;
mod violations;
mod watch;

#[cfg(test)]
mod tests;

use std::sync::{Arc, Weak};
use std::time::Duration;

use app_core::prelude::*;
use app_metrics::{Counter, Gauge};
use arc_swap::ArcSwapOption;
use async_nats::message::OutboundMessage;
use async_nats::{HeaderMap, Message};
use parking_lot::Mutex;
use tokio::sync::{oneshot, watch as latest};
use tokio::time::Instant;

use self::in_use::LinkInUse;
use self::keeper::Keeper;
use self::link::Link;
pub(crate) use self::settings::Settings;
use self::subscriptions::Subscriptions;
use crate::in_process::is_subject;
use crate::transport::{Outgoing, TransportError};

/// The limit of a message until a server has told its own: that of a server without a config.
const DEFAULT_MAX_PAYLOAD: usize = 1 << 20;

/// What the subjects of NATS' services protocol begin with.
const SERVICES: &str = "$SRV.";

/// The metrics of the connection.
#[derive(Clone)]
pub(crate) struct LinkMeters {
    pub(crate) connected: Gauge,
    /// Messages that the client dropped before anything here could read them.
    pub(crate) dropped: Counter,
}

/// What the keeper and the calls share.
pub(crate) struct Shared {
    service: Service,
    current: ArcSwapOption<Link>,
    subscriptions: Arc<Subscriptions>,
    /// What `/readyz` says, if anything is wrong.
    note: Mutex<Option<String>>,
}

impl Shared {
    fn set_current(&self, link: Option<Arc<Link>>) {
        if link.is_some() {
            self.note(None);
        }
        self.current.store(link);
    }

    fn note(&self, note: Option<String>) {
        *self.note.lock() = note;
    }

    /// There is no connection, for this reason.
    fn away(&self, reason: &str) {
        self.note(Some(format!("no NATS server can be used: {reason}")));
    }
}

/// The transport. Clones are one transport.
#[derive(Clone)]
pub(crate) struct Nats {
    shared: Arc<Shared>,
}

impl Nats {
    /// Connects as these settings say, and follows them. The tasks belong to the service. It returns after the first try, or after
    /// this time; without a server it tries again in the background.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    pub(crate) async fn start(
        service: &Service,
        settings: latest::Receiver<Arc<Settings>>,
        meters: LinkMeters,
        wait: Duration,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            service: service.clone(),
            current: ArcSwapOption::empty(),
            subscriptions: Arc::default(),
            note: Mutex::new(Some("connecting to NATS".to_owned())),
        });
        let (tried, first) = oneshot::channel();
        let keeper = Keeper::new(Arc::clone(&shared), settings, meters, tried);
        service.spawn("messaging connection", keeper.run())?;
        // Without a server the application starts all the same.
        let _ = tokio::time::timeout(wait, first).await;
        Ok(Self { shared })
    }

    /// The transport, as long as something else holds it.
    pub(crate) fn downgrade(&self) -> Weak<Shared> {
        Arc::downgrade(&self.shared)
    }

    /// What is wrong with the connection, if anything is.
    pub(crate) fn trouble(&self) -> Option<String> {
        let link = self.shared.current.load_full().filter(|link| link.is_connected());
        let note = self.shared.note.lock().clone();
        let Some(link) = link else {
            return Some(note.unwrap_or_else(|| "no NATS server can be used".to_owned()));
        };
        let mut denied = self.shared.subscriptions.denied(&link);
        // Others do not find this instance then, and nothing else is wrong.
        denied.retain(|subject| !subject.starts_with(SERVICES));
        if denied.is_empty() {
            return note;
        }
        Some(format!("the account may not subscribe to {}; allow it", denied.join(", ")))
    }

    /// The current link. It stays open as long as this is held, up to a limit.
    fn link(&self) -> Result<LinkInUse, TransportError> {
        let current =
            || self.shared.current.load_full().map(LinkInUse::new).ok_or(TransportError::NotConnected);
        let mut link = current()?;
        while link.is_closing() {
            let next = current()?;
            if next.number == link.number {
                return Err(TransportError::NotConnected);
            }
            link = next;
        }
        if link.is_connected() { Ok(link) } else { Err(TransportError::NotConnected) }
    }

    /// Whether the server takes a message of this subject and size. One that is too large would end the connection.
    fn check(&self, link: &Link, message: &Outgoing) -> Result<(), TransportError> {
        if !is_subject(&message.subject) {
            return Err(TransportError::Refused(format!("{:?} is no subject", message.subject)));
        }
        let (bytes, limit) = (message.headers.wire_bytes() + message.payload.len(), link.max_payload());
        if bytes > limit { Err(TransportError::TooLarge { bytes, limit }) } else { Ok(()) }
    }

    /// A message for the client.
    fn outbound(&self, link: &Link, message: Outgoing) -> Result<OutboundMessage, TransportError> {
        self.check(link, &message)?;
        let Outgoing { subject, reply, headers, payload } = message;
        let headers = headers::outgoing(&headers);
        Ok(OutboundMessage { subject: subject.into(), reply: reply.map(Into::into), headers, payload })
    }

    /// Sends, and waits for the first answer.
    async fn send(&self, message: Outgoing, timeout: Duration) -> Result<Message, TransportError> {
        let until = Instant::now() + timeout;
        let link = self.link()?;
        let OutboundMessage { subject, headers, payload, .. } = self.outbound(&link, message)?;
        link.call(subject, headers, payload, until).await
    }
}

impl From<Arc<Shared>> for Nats {
    fn from(shared: Arc<Shared>) -> Self {
        Self { shared }
    }
}

/// Headers of one name and value.
fn one_header(name: &'static str, value: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.append(name, value);
    headers
}
