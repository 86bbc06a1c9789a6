//! The request connections of a client: one to each instance that the client is connected to.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use app_core::prelude::Service;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep_until};

use super::super::instance::{Chosen, Instance};
use super::super::instances::Instances;
use super::super::setup::Setup;
use super::super::spread;
use super::capture::CallMessage;
use super::connection::{NoAnswer, PendingRequest, RequestConnection};

/// The pauses before another attempt to connect, which double. The client's own pool says when an instance is back.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A connection that ended sooner is made again after this time: an instance may lose each of them at once.
const SHORTEST_LIFE: Duration = Duration::from_millis(200);

/// Requests before a connection is made for them. A command that makes one call and ends would never use it.
const ENOUGH_REQUESTS: u32 = 8;

/// The request connections of a client.
pub(crate) struct RequestPool {
    connections: RwLock<Vec<Arc<RequestConnection>>>,
    /// Connections that take no more requests, and have not ended.
    retired: Mutex<Vec<Arc<RequestConnection>>>,
    pub(super) instances: Arc<Instances>,
    /// Requests that found no connection.
    missed: AtomicU32,
    /// Notified when [`keep`](Self::keep) or [`drain`](Self::drain) should look at the connections.
    changed: Arc<Notify>,
    /// The service that owns the connections' tasks.
    service: Service,
}

/// The attempts to connect to one instance.
struct ConnectAttempts {
    instance: Arc<Instance>,
    /// Whether one is under way.
    opening: bool,
    failures: u32,
    /// When the next one may begin.
    next: Instant,
}

impl RequestPool {
    pub(crate) fn new(service: Service, instances: Arc<Instances>) -> Self {
        Self {
            connections: RwLock::default(),
            retired: Mutex::default(),
            instances,
            missed: AtomicU32::new(0),
            changed: Arc::default(),
            service,
        }
    }

    /// Sends a request on the connection that the spread chooses. `None` if no connection takes it.
    pub(super) fn send(
        &self,
        message: &mut CallMessage,
        now: Instant,
        deadline: Instant,
    ) -> Option<PendingRequest> {
        let connections = self.connections.read();
        if let Some((connection, chosen)) = spread::choose(&connections, None) {
            if let Some(sent) = connection.send(message, chosen, now, deadline) {
                return Some(sent);
            }
            if chosen == Chosen::ToTryIt {
                connection.instance.health.not_tried();
            }
            // It has too many requests, or it retired in this moment.
            let working = connections.iter().filter(|other| other.instance.health.is_in());
            let sent = |other: &Arc<RequestConnection>| other.send(message, Chosen::Usually, now, deadline);
            if let Some(sent) = working.filter_map(sent).next() {
                return Some(sent);
            }
        }
        drop(connections);
        // `Relaxed`: the notified task reads nothing but this counter.
        if self.missed.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH_REQUESTS {
            self.changed.notify_one();
        }
        None
    }

    /// Keeps a connection to each instance that the client is connected to, once there were enough requests. Never returns.
    pub(crate) async fn keep(&self, mut setups: watch::Receiver<Arc<Setup>>) {
        while self.missed.load(Ordering::Relaxed) < ENOUGH_REQUESTS {
            self.changed.notified().await;
        }
        let mut instances = self.instances.watch();
        let mut connecting = HashMap::<SocketAddr, ConnectAttempts>::new();
        let mut opening = FuturesUnordered::new();
        let mut made_with = Arc::clone(&setups.borrow());
        loop {
            let setup = Arc::clone(&setups.borrow_and_update());
            if !Arc::ptr_eq(&setup, &made_with) {
                self.retire(|_| true);
                connecting.clear();
                opening.clear();
                made_with = Arc::clone(&setup);
            }
            self.follow(&mut connecting, &instances.borrow_and_update());
            let max_age = setup.config.max_connection_age;
            self.retire(|connection| {
                connection.made.elapsed() >= max_age
                    || connection.has_expired()
                    || !connecting.contains_key(&connection.instance.address)
            });
            for instance in self.missing(&mut connecting) {
                let setup = Arc::clone(&setup);
                opening.push(async move {
                    let opened = RequestConnection::open(&setup, &instance, &self.changed, &self.service);
                    (instance.address, opened.await)
                });
            }
            let oldest = self.connections.read().iter().map(|connection| connection.made + max_age).min();
            let next = connecting.values().filter(|one| one.next > Instant::now()).map(|one| one.next).min();
            let at = oldest.into_iter().chain(next).min();
            tokio::select! {
                Some((address, opened)) = opening.next(), if !opening.is_empty() => {
                    self.opened(&mut connecting, address, opened);
                }
                () = self.changed.notified() => {}
                () = sleep_until(at.unwrap_or_else(Instant::now)), if at.is_some() => {}
                Ok(()) = instances.changed() => {}
                Ok(()) = setups.changed() => {}
            }
        }
    }

