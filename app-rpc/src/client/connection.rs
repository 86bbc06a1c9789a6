//! One connection of a client for calls, from connecting to its end. It stays on its thread.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::duration::show_duration;
use app_tls::{record_handshake, valid_until};
use capnp::capability::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::dial::dial_eagerly;
use super::instance::{ConnectError, Instance};
use super::pauses::FailedAt;
use super::setup::Setup;
use super::spread::Candidate;
use crate::clock;
use crate::connection::{self, Control, Memory, System};
use crate::{End, Limits, Refusal, words};

/// The most capabilities in an answer.
const ANSWER_CAPABILITIES: usize = 4096;

/// A connection to a server, for calls.
pub(super) struct CallConnection {
    pub(super) instance: Arc<Instance>,
    /// What it was made with.
    pub(super) setup: Arc<Setup>,
    pub(super) client: Client,
    pub(super) control: Rc<Control>,
    /// The earliest end of a certificate in the server's chain.
    pub(super) valid_until: Option<SystemTime>,
    /// Calls that have not ended.
    calls: Cell<usize>,
    /// New calls go elsewhere.
    retired: Cell<bool>,
    /// A call failed because the connection was lost. A lost connection counts as one failure, however many calls were on it.
    blamed: Cell<bool>,
    pub(super) ended: CancellationToken,
    reason: RefCell<String>,
}

/// An attempt to connect that failed.
pub(super) struct FailedConnect {
    pub(super) at: FailedAt,
    pub(super) why: ConnectError,
}

/// Counts a call until it is dropped.
pub(super) struct CallGuard(Rc<CallConnection>);

impl Drop for CallGuard {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get() - 1);
    }
}

impl CallConnection {
    /// Connects, shakes hands, and waits for the server's first answer. A server may refuse a client after the client's handshake has
    /// succeeded, so the handshake alone does not show that the server accepts calls.
    pub(super) async fn open(
        setup: &Arc<Setup>,
        instance: &Arc<Instance>,
    ) -> Result<Rc<Self>, FailedConnect> {
        let (limit, address) = (setup.config.connect_timeout, instance.address);
        let at = Cell::new(FailedAt::Dialling);
        timeout(limit, Self::connect(setup, instance, &at)).await.unwrap_or_else(|_| {
            let reason = format!("{address}: no connection within {}", show_duration(limit));
            let why = ConnectError { refusal: Some(Refusal::HandshakeTimeout), reason };
            Err(FailedConnect { at: at.get(), why })
        })
    }

    /// Sets `at` to the handshake once it begins.
    async fn connect(
        setup: &Arc<Setup>,
        instance: &Arc<Instance>,
        at: &Cell<FailedAt>,
    ) -> Result<Rc<Self>, FailedConnect> {
        let address = instance.address;
        let why = |refusal, reason: String| ConnectError { refusal, reason: format!("{address}: {reason}") };
        let failed = |refusal, reason| FailedConnect { at: FailedAt::Handshake, why: why(refusal, reason) };
        let socket = dial_eagerly(address).await.map_err(|error| FailedConnect {
            at: FailedAt::Dialling,
            why: why(None, words::of_io(&error)),
        })?;
        at.set(FailedAt::Handshake);
        let connecting = TlsConnector::from(Arc::clone(&setup.tls)).connect(setup.server.clone(), socket);
        let (stream, mut shown) = record_handshake(connecting).await;
        let stream = stream.map_err(|error| {
            let (refusal, reason) = words::of_handshake(&error, &mut shown);
            failed(Some(refusal), reason)
        })?;
        let valid_until =
            stream.get_ref().1.peer_certificates().and_then(|chain| valid_until(chain, clock::now()));
        // The limit on capabilities is for the server's answers. The server makes no calls; the limits would hold for those, too.
        let limits = Limits { capabilities: ANSWER_CAPABILITIES, ..setup.config.limits };
        let control =
            Rc::new(Control::watched(limits, Memory::new(limits.peer_memory_bytes), setup.calls.watch()));
        let (system, client) = System::client(stream, &control);
        let connection = Rc::new(Self {
            instance: Arc::clone(instance),
            setup: Arc::clone(setup),
            client,
            control,
            valid_until,
            calls: Cell::new(0),
            retired: Cell::new(false),
            blamed: Cell::new(false),
            ended: CancellationToken::new(),
            reason: RefCell::default(),
        });
        tokio::task::spawn_local(Rc::clone(&connection).drive(system));
        let unless_opened = CloseOnDrop(Some(Rc::clone(&connection)));
        // Waits for the answer to the bootstrap question. (`when_resolved` of the client never resolves.)
        tokio::select! {
            () = connection.ended.cancelled() => return Err(failed(Some(Refusal::ByPeer), connection.reason())),
            () = connection.control.heard() => {}
        }
        if connection.control.end().is_some() {
            // The server's first message says that it refuses this client.
            connection.ended.cancelled().await;
            return Err(failed(Some(Refusal::ByPeer), connection.reason()));
        }
        unless_opened.disarm();
        Ok(connection)
    }

    /// Runs the connection until it has ended.
    async fn drive<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, system: System<S>) {
        let (_, reason) = connection::run(system).await;
        self.reason.borrow_mut().push_str(&reason);
        self.retired.set(true);
        self.ended.cancel();
    }

    /// Whether the server's certificate has expired.
    pub(super) fn has_expired(&self) -> bool {
        self.valid_until.is_some_and(|end| end < clock::now())
    }

    /// Why the connection has ended.
    pub(super) fn reason(&self) -> String {
        self.reason.borrow().clone()
    }

    /// Whether this is the first call that fails because the connection was lost.
    pub(super) fn is_first_loss(&self) -> bool {
        !self.blamed.replace(true)
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.get()
    }

    pub(super) fn begin_call(self: &Rc<Self>) -> CallGuard {
        self.calls.set(self.calls.get() + 1);
        CallGuard(Rc::clone(self))
    }

    /// Sends new calls elsewhere.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Closes the connection. Calls on it fail.
    pub(super) fn close(&self, end: End, reason: &str) {
        self.retire();
        self.control.close(end, capnp::Error::disconnected(reason.to_owned()));
    }
}

impl Candidate for Rc<CallConnection> {
    fn at(&self) -> &Instance {
        &self.instance
    }

    fn takes_calls(&self) -> bool {
        !self.retired.get() && self.control.end().is_none() && !self.control.is_congested()
    }
}

/// Closes a connection whose opening was cancelled or failed.
struct CloseOnDrop(Option<Rc<CallConnection>>);

impl CloseOnDrop {
    fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for CloseOnDrop {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close(End::Stopping, "nothing waits for the connection any more");
        }
    }
}
