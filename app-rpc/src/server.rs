//! An RPC server: who listens, who is let in, and how it stops.
//!
//! A server has threads of its own, and none of them is the application's:
//!
//! - One accepts and shakes hands. Strangers cost the application's services nothing, and no call, however slow, keeps anybody out.
//! - Some serve the clients. A connection stays on its thread, since capnp-rpc can't leave the thread that it began on.
//! - The admin interface has one more. It serves the clients that had a role above `read` when they connected: an operator waits for
//!   no reader. A grant that changes later moves no connection; what the client may do is looked up for each call.

mod accept;
mod admission;
mod connection;
mod counts;
mod descriptors;
mod handshakes;
mod journal;
mod meters;
mod places;
#[cfg(test)]
mod simulated;
mod threads;

use std::net::SocketAddr;
use std::sync::Arc;

use app_core::prelude::*;
use app_metrics::listening::{ListenError, Listening, listen};
use app_tls::{RevokedSet, server_config};
use capnp::capability;
use parking_lot::RwLock;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use self::accept::{EMFILE, ENFILE};
pub(crate) use self::counts::Counts;
pub use self::counts::ServerCounts;
pub(crate) use self::descriptors::Descriptors;
use self::journal::Journal;
pub(crate) use self::meters::Meters;
pub use self::meters::{
    ENDPOINT_METRICS, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_ENDED,
    RPC_CONNECTIONS_ESTABLISHED, RPC_CONNECTIONS_REFUSED,
};
use self::places::Room;
#[cfg(test)]
pub(crate) use self::simulated::Simulated;
use self::threads::ServerThreads;
use crate::accounts::Accounts;
use crate::peer::LiveGrants;
use crate::threads::ThreadPanicked;
use crate::{Certificate, Peer, Refusal, RpcServerConfig};

/// Makes what a client may call, when it was let in.
///
/// It is called once for each connection, on the connection's thread, and what it makes lives as long as the connection. So it can
/// keep what concerns this client, such as [`Peer::role`].
#[derive(Clone)]
pub struct Bootstrap {
    make: Arc<dyn Fn(&Peer) -> capability::Client + Send + Sync>,
    capabilities: usize,
}

impl Bootstrap {
    /// From a function that makes the client of an interface, mostly with `capnp_rpc::new_client`.
    pub fn new<C>(make: impl Fn(&Peer) -> C + Send + Sync + 'static) -> Self
    where
        C: capability::FromClientHook,
    {
        let make = Arc::new(move |peer: &Peer| capability::Client::new(make(peer).into_client_hook()));
        Self { make, capabilities: 0 }
    }

    /// Lets each call bring so many capabilities. Without it a call that brings any is refused: the server keeps something of each
    /// for as long as a handler holds it, and a client that gives none can send much less of the protocol. An interface with
    /// callbacks needs it.
    ///
    /// ```
    /// # use app_rpc::Bootstrap;
    /// # use quota_schema::quota_capnp::quota;
    /// # struct Limited;
    /// # impl quota::Server for Limited {}
    /// let bootstrap = Bootstrap::new(|_peer| -> quota::Client { capnp_rpc::new_client(Limited) }).with_capabilities(1);
    /// ```
    #[must_use]
    pub fn with_capabilities(mut self, in_each_call: usize) -> Self {
        self.capabilities = in_each_call;
        self
    }

    fn make(&self, peer: &Peer) -> capability::Client {
        (self.make)(peer)
    }
}

/// What may change while the server runs.
struct Live {
    config: RpcServerConfig,
    tls: Arc<ServerConfig>,
}

impl Live {
    fn new(config: RpcServerConfig) -> Result<Self, rustls::Error> {
        let tls = server_config(&config.key_pair, &config.clients)?;
        Ok(Self { config, tls })
    }

    fn room(&self) -> Room {
        Room::new(self.config.max_connections, self.config.grants.any())
    }

    /// The memory of all clients together, in bytes, and how much of it is kept for clients with a grant.
    fn memory(&self) -> (usize, usize) {
        let all = self.config.limits.memory_bytes;
        (all, self.config.limits.kept_memory(self.config.grants.any()))
    }
}

/// What all connections of a server share.
struct Shared {
    live: RwLock<Arc<Live>>,
    descriptors: Descriptors,
    grants: LiveGrants,
    accounts: Accounts,
    /// What the revocation lists name: connections that are open look at it whenever it changes.
    revoked: watch::Sender<RevokedSet>,
    bootstrap: Bootstrap,
    counts: Arc<Counts>,
    journal: Journal,
    stop: CancellationToken,
}

impl Shared {
    /// A server of this config, as far as there are descriptors.
    fn new(
        mut config: RpcServerConfig,
        descriptors: Descriptors,
        bootstrap: Bootstrap,
        counts: Arc<Counts>,
        log: &Logger,
    ) -> Result<Self, rustls::Error> {
        descriptors.fit(&mut config, log);
        let live = Live::new(config)?;
        let (memory_bytes, kept) = live.memory();
        Ok(Self {
            descriptors,
            grants: LiveGrants::new(live.config.grants.clone()),
            revoked: watch::Sender::new(live.config.clients.revoked()),
            accounts: Accounts::new(memory_bytes, kept),
            live: RwLock::new(Arc::new(live)),
            bootstrap,
            counts,
            journal: Journal::new(log.clone()),
            stop: CancellationToken::new(),
        })
    }

