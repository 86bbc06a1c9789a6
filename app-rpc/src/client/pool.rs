//! The instances of a server, and a connection for calls to each. The pool stays on its thread.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use app_core::prelude::{Duration, Logger, warn};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

use super::addresses::{Addresses, Known, pick, shortest_gap};
use super::connection::CallConnection;
use super::instance::{Chosen, Instance};
use super::instances::Instances;
use super::keeper::{self, Keeper};
use super::pauses::NextAttempt;
use super::setup::Setup;
use super::spread;

/// The time between two lookups of the addresses.
const LOOK_UP_EVERY: Duration = Duration::from_secs(10);

/// The time between two lookups while no address is known.
const LOOK_UP_AGAIN: Duration = Duration::from_secs(1);

/// How long a caller waits before it looks again whether a connection takes calls, if there are connections and all are full.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The connections of a client for calls.
pub(crate) struct Pool {
    pub(super) setup: watch::Receiver<Arc<Setup>>,
    pub(crate) instances: Arc<Instances>,
    keepers: RefCell<BTreeMap<SocketAddr, Rc<Keeper>>>,
    /// The connections that are not retired.
    connections: RefCell<Vec<Rc<CallConnection>>>,
    /// Notified when a connection becomes usable, or an attempt failed.
    changed: Notify,
    /// Callers that wait for a connection, and a notice when there is one.
    waiting: Cell<usize>,
    waits: Notify,
    addresses: Addresses,
    /// Notified when the addresses should be looked up before their time.
    look_up: Notify,
    /// Why no address is known.
    no_address: RefCell<Option<String>>,
    pub(super) log: Logger,
}

/// A caller that waits for a connection, until it is dropped.
struct WaitingCaller<'a>(&'a Pool);

impl Drop for WaitingCaller<'_> {
    fn drop(&mut self) {
        self.0.waiting.set(self.0.waiting.get() - 1);
    }
}

impl Pool {
    pub(crate) fn new(
        setup: watch::Receiver<Arc<Setup>>,
        instances: Arc<Instances>,
        log: Logger,
    ) -> Rc<Self> {
        Rc::new(Self {
            setup,
            instances,
            keepers: RefCell::default(),
            connections: RefCell::default(),
            changed: Notify::new(),
            waiting: Cell::new(0),
            waits: Notify::new(),
            addresses: Addresses::default(),
            look_up: Notify::new(),
            no_address: RefCell::default(),
            log,
        })
    }

    pub(super) fn setup(&self) -> Arc<Setup> {
        Arc::clone(&self.setup.borrow())
    }

    /// A connection that takes calls. Waits until there is one. Cancel safe.
    pub(super) async fn connection(&self, avoid: Option<SocketAddr>) -> (Rc<CallConnection>, Chosen) {
        if let Some(chosen) = self.choose(avoid) {
            return chosen;
        }
        let _waiting = self.wait();
        loop {
            // Registered before the look, so that no change is missed.
            let changed = self.changed.notified();
            if let Some(chosen) = self.choose(avoid) {
                return chosen;
            }
            let is_full = !self.connections.borrow().is_empty();
            tokio::select! {
                () = changed => {}
                () = sleep(LOOK_AGAIN), if is_full => {}
            }
        }
    }

    fn choose(&self, avoid: Option<SocketAddr>) -> Option<(Rc<CallConnection>, Chosen)> {
        let connections = self.connections.borrow();
        spread::choose(&connections, avoid).map(|(chosen, why)| (Rc::clone(chosen), why))
    }

