//! Connections for calls that are one request and one answer, without capabilities in either: from the caller's own runtime.
//!
//! capnp-rpc can't leave its thread, so a call through it changes threads twice, which is most of what the call takes. Such a simple
//! call needs little of the protocol: its request is [built here](capture), goes out on a [`Wire`] whose task is one of the runtime's
//! own, and the answer is read where it is waited for.
//!
//! This is the fast way, and no other: where it does not lead, callers go the usual one, which waits, tries again and knows of the
//! health of each instance. So there is a wire to those instances that the pool is connected to, once some calls were made that could use one.

mod capture;
mod wire;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::RwLock;
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, sleep_until};

pub(super) use self::capture::capture;
pub(super) use self::wire::{Lost, Wire};
use super::setup::Setup;
use super::status::{InstanceState, InstanceStatus};

/// How soon after a failure another connection is tried. The pool has its own pauses, and says when an instance is there.
const PAUSE: Duration = Duration::from_secs(1);

/// So many calls have to come before a wire is made for them: a command that calls once and ends would leave it unused.
const ENOUGH_CALLS: u32 = 8;

/// The wires of a client.
#[derive(Default)]
pub(super) struct Direct {
    wires: RwLock<Vec<Arc<Wire>>>,
    /// How often a wire was asked for while there was none.
    asked: AtomicU32,
    /// Told when the wires had better be looked at.
    look: Arc<Notify>,
}

impl Direct {
    /// The wire with the fewest calls of those that can be used.
    pub(super) fn wire(&self) -> Option<Arc<Wire>> {
        let wires = self.wires.read();
        let usable = wires.iter().filter_map(|wire| Some((wire.calls()?, wire)));
        if let Some((_, wire)) = usable.min_by_key(|(calls, _)| *calls) {
            return Some(Arc::clone(wire));
        }
        drop(wires);
        // `Relaxed`: whoever is told looks at nothing else.
        if self.asked.fetch_add(1, Ordering::Relaxed) + 1 == ENOUGH_CALLS {
            self.look.notify_one();
        }
        None
    }

    /// Keeps wires to the instances that the pool is connected to, once they are asked for, until it is dropped.
    pub(super) async fn keep(
        &self,
        mut instances: watch::Receiver<Vec<InstanceStatus>>,
        mut setups: watch::Receiver<Arc<Setup>>,
    ) {
        while self.asked.load(Ordering::Relaxed) < ENOUGH_CALLS {
            self.look.notified().await;
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
            let age = setup.config.max_connection_age;
            self.retire(|wire| {
                wire.made.elapsed() >= age || wire.has_expired() || !connected.contains(&wire.address)
            });
            let failed = self.connect(&setup, &connected).await;
            let oldest = self.wires.read().iter().map(|wire| wire.made + age).min();
            tokio::select! {
                () = self.look.notified() => {}
                () = sleep(PAUSE), if failed => {}
                () = sleep_until(oldest.unwrap_or_else(Instant::now)), if oldest.is_some() => {}
                Ok(()) = instances.changed() => {}
                Ok(()) = setups.changed() => {}
            }
        }
    }

    /// Connects where there is no wire. Whether it failed.
    async fn connect(&self, setup: &Arc<Setup>, instances: &[SocketAddr]) -> bool {
        let missing: Vec<SocketAddr> = {
            let wires = self.wires.read();
            let has = |address: &SocketAddr| wires.iter().any(|wire| wire.address == *address);
            instances.iter().copied().filter(|address| !has(address)).collect()
        };
        let opened = missing.iter().map(|address| Wire::open(setup, *address, &self.look));
        let opened = join_all(opened).await;
        let mut failed = false;
        for wire in opened {
            match wire {
                Some(wire) => self.wires.write().push(wire),
                None => failed = true,
            }
        }
        failed
    }

    /// Leaves wires once their calls have ended; those that are left are forgotten.
    fn retire(&self, leaves: impl Fn(&Wire) -> bool) {
        self.wires.write().retain(|wire| {
            if leaves(wire) {
                wire.retire();
            }
            !wire.is_left()
        });
    }

    /// Takes no more calls, and waits until those that go on have ended. Nobody may [keep](Self::keep) them any more. Cancel safe.
    pub(super) async fn drain(&self) {
        let wires = self.wires.read().clone();
        wires.iter().for_each(|wire| wire.retire());
        while !wires.iter().all(|wire| wire.is_over()) {
            self.look.notified().await;
        }
    }

    /// Ends all of them.
    pub(super) fn close(&self, reason: &str) {
        for wire in std::mem::take(&mut *self.wires.write()) {
            wire.end(Lost::because(reason));
        }
    }
}
