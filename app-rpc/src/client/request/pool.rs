//! The request connections of a client: one to each instance that the client is connected to.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app_core::prelude::Service;
use futures_util::future::join_all;
use parking_lot::RwLock;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::super::setup::Setup;
use super::super::status::{InstanceState, InstanceStatus};
use super::connection::{NoAnswer, RequestConnection};

/// The pause before another attempt to connect. The client's own pool has a backoff, and says when an instance is back.
const PAUSE: Duration = Duration::from_secs(1);

/// Requests before a connection is made for them. A command that makes one call and ends would never use it.
const ENOUGH_REQUESTS: u32 = 8;

/// The request connections of a client.
pub(crate) struct RequestPool {
    connections: RwLock<Vec<Arc<RequestConnection>>>,
    /// Requests that found no connection.
    missed: AtomicU32,
    /// Notified when [`keep`](Self::keep) or [`drain`](Self::drain) should look at the connections.
    changed: Arc<Notify>,
    /// The service that owns the connections' tasks.
    service: Service,
}

impl RequestPool {
    pub(crate) fn new(service: Service) -> Self {
        let connections = RwLock::default();
        Self { connections, missed: AtomicU32::new(0), changed: Arc::default(), service }
    }

    /// The usable connection with the fewest requests.
    pub(super) fn least_busy(&self) -> Option<Arc<RequestConnection>> {
        let connections = self.connections.read();
        let usable = connections.iter().filter_map(|connection| Some((connection.pending()?, connection)));
        if let Some((_, connection)) = usable.min_by_key(|(pending, _)| *pending) {
            return Some(Arc::clone(connection));
        }
        drop(connections);
        // `Relaxed`: the notified task reads nothing but this counter.
        if self.missed.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH_REQUESTS {
            self.changed.notify_one();
        }
        None
    }

    /// Keeps a connection to each instance that the client is connected to, once there were enough requests. Never returns.
    pub(crate) async fn keep(
        &self,
        mut instances: watch::Receiver<Vec<InstanceStatus>>,
        mut setups: watch::Receiver<Arc<Setup>>,
    ) {
        while self.missed.load(Ordering::Relaxed) < ENOUGH_REQUESTS {
            self.changed.notified().await;
        }
        let mut made_with = Arc::clone(&setups.borrow());
        loop {
            let setup = Arc::clone(&setups.borrow_and_update());
            if !Arc::ptr_eq(&setup, &made_with) {
                self.retire(|_| true);
                made_with = Arc::clone(&setup);
            }
            let connected: Vec<SocketAddr> = {
                let instances = instances.borrow_and_update();
                let connected = instances.iter().filter(|one| one.state == InstanceState::Connected);
                connected.map(|instance| instance.address).collect()
            };
            let max_age = setup.config.max_connection_age;
            self.retire(|connection| {
                connection.made.elapsed() >= max_age
                    || connection.has_expired()
                    || !connected.contains(&connection.address)
            });
            let failed = self.connect(&setup, &connected).await;
            let oldest = self.connections.read().iter().map(|connection| connection.made + max_age).min();
            tokio::select! {
                () = self.changed.notified() => {}
                () = sleep(PAUSE), if failed => {}
                () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {}
                Ok(()) = instances.changed() => {}
                Ok(()) = setups.changed() => {}
            }
        }
    }

    /// Connects to the instances without a connection. Returns whether that failed for any.
    async fn connect(&self, setup: &Arc<Setup>, instances: &[SocketAddr]) -> bool {
        let missing: Vec<SocketAddr> = {
            let connections = self.connections.read();
            let has = |address: &SocketAddr| connections.iter().any(|one| one.address == *address);
            instances.iter().copied().filter(|address| !has(address)).collect()
        };
        let opening = missing
            .iter()
            .map(|address| RequestConnection::open(setup, *address, &self.changed, &self.service));
        let mut failed = false;
        for opened in join_all(opening).await {
            match opened {
                Some(connection) => self.connections.write().push(connection),
                None => failed = true,
            }
        }
        failed
    }

    /// Retires the connections that `retires` picks, and forgets all that take no more requests.
    fn retire(&self, retires: impl Fn(&RequestConnection) -> bool) {
        self.connections.write().retain(|connection| {
            if retires(connection) {
                connection.retire();
            }
            !connection.is_retired()
        });
    }

    /// Takes no more requests, and waits until the pending ones have ended. Call it after [`keep`](Self::keep) was dropped. Cancel safe.
    pub(crate) async fn drain(&self) {
        let connections = self.connections.read().clone();
        connections.iter().for_each(|connection| connection.retire());
        while !connections.iter().all(|connection| connection.has_ended()) {
            self.changed.notified().await;
        }
    }

    /// Ends all connections.
    pub(crate) fn close(&self, reason: &str) {
        for connection in std::mem::take(&mut *self.connections.write()) {
            connection.end(NoAnswer::because(reason));
        }
    }
}