    fn wait(&self) -> WaitingCaller<'_> {
        self.waiting.set(self.waiting.get() + 1);
        self.waits.notify_waiters();
        WaitingCaller(self)
    }

    /// Waits until a caller waits for a connection.
    async fn a_caller_waits(&self) {
        loop {
            let waits = self.waits.notified();
            if self.waiting.get() > 0 {
                return;
            }
            waits.await;
        }
    }

    /// Waits until the next attempt to connect may begin.
    pub(super) async fn pause(&self, next: NextAttempt) {
        keeper::pause(next, self.a_caller_waits()).await;
    }

    /// Asks for a lookup of the addresses, which may be others now.
    pub(super) fn look_up_soon(&self) {
        self.look_up.notify_one();
    }

    /// Why there is no connection: the failures of up to four instances.
    pub(super) fn failures(&self) -> String {
        if let Some(reason) = &*self.no_address.borrow() {
            return reason.clone();
        }
        let keepers = self.keepers.borrow();
        let failures = keepers.values().filter_map(|keeper| keeper.instance.failure());
        let failures: Vec<_> = failures.map(|failure| failure.reason).take(4).collect();
        if failures.is_empty() { "no connection yet".to_owned() } else { failures.join("; ") }
    }

    /// Retires a connection and asks for another one to the same instance. Does nothing if it is retired: another one takes its place
    /// already.
    pub(super) fn replace(&self, connection: &CallConnection) {
        if connection.is_retired() {
            return;
        }
        connection.retire();
        if let Some(keeper) = self.keepers.borrow().get(&connection.instance.address) {
            keeper.renew();
        }
        self.publish();
    }

    /// Keeps the instances up to date. Never returns.
    pub(crate) async fn run(self: &Rc<Self>) {
        let mut setups = self.setup.clone();
        loop {
            let setup = Arc::clone(&setups.borrow_and_update());
            let found_so_far = |addresses| self.reconcile(addresses, &setup);
            let looked_up = tokio::select! {
                looked_up = self.addresses.look_up(&setup, found_so_far) => looked_up,
                Ok(()) = setups.changed() => continue,
            };
            match looked_up {
                Ok(addresses) => self.reconcile(addresses, &setup),
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
            let looked = Instant::now();
            let is_empty = self.keepers.borrow().is_empty();
            tokio::select! {
                () = sleep(if is_empty { LOOK_UP_AGAIN } else { LOOK_UP_EVERY }) => {}
                () = self.wanted(looked, is_empty) => {}
                Ok(()) = setups.changed() => {}
            }
        }
    }

    /// Waits until the addresses should be looked up before their time.
    async fn wanted(&self, looked: Instant, is_empty: bool) {
        tokio::select! {
            () = self.look_up.notified() => {}
            () = self.a_caller_waits(), if is_empty => {}
        }
        let waits = async {
            self.a_caller_waits().await;
            sleep_until(looked + shortest_gap(true)).await;
        };
        tokio::select! {
            () = sleep_until(looked + shortest_gap(false)) => {}
            () = waits => {}
        }
    }

    /// Connects to new addresses, and drops the instances whose address is gone.
    fn reconcile(self: &Rc<Self>, addresses: Vec<SocketAddr>, setup: &Setup) {
        self.no_address.replace(None);
        let mut keepers = self.keepers.borrow_mut();
        let most = setup.config.max_connections;
        let addresses =
            pick(addresses, most, |address| keepers.get(address).map_or(Known::New, |keeper| keeper.known()));
        keepers.retain(|address, keeper| {
            let stays = addresses.contains(address);
            if !stays {
                keeper.remove();
            }
            stays
        });
        for address in addresses {
            keepers.entry(address).or_insert_with(|| {
                let keeper = Keeper::new(Instance::new(address));
                tokio::task::spawn_local(Rc::clone(&keeper).keep(Rc::clone(self)));
                keeper
            });
        }
        let instances = keepers.values().map(|keeper| Arc::clone(&keeper.instance)).collect();
        drop(keepers);
        self.instances.replace(instances);
        self.publish();
    }

    /// Shows which connections there are, and wakes the callers that wait for one.
    pub(super) fn publish(&self) {
        let mut connections = self.connections.borrow_mut();
        connections.clear();
        for keeper in self.keepers.borrow().values() {
            let usable = keeper.usable();
            keeper.instance.set_connected(usable.is_some());
            connections.extend(usable);
        }
        drop(connections);
        self.instances.publish();
        self.changed.notify_waiters();
    }

    /// Ends all connections.
    pub(crate) fn close(&self, reason: &str) {
        for (_, keeper) in std::mem::take(&mut *self.keepers.borrow_mut()) {
            keeper.close(reason);
        }
        self.connections.borrow_mut().clear();
        self.instances.replace(Vec::new());
    }
}
