//! The registry: which services are alive, as immutable snapshots that lookups read without a lock.
//!
//! Ids are spread over shards, each a snapshot of its own with a version. A writer copies the shard, changes the copy,
//! publishes it, one writer at a time: with n services a change copies n / 2,048 of them.
//!
//! How a [`ServiceLookup`] knows that what it remembers still holds is in [`shard`].

use std::{
    collections::{BTreeMap, btree_map},
    sync::{Arc, OnceLock},
};

use app_errors::{Error, app_not_alive_error, service_already_registered_error};
use app_ids::ServiceId;
use parking_lot::Mutex;

use self::shard::Shard;
use crate::Service;

mod lookup;
mod shard;
mod sync;

pub use self::lookup::ServiceLookup;

/// The bits of a spread id that choose its shard.
const SHARD_BITS: u32 = 11;

/// Spreads ids evenly, those that people make up as well as random ones: the golden ratio's multiples.
fn spread(id: ServiceId) -> u64 {
    id.as_u64().wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

fn shard_of(id: ServiceId) -> usize {
    (spread(id) >> (u64::BITS - SHARD_BITS)) as usize
}

/// The services of a shard, sorted by id.
type Snapshot = Vec<(ServiceId, Service)>;

fn present(snapshot: &Option<Arc<Snapshot>>) -> &[(ServiceId, Service)] {
    snapshot.as_ref().map_or(&[], |services| services)
}

fn position(services: &[(ServiceId, Service)], id: ServiceId) -> Result<usize, usize> {
    services.binary_search_by_key(&id, |(id, _)| *id)
}

fn find(shard: &Shard<Snapshot>, id: ServiceId) -> Option<Service> {
    let snapshot = shard.load();
    let services = present(&snapshot);
    position(services, id).ok().map(|at| services[at].1.clone())
}

pub(crate) struct Registry {
    /// Made when the first service of each comes: most apps are small, and an app is to be made and dropped fast.
    shards: Box<[OnceLock<Shard<Snapshot>>]>,
    /// Serialises writers.
    list: Mutex<List>,
}

#[derive(Default)]
struct List {
    /// All that are in the shards.
    services: BTreeMap<ServiceId, Service>,
    /// The app stops: nothing new is taken.
    closed: bool,
}

impl Default for Registry {
    fn default() -> Self {
        Self { shards: (0..1 << SHARD_BITS).map(|_| OnceLock::new()).collect(), list: Mutex::default() }
    }
}

impl Registry {
    /// Enters services, all or none.
    ///
    /// # Errors
    /// `AppNotAlive` once closed, `ServiceAlreadyRegistered` for an id that is taken.
    pub(crate) fn register(&self, services: &[Service]) -> Result<(), Error> {
        let mut list = self.list.lock();
        if list.closed {
            return Err(app_not_alive_error());
        }
        for (at, service) in services.iter().enumerate() {
            if let btree_map::Entry::Vacant(vacant) = list.services.entry(service.id()) {
                vacant.insert(service.clone());
                continue;
            }
            services[..at].iter().for_each(|entered| drop(list.services.remove(&entered.id())));
            return Err(service_already_registered_error(service.id()));
        }
        for service in services {
            self.change(service.id(), |services, at| match at {
                Err(at) => [&services[..at], &[(service.id(), service.clone())], &services[at..]].concat(),
                Ok(_) => services.to_vec(),
            });
        }
        Ok(())
    }

    /// Takes out this very incarnation; another one under its id stays.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let mut list = self.list.lock();
        let btree_map::Entry::Occupied(entry) = list.services.entry(service.id()) else { return false };
        if !entry.get().same(service) {
            return false;
        }
        entry.remove();
        self.change(service.id(), |services, at| match at {
            Ok(at) => [&services[..at], &services[at + 1..]].concat(),
            Err(_) => services.to_vec(),
        });
        true
    }

    /// Publishes what becomes of the shard of an id. With the lock held.
    fn change(
        &self,
        id: ServiceId,
        next: impl FnOnce(&[(ServiceId, Service)], Result<usize, usize>) -> Snapshot,
    ) {
        let shard = self.shards[shard_of(id)].get_or_init(Shard::new);
        let next = {
            let snapshot = shard.load();
            let services = present(&snapshot);
            next(services, position(services, id))
        };
        shard.publish((!next.is_empty()).then(|| Arc::new(next)));
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        self.list.lock().closed = true;
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<Service> {
        find(self.shard(id)?, id)
    }

    fn shard(&self, id: ServiceId) -> Option<&Shard<Snapshot>> {
        self.shards[shard_of(id)].get()
    }

    /// The registered services, sorted by id.
    pub(crate) fn services(&self) -> Vec<Service> {
        self.list.lock().services.values().cloned().collect()
    }
}

#[cfg(test)]
mod tests;
