//! An RPC server: listening, accepting clients, serving them, and stopping.
//!
//! A server has threads of its own, apart from the threads of the application:
//!
//! - One thread accepts connections and runs handshakes. So strangers take no time from services, and a slow call keeps no client
//!   from connecting.
//! - Some threads serve clients. A connection stays on its thread, because capnp-rpc can't leave the thread that it began on.
//! - The admin interface has one more. It serves clients that had a role above `read` when they connected, so that an operator does
//!   not wait for readers. A grant that changes later does not move a connection. The role is looked up for each call.

mod accept;
mod admission;
mod call_panels;
mod calls;
mod connection;
mod counts;
mod descriptors;
mod generations;
mod handshakes;
mod journal;
mod meters;
mod panels;
#[cfg(test)]
mod simulated;
mod slots;
mod threads;

use std::net::SocketAddr;
use std::sync::Arc;

use app_core::listeners::Listener;
use app_core::prelude::*;
use app_tls::{RevokedSet, server_config};
use capnp::capability;
use parking_lot::RwLock;
use rustls::ServerConfig;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use self::calls::CallLimits;
pub(crate) use self::counts::Counts;
pub use self::counts::ServerCounts;
pub(crate) use self::descriptors::Descriptors;
use self::generations::Generations;
use self::journal::Journal;
pub(crate) use self::meters::Meters;
pub use self::meters::{
    ENDPOINT_METRICS, RPC_CALL_REFUSALS, RPC_CALLS_REFUSED, RPC_CONNECTIONS_ACTIVE, RPC_CONNECTIONS_ENDED,
    RPC_CONNECTIONS_ESTABLISHED, RPC_CONNECTIONS_REFUSED,
};
#[cfg(test)]
pub(crate) use self::simulated::Simulated;
use self::slots::SlotLimits;
use self::threads::ServerThreads;
use crate::accounts::Accounts;
use crate::handlers::served;
use crate::peer::LiveGrants;
use crate::threads::ThreadPanicked;
use crate::{Certificate, Peer, Refusal, RpcServerConfig};

/// Makes the capability that an accepted client may call.
///
/// The function runs once for each connection, on the connection's thread. The capability lives as long as the connection, so it can
/// keep data of this client, such as [`Peer::role`].
#[derive(Clone)]
pub struct Bootstrap {
    make: Arc<dyn Fn(&Peer) -> capability::Client + Send + Sync>,
    capabilities: usize,
}

impl Bootstrap {
    /// Takes a function that makes the client of an interface, usually with `capnp_rpc::new_client`.
    pub fn new<C>(make: impl Fn(&Peer) -> C + Send + Sync + 'static) -> Self
    where
        C: capability::FromClientHook,
    {
        let make = Arc::new(move |peer: &Peer| capability::Client::new(make(peer).into_client_hook()));
        Self { make, capabilities: 0 }
    }

    /// Lets each call bring this many capabilities. An interface with callbacks needs it. Without it, a call that brings a
    /// capability is refused: a capability takes memory of the server for as long as a handler holds it, and allows a client to send
    /// more kinds of messages.
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
        served((self.make)(peer), peer.address)
    }
}

/// The part of a server that a reload replaces.
struct Live {
    config: RpcServerConfig,
    tls: Arc<ServerConfig>,
}

impl Live {
    fn new(config: RpcServerConfig) -> Result<Self, rustls::Error> {
        let tls = server_config(&config.key_pair, &config.clients)?;
        Ok(Self { config, tls })
    }

    fn slots(&self) -> SlotLimits {
        SlotLimits::new(self.config.max_connections, self.config.grants.any())
    }

    /// The memory of all clients together, in bytes, and how much of it is kept for clients with a grant.
    fn memory(&self) -> (usize, usize) {
        let all = self.config.limits.memory_bytes;
        (all, self.config.limits.kept_memory(self.config.grants.any()))
    }
}

/// The state that all connections of a server share.
struct ServerState {
    live: RwLock<Arc<Live>>,
    descriptors: Descriptors,
    grants: LiveGrants,
    accounts: Accounts,
    /// The revoked certificates. Open connections check theirs whenever this changes.
    revoked: watch::Sender<RevokedSet>,
    bootstrap: Bootstrap,
    call_limits: CallLimits,
    counts: Arc<Counts>,
    journal: Journal,
    generations: Generations,
    stop: CancellationToken,
}

