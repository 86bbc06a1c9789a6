//! The instances of a server, and a connection to each. It stays on its thread.

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

use super::connection::{ConnectError, Connection};
use super::setup::Setup;
use super::status::{InstanceState, InstanceStatus};
use crate::End;
use crate::clock;
use crate::config::host_and_port;
use crate::resolve::look_up_host;

/// How often names are looked up again.
const LOOK_UP_EVERY: Duration = Duration::from_secs(30);

/// The pauses between attempts to connect.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The connections of a client.
pub(crate) struct Pool {
    setup: watch::Receiver<Arc<Setup>>,
    instances: RefCell<BTreeMap<SocketAddr, Rc<Instance>>>,
    /// Told when a connection can be used, or an attempt failed.
    changed: Notify,
    look_up: Notify,
    /// Why there are no addresses.
    unknown: RefCell<Option<String>>,
    statuses: watch::Sender<Vec<InstanceStatus>>,
    log: Logger,
}

/// One instance of the server.
struct Instance {
    address: SocketAddr,
    current: RefCell<Option<Rc<Connection>>>,
    failure: RefCell<Option<ConnectError>>,
    /// The connection should be replaced.
    renew: Notify,
    gone: CancellationToken,
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
            unknown: RefCell::default(),
            statuses,
            log,
        })
    }

    fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.borrow())
    }

    /// Waits for a connection that can be used: of several that with the fewest calls. Cancel safe.
    pub(super) async fn connection(&self) -> Rc<Connection> {
        loop {
            // Before it is looked: nothing happens in between.
            let changed = self.changed.notified();
            if let Some(connection) = self.least_busy() {
                return connection;
            }
            changed.await;
        }
    }

    fn least_busy(&self) -> Option<Rc<Connection>> {
        let instances = self.instances.borrow();
        let current = instances.values().filter_map(|instance| instance.current.borrow().clone());
        current.filter(|connection| connection.usable()).min_by_key(|connection| connection.calls())
    }

    /// Why there is no connection.
    pub(super) fn why_not(&self) -> String {
        if let Some(unknown) = &*self.unknown.borrow() {
            return unknown.clone();
        }
        let instances = self.instances.borrow();
        let failures = instances.values().filter_map(|instance| instance.failure.borrow().clone());
        let failures: Vec<_> = failures.map(|failure| failure.reason).take(4).collect();
        if failures.is_empty() { "no connection yet".to_owned() } else { failures.join("; ") }
    }

    /// The connection should not be used any more: the server said so.
    pub(super) fn replace(&self, connection: &Connection) {
        connection.retire();
        if let Some(instance) = self.instances.borrow().get(&connection.address) {
            instance.renew.notify_one();
        }
    }

    /// Keeps the instances up to date, until it is dropped.
    pub(crate) async fn run(self: &Rc<Self>) {
        let mut setup = self.setup.clone();
        loop {
            match self.resolve().await {
                Ok(addresses) => self.reconcile(addresses),
                Err(reason) => {
                    if self.unknown.replace(Some(reason.clone())).as_ref() != Some(&reason) {
                        warn!(self.log, "the addresses of an RPC server can't be found: {reason}");
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
                failures.push(format!("{host} is no address"));
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

    /// Connects to addresses that are new, and leaves those that are gone.
    fn reconcile(self: &Rc<Self>, mut addresses: Vec<SocketAddr>) {
        self.unknown.replace(None);
        let most = self.setup().config.max_connections;
        let mut instances = self.instances.borrow_mut();
        // Those that are connected to stay, if there are more than may be.
        addresses.sort_by_key(|address| !instances.contains_key(address));
        addresses.truncate(most);
        instances.retain(|address, instance| {
            let stays = addresses.contains(address);
            if !stays {
                instance.gone.cancel();
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
            instance.gone.cancel();
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
            gone: CancellationToken::new(),
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

    /// Keeps a connection to the instance, until it is gone.
    async fn keep(self: Rc<Self>, pool: Rc<Pool>) {
        let gone = self.gone.clone();
        tokio::select! {
            () = gone.cancelled() => {}
            () = self.reconnect(&pool) => {}
        }
        if let Some(connection) = self.current.take() {
            leave(connection);
        }
    }

    async fn reconnect(&self, pool: &Pool) {
        let mut setup = pool.setup.clone();
        loop {
            let made_with = Arc::clone(&setup.borrow_and_update());
            let connection = self.connect(pool).await;
            info!(pool.log, "connected to an RPC server"; "server" => %made_with.config.name, "peer" => %self.address);
            if let Some(old) = self.current.replace(Some(Rc::clone(&connection))) {
                leave(old);
            }
            pool.publish();
            let age = made_with.config.max_connection_age;
            tokio::select! {
                () = connection.over.cancelled() => {
                    info!(pool.log, "an RPC connection is over: {}", connection.why(); "peer" => %self.address);
                    self.current.take();
                    pool.publish();
                    // The instance may have moved.
                    pool.look_up.notify_one();
                }
                () = ended(connection.valid_until) => {
                    info!(pool.log, "the certificate of an RPC server has expired: its connection is made anew"; "peer" => %self.address);
                    if let Some(expired) = self.current.take() {
                        leave(expired);
                    }
                    pool.publish();
                }
                // Not all at the same time.
                () = sleep(age.mul_f64(0.9 + 0.1 * jitter())) => {}
                () = self.renew.notified() => {}
                Ok(()) = setup.changed() => {}
            }
        }
    }

    /// Tries until there is a connection.
    async fn connect(&self, pool: &Pool) -> Rc<Connection> {
        let pauses = ExponentialBuilder::new()
            .with_min_delay(FIRST_PAUSE)
            .with_max_delay(LONGEST_PAUSE)
            .without_max_times()
            .with_jitter();
        let mut pauses = pauses.build();
        loop {
            let setup = pool.setup();
            match Connection::open(&setup, self.address).await {
                Ok(connection) => {
                    self.failure.take();
                    return connection;
                }
                Err(failure) => {
                    if self.failure.borrow().as_ref().is_none_or(|before| before.reason != failure.reason) {
                        warn!(pool.log, "no connection to an RPC server, will try again: {}", failure.reason;
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

/// Waits until a certificate has ended.
async fn ended(valid_until: Option<SystemTime>) {
    match valid_until {
        Some(end) => clock::passed(end).await,
        None => std::future::pending().await,
    }
}

/// A number from 0 to 1.
fn jitter() -> f64 {
    let bits = u32::try_from(app_ids::random_u64() >> 32).unwrap_or(0);
    f64::from(bits) / f64::from(u32::MAX)
}

/// Lets calls that go on end, then closes.
fn leave(connection: Rc<Connection>) {
    connection.retire();
    tokio::task::spawn_local(async move {
        while connection.calls() > 0 && !connection.over.is_cancelled() {
            tokio::select! {
                () = connection.over.cancelled() => {}
                () = sleep(Duration::from_millis(50)) => {}
            }
        }
        connection.close(End::TooOld, "another connection took its place");
    });
}