    /// Takes new instances that the client is connected to into the list, and drops those that it is not connected to.
    fn follow(&self, connecting: &mut HashMap<SocketAddr, ConnectAttempts>, instances: &[Arc<Instance>]) {
        let connected = || instances.iter().filter(|instance| instance.is_connected());
        connecting.retain(|_, one| connected().any(|instance| Arc::ptr_eq(instance, &one.instance)));
        for instance in connected() {
            connecting.entry(instance.address).or_insert_with(|| ConnectAttempts {
                instance: Arc::clone(instance),
                opening: false,
                failures: 0,
                next: Instant::now(),
            });
        }
    }

    /// The instances without a connection, to which an attempt may begin now.
    fn missing(&self, connecting: &mut HashMap<SocketAddr, ConnectAttempts>) -> Vec<Arc<Instance>> {
        let now = Instant::now();
        let is_due = |one: &ConnectAttempts| !one.opening && one.next <= now;
        let missing = connecting.iter_mut().filter(|(address, one)| is_due(one) && !self.has(**address));
        missing
            .map(|(_, one)| {
                one.opening = true;
                Arc::clone(&one.instance)
            })
            .collect()
    }

    fn has(&self, address: SocketAddr) -> bool {
        self.connections.read().iter().any(|one| one.instance.address == address)
    }

    /// Takes a new connection into use.
    fn opened(
        &self,
        connecting: &mut HashMap<SocketAddr, ConnectAttempts>,
        address: SocketAddr,
        opened: Option<Arc<RequestConnection>>,
    ) {
        let one = connecting.get_mut(&address);
        match (one, opened) {
            (Some(one), Some(connection))
                if Arc::ptr_eq(&one.instance, &connection.instance) && !self.has(address) =>
            {
                (one.opening, one.failures, one.next) = (false, 0, Instant::now() + SHORTEST_LIFE);
                self.connections.write().push(connection);
            }
            // The instance is gone, and perhaps another one has its address.
            (_, Some(connection)) => {
                connection.retire();
                self.retired.lock().push(connection);
            }
            (Some(one), None) => {
                let pause = FIRST_PAUSE.saturating_mul(2_u32.saturating_pow(one.failures)).min(LONGEST_PAUSE);
                one.failures = one.failures.saturating_add(1);
                (one.opening, one.next) = (false, Instant::now() + pause);
            }
            (None, None) => {}
        }
    }

    /// Retires the connections that `retires` picks. Those that take no more requests are kept apart until they have ended.
    fn retire(&self, retires: impl Fn(&RequestConnection) -> bool) {
        let mut retired = self.retired.lock();
        retired.retain(|connection| !connection.has_ended());
        self.connections.write().retain(|connection| {
            if retires(connection) {
                connection.retire();
            }
            let stays = !connection.is_retired();
            if !stays && !connection.has_ended() {
                retired.push(Arc::clone(connection));
            }
            stays
        });
    }

    /// Takes no more requests, and waits until the pending ones have ended. Call it after [`keep`](Self::keep) was dropped. Cancel safe.
    pub(crate) async fn drain(&self) {
        self.retire(|_| true);
        let connections = self.retired.lock().clone();
        while !connections.iter().all(|connection| connection.has_ended()) {
            self.changed.notified().await;
        }
    }

    /// Ends all connections.
    pub(crate) fn close(&self, reason: &str) {
        let retired = std::mem::take(&mut *self.retired.lock());
        let connections = std::mem::take(&mut *self.connections.write());
        for connection in connections.into_iter().chain(retired) {
            connection.end(NoAnswer::because(reason));
        }
    }
}
