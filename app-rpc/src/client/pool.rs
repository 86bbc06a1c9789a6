//! The instances of a server, and a connection for calls to each. The pool stays on its thread.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::{Duration, Logger, info, warn};
use backon::{BackoffBuilder, ExponentialBuilder};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::connection::{CallConnection, ConnectError};
use super::setup::Setup;
use super::status::{InstanceState, InstanceStatus};
use crate::End;
use crate::clock;
use crate::config::host_and_port;
use crate::resolve::look_up_host;

/// The time between two lookups of the addresses.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The connections of a client for calls.
pub(crate) struct Pool {
    setup: watch::Receiver<Arc<Setup>>,
    instances: RefCell<BTreeMap<SocketAddr, Rc<Instance>>>,
    /// Notified when a connection becomes usable, or an attempt failed.
    changed: Notify,
    /// Notified when the addresses should be looked up before their time.
    look_up: Notify,
    /// Why no address is known.
    no_address: RefCell<Option<String>>,
    statuses: watch::Sender<Vec<InstanceStatus>>,
    log: Logger,
}

/// One instance of the server.
struct Instance {
    address: SocketAddr,
    current: RefCell<Option<Rc<CallConnection>>>,
    failure: RefCell<Option<ConnectError>>,
    /// Notified when the connection should be replaced.
    renew: Notify,
    /// Cancelled when the address is no longer one of the server's.
    removed: CancellationToken,
}

impl Pool {
    pub(crate) fn new(
        setup: watch::Receiver<Arc<Setup>>,
        statuses: watch::Sender<Vec<InstanceStatus>>,
        log: Logger,
    ) -> Rc<Self> {
        Rc::new(Self {
            setup,
            instances: RefCell::default(),
            changed: Notify::new(),
            look_up: Notify::new(),
            no_address: RefCell::default(),
            statuses,
            log,
        })
    }

    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.borrow())
    }

    /// The usable connection with the fewest calls. Waits until there is one. Cancel safe.
    pub(super) async fn connection(&self) -> Rc<CallConnection> {
        loop {
            // Registered before the look, so that no change is missed.
            let changed = self.changed.notified();
            if let Some(connection) = self.least_busy() {
                return connection;
            }
            changed.await;
        }
    }

    fn least_busy(&self) -> Option<Rc<CallConnection>> {
        let instances = self.instances.borrow();
        let current = instances.values().filter_map(|instance| instance.current.borrow().clone());
        current.filter(|connection| connection.is_usable()).min_by_key(|connection| connection.calls())
    }

    /// Why there is no connection: the failures of up to four instances.
    pub(super) fn failures(&self) -> String {
        if let Some(reason) = &*self.no_address.borrow() {
            return reason.clone();
        }
        let instances = self.instances.borrow();
        let failures = instances.values().filter_map(|instance| instance.failure.borrow().clone());
        let failures: Vec<_> = failures.map(|failure| failure.reason).take(4).collect();
        if failures.is_empty() { "no connection yet".to_owned() } else { failures.join("; ") }
    }

    /// Retires a connection and asks for another one to the same instance.
    pub(super) fn replace(&self, connection: &CallConnection) {
        connection.retire();
        if let Some(instance) = self.instances.borrow().get(&connection.address) {
            instance.renew.notify_one();
        }
    }

    /// Keeps the instances up to date. Never returns.
    pub(crate) async fn run(self: &Rc<Self>) {
        let mut setup = self.setup.clone();
        loop {
            match self.resolve().await {
                Ok(addresses) => self.reconcile(addresses),
                Err(reason) => {
                    if self.no_address.replace(Some(reason.clone())).as_ref() != Some(&reason) {
                        warn!(
                            self.log,
                            "RPC client: no address of the server is known, will look again: {reason}"
                        );
                    }
                    self.publish();
                }
            }
            let pause =
                if self.instances.borrow().is_empty() { Duration::from_secs(1) } else { LOOK_UP_EVERY };
            tokio::select! {
                () = sleep(pause) => {}
                () = self.look_up.notified() => {}
                changed = setup.changed() => {
                    if changed.is_err() {
                        std::future::pending::<()>().await;
                    }
                }
            }
        }
    }

    async fn resolve(&self) -> Result<Vec<SocketAddr>, String> {
        let setup = self.setup();
        let config = &setup.config;
        let hosts =
            if config.addresses.is_empty() { vec![config.name.host()] } else { config.addresses.clone() };
        let (mut addresses, mut failures) = (Vec::new(), Vec::new());
        for host in &hosts {
            let Some((host, port)) = host_and_port(host, config.port) else {
                failures.push(format!("{host}: not an address; write a host or `host:port`"));
                continue;
            };
            match look_up_host(&host, port, Instant::now() + config.connect_timeout).await {
                Ok(found) => addresses.extend(found),
                Err(error) => failures.push(format!("{host}: {error}")),
            }
        }
        addresses.sort_unstable();
        addresses.dedup();
        if addresses.is_empty() { Err(failures.join("; ")) } else { Ok(addresses) }
    }

    /// Connects to new addresses, and drops the instances whose address is gone.
    fn reconcile(self: &Rc<Self>, mut addresses: Vec<SocketAddr>) {
        self.no_address.replace(None);
        let most = self.setup().config.max_connections;
        let mut instances = self.instances.borrow_mut();
        // If there are more addresses than connections allowed, known instances stay.
        addresses.sort_by_key(|address| !instances.contains_key(address));
        addresses.truncate(most);
        instances.retain(|address, instance| {
            let stays = addresses.contains(address);
            if !stays {
                instance.removed.cancel();
            }
            stays
        });
        for address in addresses {
            instances.entry(address).or_insert_with(|| {
                let instance = Rc::new(Instance::new(address));
                tokio::task::spawn_local(Rc::clone(&instance).keep(Rc::clone(self)));
                instance
            });
        }
        drop(instances);
        self.publish();
    }

    fn publish(&self) {
        let instances = self.instances.borrow();
        let statuses = instances.values().map(|instance| instance.status()).collect();
        self.statuses.send_replace(statuses);
        self.changed.notify_waiters();
    }

    /// Ends all connections.
    pub(crate) fn close(&self, reason: &str) {
        for (_, instance) in std::mem::take(&mut *self.instances.borrow_mut()) {
            instance.removed.cancel();
            if let Some(connection) = instance.current.take() {
                connection.close(End::Stopping, reason);
            }
        }
    }
}

