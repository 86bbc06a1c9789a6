//! One connection of a client: from connecting until it is over. It stays on its thread.

use std::cell::{Cell, RefCell};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::show_duration;
use app_tls::{record_handshake, valid_until};
use capnp::capability::Client;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_util::sync::CancellationToken;

use super::setup::Setup;
use crate::clock;
use crate::connection::{self, Control, Memory, System};
use crate::{End, Limits, Refusal, words};

/// How many capabilities an answer may bring.
const ANSWER_CAPABILITIES: usize = 4096;

/// A server that can be called.
pub(super) struct Connection {
    pub(super) address: SocketAddr,
    pub(super) client: Client,
    pub(super) control: Rc<Control>,
    /// When the first certificate of the server's chain ends.
    pub(super) valid_until: Option<SystemTime>,
    /// Calls that go on.
    calls: Cell<usize>,
    /// Whether new calls should go elsewhere.
    retired: Cell<bool>,
    pub(super) over: CancellationToken,
    why: RefCell<String>,
}

/// Why there is no connection.
#[derive(Debug, Clone)]
pub(super) struct ConnectError {
    pub(super) refusal: Option<Refusal>,
    pub(super) reason: String,
}

/// A call that goes on, until this is dropped.
pub(super) struct Calling(Rc<Connection>);

impl Drop for Calling {
    fn drop(&mut self) {
        self.0.calls.set(self.0.calls.get() - 1);
    }
}

impl Connection {
    /// Connects, shakes hands, and asks for what can be called: a server may refuse a client after the client thinks that it is
    /// connected.
    pub(super) async fn open(setup: &Setup, address: SocketAddr) -> Result<Rc<Self>, ConnectError> {
        let limit = setup.config.connect_timeout;
        timeout(limit, Self::connect(setup, address)).await.unwrap_or_else(|_| {
            let reason = format!("{address}: no connection within {}", show_duration(limit));
            Err(ConnectError { refusal: Some(Refusal::HandshakeTimeout), reason })
        })
    }

    async fn connect(setup: &Setup, address: SocketAddr) -> Result<Rc<Self>, ConnectError> {
        let failed =
            |refusal, reason: String| ConnectError { refusal, reason: format!("{address}: {reason}") };
        #[cfg(test)]
        if let Some(stream) = crate::simulation::connect(address).await {
            return Self::over(setup, address, stream.map_err(|error| failed(None, error.to_string()))?)
                .await;
        }
        let socket = TcpStream::connect(address).await.map_err(|error| failed(None, words::of_io(&error)))?;
        crate::socket::prepare(&socket);
        Self::over(setup, address, socket).await
    }

    /// Shakes hands on a stream to that address, and waits for the server's first words.
    pub(super) async fn over<S>(
        setup: &Setup,
        address: SocketAddr,
        socket: S,
    ) -> Result<Rc<Self>, ConnectError>
    where
        S: AsyncRead + AsyncWrite + Unpin + 'static,
    {
        let failed =
            |refusal, reason: String| ConnectError { refusal, reason: format!("{address}: {reason}") };
        let connecting = TlsConnector::from(Arc::clone(&setup.tls)).connect(setup.server.clone(), socket);
        let (stream, mut shown) = record_handshake(connecting).await;
        let stream = stream.map_err(|error| {
            let (why, words) = words::of_handshake(&error, &mut shown);
            failed(Some(why), words)
        })?;
        let valid_until =
            stream.get_ref().1.peer_certificates().and_then(|chain| valid_until(chain, clock::now()));
        // Answers bring capabilities; calls of the server, which there are none of, would be bounded as well.
        let limits = Limits { capabilities: ANSWER_CAPABILITIES, ..setup.config.limits };
        let control = Rc::new(Control::new(limits, Memory::new(limits.peer_memory_bytes)));
        let (system, client) = System::client(stream, &control);
        let connection = Rc::new(Self {
            address,
            client,
            control,
            valid_until,
            calls: Cell::new(0),
            retired: Cell::new(false),
            over: CancellationToken::new(),
            why: RefCell::default(),
        });
        tokio::task::spawn_local(Rc::clone(&connection).drive(system));
        let guard = Abandoned(Some(Rc::clone(&connection)));
        // The answer to the bootstrap. (`when_resolved` of it is never done.)
        tokio::select! {
            () = connection.over.cancelled() => return Err(failed(Some(Refusal::ByPeer), connection.why())),
            () = connection.control.heard() => {}
        }
        if connection.control.end().is_some() {
            // What it said is that it does not want us.
            connection.over.cancelled().await;
            return Err(failed(Some(Refusal::ByPeer), connection.why()));
        }
        guard.keep();
        Ok(connection)
    }

    /// Runs the connection until it is over.
    async fn drive<S: AsyncRead + AsyncWrite + Unpin + 'static>(self: Rc<Self>, system: System<S>) {
        let (_, why) = connection::run(system).await;
        self.why.borrow_mut().push_str(&why);
        self.retired.set(true);
        self.over.cancel();
    }

    /// Why it is over.
    pub(super) fn why(&self) -> String {
        self.why.borrow().clone()
    }

    /// Whether new calls may use it.
    pub(super) fn usable(&self) -> bool {
        !self.retired.get() && self.control.end().is_none() && !self.control.is_congested()
    }

    pub(super) fn calls(&self) -> usize {
        self.calls.get()
    }

    pub(super) fn begin_call(self: &Rc<Self>) -> Calling {
        self.calls.set(self.calls.get() + 1);
        Calling(Rc::clone(self))
    }

    /// Sends new calls elsewhere.
    pub(super) fn retire(&self) {
        self.retired.set(true);
    }

    pub(super) fn is_retired(&self) -> bool {
        self.retired.get()
    }

    /// Closes; calls that go on fail.
    pub(super) fn close(&self, end: End, reason: &str) {
        self.retire();
        self.control.close(end, capnp::Error::disconnected(reason.to_owned()));
    }
}

/// Closes a connection that nobody took.
struct Abandoned(Option<Rc<Connection>>);

impl Abandoned {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            connection.close(End::Stopping, "nobody waits for the connection any more");
        }
    }
}