    fn live(&self) -> Arc<Live> {
        Arc::clone(&self.live.read())
    }

    /// Counts and logs a connection that is refused.
    fn refuse(&self, from: SocketAddr, certificate: Option<&Certificate>, why: Refusal, detail: &str) {
        self.counts.refused(why);
        self.journal.refused(from, certificate, why, detail);
    }
}

/// A server that listens, and is not told to accept yet.
pub(crate) struct BoundServer {
    listener: std::net::TcpListener,
    address: SocketAddr,
    shared: Arc<Shared>,
    threads: ServerThreads,
}

/// Why there is no server.
pub(crate) enum ServerError {
    Bind(ListenError),
    Tls(rustls::Error),
    Threads(std::io::Error),
}

/// Changes what a server that runs agrees to.
#[derive(Clone)]
pub(crate) struct ServerControl(Arc<Shared>);

impl ServerControl {
    /// How many connections may be open.
    pub(crate) fn max_connections(&self) -> usize {
        self.0.live().config.max_connections
    }

    /// New connections are under this config. Those that are open live on until they are too old, unless their client's certificate
    /// was revoked; the grants are those of this config for them too.
    pub(crate) fn reconfigure(&self, mut config: RpcServerConfig) -> Result<(), rustls::Error> {
        self.0.descriptors.fit(&mut config, self.0.journal.log());
        let live = Arc::new(Live::new(config)?);
        let (grants, revoked) = (live.config.grants.clone(), live.config.clients.revoked());
        // Whoever shakes hands under the old lists looks at the new ones afterwards.
        let (memory_bytes, kept) = live.memory();
        self.0.accounts.set_memory(memory_bytes, kept);
        *self.0.live.write() = live;
        self.0.grants.replace(grants);
        self.0.revoked.send_replace(revoked);
        Ok(())
    }
}

impl BoundServer {
    /// Listens. Needs a tokio runtime.
    pub(crate) fn bind(
        config: RpcServerConfig,
        descriptors: Descriptors,
        bootstrap: Bootstrap,
        counts: Arc<Counts>,
        name: &str,
        is_admin: bool,
        log: &Logger,
    ) -> Result<Self, ServerError> {
        let count = config.threads.map_or_else(default_threads, |threads| threads.get().into());
        let (bind_address, port) = (config.bind_address, config.port);
        let shared = Shared::new(config, descriptors, bootstrap, counts, log).map_err(ServerError::Tls)?;
        let Listening { listener, address, without_ipv6, .. } =
            listen(bind_address, port).map_err(ServerError::Bind)?;
        if let Some(error) = without_ipv6 {
            info!(log, "RPC endpoint listens on IPv4 alone: there is no IPv6 here"; "err" => %error);
        }
        let listener = listener.into_std().map_err(ServerError::Threads)?;
        let threads = ServerThreads::start(name, count, is_admin, log).map_err(ServerError::Threads)?;
        Ok(Self { listener, address, shared: Arc::new(shared), threads })
    }

    /// Where it listens, with the port that it got.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn control(&self) -> ServerControl {
        ServerControl(Arc::clone(&self.shared))
    }

    /// Accepts until `dying`. Then calls that run may end within the drain limit, what is left is cancelled, and the threads end.
    ///
    /// # Errors
    /// One of the threads panicked. The others have ended as well.
    pub(crate) async fn serve(self, dying: CancellationToken) -> Result<(), ThreadPanicked> {
        let Self { listener, shared, threads, .. } = self;
        let (broken, threads_of) = (threads.broken(), threads.spawners());
        let (accepting, accepted) = tokio::sync::oneshot::channel::<()>();
        let (own, told) = (Arc::clone(&shared), dying.clone());
        let accept_thread = threads_of.accepting().clone();
        let sent = accept_thread.spawn(move || async move {
            accept::accept(listener, &own, &threads_of, &told).await;
            drop(accepting);
        });
        if sent.is_ok() {
            tokio::select! {
                _ = accepted => {}
                () = broken.cancelled() => {}
            }
        }
        shared.stop.cancel();
        let limits = shared.live().config.limits;
        // A connection has its own drain limit, and then a moment to tell its client.
        threads.join(limits.drain + Duration::from_secs(1)).await;
        // Nobody else ends what accepts.
        if broken.is_cancelled() || !dying.is_cancelled() { Err(ThreadPanicked) } else { Ok(()) }
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}