impl Instance {
    fn new(address: SocketAddr) -> Self {
        Self {
            address,
            current: RefCell::default(),
            failure: RefCell::default(),
            renew: Notify::new(),
            removed: CancellationToken::new(),
        }
    }

    fn status(&self) -> InstanceStatus {
        let failure = self.failure.borrow();
        let usable = self.current.borrow().as_ref().is_some_and(|connection| !connection.is_retired());
        InstanceStatus {
            address: self.address,
            state: if usable { InstanceState::Connected } else { InstanceState::Connecting },
            refusal: failure.as_ref().and_then(|failure| failure.refusal),
            failure: failure.as_ref().map(|failure| failure.reason.clone()),
        }
    }

    /// Keeps a connection to the instance, until its address is removed.
    async fn keep(self: Rc<Self>, pool: Rc<Pool>) {
        let removed = self.removed.clone();
        tokio::select! {
            () = removed.cancelled() => {}
            () = self.reconnect(&pool) => {}
        }
        if let Some(connection) = self.current.take() {
            drain(connection);
        }
    }

    async fn reconnect(&self, pool: &Pool) {
        let mut setup = pool.setup.clone();
        loop {
            let made_with = Arc::clone(&setup.borrow_and_update());
            let connection = self.connect(pool).await;
            info!(pool.log, "RPC client: connected to the server"; "server" => %made_with.config.name, "peer" => %self.address);
            if let Some(old) = self.current.replace(Some(Rc::clone(&connection))) {
                drain(old);
            }
            pool.publish();
            let age = made_with.config.max_connection_age;
            tokio::select! {
                () = connection.ended.cancelled() => {
                    info!(pool.log, "RPC client: a connection has ended: {}", connection.reason(); "peer" => %self.address);
                    self.current.take();
                    pool.publish();
                    // The instance may have another address now.
                    pool.look_up.notify_one();
                }
                () = expired(connection.valid_until) => {
                    info!(pool.log, "RPC client: the server's certificate has expired, connecting again"; "peer" => %self.address);
                    if let Some(expired) = self.current.take() {
                        drain(expired);
                    }
                    pool.publish();
                }
                // With jitter, so that the clients of a server do not reconnect at the same time.
                () = sleep(age.mul_f64(0.9 + 0.1 * jitter())) => {}
                () = self.renew.notified() => {}
                Ok(()) = setup.changed() => {}
            }
        }
    }

    /// Tries to connect until it works.
    async fn connect(&self, pool: &Pool) -> Rc<CallConnection> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_jitter();
        let mut pauses = pauses.build();
        loop {
            let setup = pool.setup();
            match CallConnection::open(&setup, self.address).await {
                Ok(connection) => {
                    self.failure.take();
                    return connection;
                }
                Err(failure) => {
                    if self.failure.borrow().as_ref().is_none_or(|before| before.reason != failure.reason) {
                        warn!(pool.log, "RPC client: not connected to the server, will try again: {}", failure.reason;
                            "server" => %setup.config.name, "peer" => %self.address);
                    }
                    self.failure.replace(Some(failure));
                    pool.publish();
                }
            }
            sleep(pauses.next().unwrap_or(LONGEST_PAUSE)).await;
        }
    }
}

/// Waits until a certificate expires.
async fn expired(valid_until: Option<SystemTime>) {
    match valid_until {
        Some(end) => clock::passed(end).await,
        None => std::future::pending().await,
    }
}

/// A random number from 0 to 1.
fn jitter() -> f64 {
    let bits = u32::try_from(app_ids::random_u64() >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

/// Takes no new calls, and closes the connection when the last call has ended.
fn drain(connection: Rc<CallConnection>) {
    connection.retire();
    tokio::task::spawn_local(async move {
        while connection.calls() > 0 && !connection.ended.is_cancelled() {
            tokio::select! {
                () = connection.ended.cancelled() => {}
                () = sleep(Duration::from_millis(50)) => {}
            }
        }
        connection.close(End::TooOld, "another connection took its place");
    });
}
