//! Keeps a connection for calls to one instance. It stays on its thread.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use app_core::prelude::{Duration, info, warn};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};
use tokio_util::sync::CancellationToken;

use super::addresses::Known;
use super::connection::{CallConnection, FailedConnect};
use super::instance::Instance;
use super::pauses::{NextAttempt, Pauses};
use super::pool::Pool;
use super::setup::Setup;
use crate::{End, clock};

/// Keeps a connection to one instance.
pub(super) struct Keeper {
    pub(super) instance: Arc<Instance>,
    current: RefCell<Option<Rc<CallConnection>>>,
    /// Notified when the connection should be replaced.
    renew: Notify,
    /// Cancelled when the address is no longer one of the server's.
    removed: CancellationToken,
}

impl Keeper {
    pub(super) fn new(instance: Arc<Instance>) -> Rc<Self> {
        let (current, renew, removed) = (RefCell::default(), Notify::new(), CancellationToken::new());
        Rc::new(Self { instance, current, renew, removed })
    }

    /// The connection, if it takes calls.
    pub(super) fn usable(&self) -> Option<Rc<CallConnection>> {
        self.current.borrow().clone().filter(|connection| !connection.is_retired())
    }

    /// What is known of the address.
    pub(super) fn known(&self) -> Known {
        let fails = self.usable().is_none() && self.instance.failure().is_some();
        if fails { Known::Fails } else { Known::Works }
    }

    /// Asks for another connection in place of one that is retired.
    pub(super) fn renew(&self) {
        self.renew.notify_one();
    }

    /// Stops connecting. Running calls may end.
    pub(super) fn remove(&self) {
        self.removed.cancel();
    }

    /// Ends the connection.
    pub(super) fn close(&self, reason: &str) {
        self.removed.cancel();
        if let Some(connection) = self.current.take() {
            connection.close(End::Stopping, reason);
        }
    }

    /// Keeps a connection to the instance, until its address is removed.
    pub(super) async fn keep(self: Rc<Self>, pool: Rc<Pool>) {
        let removed = self.removed.clone();
        tokio::select! {
            () = removed.cancelled() => {}
            () = self.reconnect(&pool) => {}
        }
        self.instance.set_connected(false);
        if let Some(connection) = self.current.take() {
            drain(connection);
        }
    }

    async fn reconnect(&self, pool: &Pool) {
        let (mut pauses, mut lost) = (Pauses::default(), false);
        loop {
            let connection = self.connect(pool, &mut pauses).await;
            let (made, address) = (Instant::now(), self.instance.address);
            let made_with = Arc::clone(&connection.setup);
            info!(pool.log, "RPC client: connected to the server"; "server" => %made_with.config.name, "peer" => %address);
            if std::mem::take(&mut lost) {
                pool.instances.counts.reconnects.inc();
                // Another process may have the address now.
                self.instance.load.forget_latency();
                self.instance.health.try_soon();
            }
            if let Some(old) = self.current.replace(Some(Rc::clone(&connection))) {
                drain(old);
            }
            pool.publish();
            let mut setup = pool.setup.clone();
            setup.mark_unchanged();
            if !Arc::ptr_eq(&setup.borrow(), &made_with) {
                // It was replaced in this moment.
                continue;
            }
            let age = made_with.config.max_connection_age;
            let paused = tokio::select! {
                // First: a connection that has ended is retired, too.
                biased;
                () = connection.ended.cancelled() => {
                    info!(pool.log, "RPC client: a connection has ended: {}", connection.reason(); "peer" => %address);
                    self.current.take();
                    pool.publish();
                    lost = true;
                    // The instance may have another address now.
                    pool.look_up_soon();
                    Some(pauses.lost(made.elapsed()))
                }
                () = expired(connection.valid_until) => {
                    info!(pool.log, "RPC client: the server's certificate has expired, connecting again"; "peer" => %address);
                    if let Some(expired) = self.current.take() {
                        drain(expired);
                    }
                    pool.publish();
                    None
                }
                // With jitter, so that the clients of a server do not reconnect at the same time.
                () = sleep(age.mul_f64(0.9 + 0.1 * fastrand::f64())) => None,
                () = self.retires(&connection) => Some(pauses.lost(made.elapsed())),
                Ok(()) = setup.changed() => None,
            };
            if let Some(next) = paused {
                pause_unless_changed(pool, next, &mut setup, &mut pauses).await;
            }
        }
    }

    /// Waits until a call has retired the connection. An older notice, for a connection that was replaced since, says nothing.
    async fn retires(&self, connection: &CallConnection) {
        while !connection.is_retired() {
            self.renew.notified().await;
        }
    }

    /// Takes the connection out of use if it was made with another config, or if the server's certificate has expired: connecting with
    /// this config fails. One that is only old stays until another one takes its place.
    fn drop_outdated(&self, setup: &Arc<Setup>) {
        let is_outdated = |old: &mut Rc<CallConnection>| !Arc::ptr_eq(&old.setup, setup) || old.has_expired();
        if let Some(outdated) = self.current.borrow_mut().take_if(is_outdated) {
            drain(outdated);
        }
    }

    /// Tries to connect until it works. A new config is used at once.
    async fn connect(&self, pool: &Pool, pauses: &mut Pauses) -> Rc<CallConnection> {
        let mut setups = pool.setup.clone();
        loop {
            let setup = Arc::clone(&setups.borrow_and_update());
            let opened = tokio::select! {
                biased;
                opened = CallConnection::open(&setup, &self.instance) => opened,
                Ok(()) = setups.changed() => {
                    pauses.reset();
                    continue;
                }
            };
            let FailedConnect { at, why } = match opened {
                Ok(connection) => {
                    self.instance.set_failure(None);
                    return connection;
                }
                Err(failed) => failed,
            };
            let reason = why.reason.clone();
            if self.instance.set_failure(Some(why)) {
                warn!(pool.log, "RPC client: not connected to the server, will try again: {reason}";
                    "server" => %setup.config.name, "peer" => %self.instance.address);
            }
            self.drop_outdated(&setup);
            pool.publish();
            // The instance may have another address now.
            pool.look_up_soon();
            let next = pauses.failed(at);
            pause_unless_changed(pool, next, &mut setups, pauses).await;
        }
    }
}

/// Waits until the time of the next attempt. A new config ends the wait.
async fn pause_unless_changed(
    pool: &Pool,
    next: NextAttempt,
    setups: &mut watch::Receiver<Arc<Setup>>,
    pauses: &mut Pauses,
) {
    tokio::select! {
        () = pool.pause(next) => {}
        Ok(()) = setups.changed() => pauses.reset(),
    }
}

/// Waits until a certificate expires.
async fn expired(valid_until: Option<SystemTime>) {
    match valid_until {
        Some(end) => clock::passed(end).await,
        None => std::future::pending().await,
    }
}

/// Takes no new calls, and closes the connection when the last call has ended.
pub(super) fn drain(connection: Rc<CallConnection>) {
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

/// Waits until the time of the next attempt. A waiting caller brings it forward.
pub(super) async fn pause(next: NextAttempt, a_caller_waits: impl Future<Output = ()>) {
    let brought_forward = async {
        a_caller_waits.await;
        sleep_until(next.soonest).await;
    };
    tokio::select! {
        () = sleep_until(next.latest) => {}
        () = brought_forward => {}
    }
}