impl ServerState {
    /// The state of a server with this config. It has fewer connections if there are too few descriptors.
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
            call_limits: CallLimits::new(&live.config),
            live: RwLock::new(Arc::new(live)),
            bootstrap,
            counts,
            journal: Journal::new(log.clone()),
            generations: Generations::default(),
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

/// A server that listens, and does not accept yet.
pub(crate) struct BoundServer {
    listener: Listener,
    shared: Arc<ServerState>,
    threads: ServerThreads,
}

/// What a server is.
pub(crate) struct ServedAs<'a> {
    /// The beginning of the names of its threads.
    pub(crate) name: &'a str,
    /// Whether it is the admin interface, which has a thread for clients with a grant.
    pub(crate) is_admin: bool,
}

/// Why a server does not start.
pub(crate) enum ServerError {
    Tls(rustls::Error),
    Threads(std::io::Error),
}

/// Changes the config of a running server.
#[derive(Clone)]
pub(crate) struct ServerControl(Arc<ServerState>);

impl ServerControl {
    /// How many connections may be open.
    pub(crate) fn max_connections(&self) -> usize {
        self.0.live().config.max_connections
    }

    /// Uses this config for new connections. Open connections stay until they are too old, unless their client's certificate was
    /// revoked. The grants of this config hold for them too.
    pub(crate) fn reconfigure(&self, mut config: RpcServerConfig) -> Result<(), rustls::Error> {
        self.0.descriptors.fit(&mut config, self.0.journal.log());
        let live = Arc::new(Live::new(config)?);
        let (grants, revoked) = (live.config.grants.clone(), live.config.clients.revoked());
        // A connection that makes its handshake under the old lists checks the new lists afterwards.
        let (memory_bytes, kept) = live.memory();
        self.0.accounts.set_memory(memory_bytes, kept);
        self.0.call_limits.set(&live.config);
        *self.0.live.write() = live;
        self.0.grants.replace(grants);
        self.0.revoked.send_replace(revoked);
        Ok(())
    }
}

impl BoundServer {
    /// Makes the server of a listener.
    pub(crate) fn new(
        listener: Listener,
        config: RpcServerConfig,
        descriptors: Descriptors,
        bootstrap: Bootstrap,
        counts: Arc<Counts>,
        served_as: ServedAs<'_>,
        log: &Logger,
    ) -> Result<Self, ServerError> {
        let ServedAs { name, is_admin } = served_as;
        let count = config.threads.map_or_else(default_threads, |threads| threads.get().into());
        let shared =
            ServerState::new(config, descriptors, bootstrap, counts, log).map_err(ServerError::Tls)?;
        if let Some(error) = listener.without_ipv6() {
            info!(log, "RPC endpoint listens on IPv4 alone: there is no IPv6 here"; "err" => %error);
        }
        let threads = ServerThreads::start(name, count, is_admin, log).map_err(ServerError::Threads)?;
        Ok(Self { listener, shared: Arc::new(shared), threads })
    }

    /// Its listener.
    pub(crate) fn listener(&self) -> &Listener {
        &self.listener
    }

    pub(crate) fn control(&self) -> ServerControl {
        ServerControl(Arc::clone(&self.shared))
    }

    /// Accepts connections until `dying`. Then running calls may end within the drain limit, the others are cancelled, and the
    /// threads end. New calls are refused, and their clients go elsewhere.
    ///
    /// If the listener outlives the process, connections are still accepted while the earlier ones are drained.
    ///
    /// # Errors
    /// One of the threads panicked. The others have ended too.
    pub(crate) async fn serve(self, dying: CancellationToken) -> Result<(), ThreadPanicked> {
        let Self { listener, shared, threads, .. } = self;
        let (broken, threads_of) = (threads.broken(), threads.spawners());
        let (accepting, accepted) = tokio::sync::oneshot::channel::<()>();
        let accepts_last = listener.accepts_last();
        let accept_until = CancellationToken::new();
        let (own, told) = (Arc::clone(&shared), accept_until.clone());
        let accept_thread = threads_of.accepting().clone();
        let sent = accept_thread.spawn(move || async move {
            accept::accept(listener, &own, &threads_of, &told).await;
            drop(accepting);
        });
        let stopping = async {
            dying.cancelled().await;
            shared.generations.begin_stop(shared.live().config.limits.drain);
            if accepts_last.holds() {
                shared.generations.retire().await;
            }
            accept_until.cancel();
            std::future::pending::<()>().await;
        };
        if sent.is_ok() {
            tokio::select! {
                _ = accepted => {}
                () = broken.cancelled() => {}
                () = stopping => {}
            }
        }
        shared.stop.cancel();
        // A connection has its own drain limit, and then a moment to tell its client.
        let left = shared.generations.drain(shared.live().config.limits.drain);
        threads.join(left + Duration::from_secs(1)).await;
        // Without a stop or a panic, accepting does not end.
        if broken.is_cancelled() || !dying.is_cancelled() { Err(ThreadPanicked) } else { Ok(()) }
    }
}

fn default_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| (cores.get() / 2).max(1))
}
