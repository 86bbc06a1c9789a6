//! The registry: which services are alive, as immutable snapshots that lookups read without a lock.
//!
//! Ids are spread over shards, each a snapshot of its own. A writer copies the shard, changes the copy and publishes it,
//! one writer at a time: with n services a change copies n / 256 of them.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
    sync::Arc,
};

use app_errors::{Error, app_not_alive_error, service_already_registered_error};
use app_ids::ServiceId;
use arc_swap::ArcSwap;
use parking_lot::Mutex;

use crate::Service;

const SHARDS: usize = 256;

/// Spreads ids evenly, those that people make up as well as random ones: the golden ratio's multiples.
fn spread(id: u64) -> u64 {
    id.wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

/// Hashes an id by [`spread`], turned so that the bits which chose the shard are not the table's too.
#[derive(Default)]
pub(crate) struct IdHasher(u64);

impl Hasher for IdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
        }
    }

    fn write_u64(&mut self, id: u64) {
        self.0 = spread(id).rotate_left(32);
    }
}

type Snapshot = HashMap<ServiceId, Service, BuildHasherDefault<IdHasher>>;

pub(crate) struct Registry {
    shards: Box<[ArcSwap<Snapshot>]>,
    /// Serialises writers; true once the app stops and nothing new is taken.
    closed: Mutex<bool>,
}

impl Default for Registry {
    fn default() -> Self {
        let empty = Arc::new(Snapshot::default());
        Self {
            shards: (0..SHARDS).map(|_| ArcSwap::new(Arc::clone(&empty))).collect(),
            closed: Mutex::new(false),
        }
    }
}

impl Registry {
    /// Enters services, all or none.
    ///
    /// # Errors
    /// `AppNotAlive` once closed, `ServiceAlreadyRegistered` for an id that is taken.
    pub(crate) fn register(&self, services: &[Service]) -> Result<(), Error> {
        let closed = self.closed.lock();
        if *closed {
            return Err(app_not_alive_error());
        }
        let mut changed = HashMap::<usize, Snapshot>::new();
        for service in services {
            let shard = shard_of(service.id());
            let next = changed.entry(shard).or_insert_with(|| Snapshot::clone(&self.shards[shard].load()));
            if next.insert(service.id(), service.clone()).is_some() {
                return Err(service_already_registered_error(service.id()));
            }
        }
        for (shard, next) in changed {
            self.shards[shard].store(Arc::new(next));
        }
        Ok(())
    }

    /// Takes out this very incarnation; another one under its id stays.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let _writing = self.closed.lock();
        let shard = &self.shards[shard_of(service.id())];
        let snapshot = shard.load();
        if !snapshot.get(&service.id()).is_some_and(|registered| registered.same(service)) {
            return false;
        }
        let mut next = Snapshot::clone(&snapshot);
        next.remove(&service.id());
        shard.store(Arc::new(next));
        true
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        *self.closed.lock() = true;
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<Service> {
        self.shards[shard_of(id)].load().get(&id).cloned()
    }

    /// The registered services, sorted by id.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        {
            // Between two changes: a snapshot of all shards.
            let _writing = self.closed.lock();
            self.shards.iter().for_each(|shard| services.extend(shard.load().values().cloned()));
        }
        services.sort_by_key(Service::id);
        services
    }
}

fn shard_of(id: ServiceId) -> usize {
    // The upper byte: as many values as there are shards.
    (spread(id.as_u64()) >> 56) as usize
}

#[cfg(test)]
mod tests;
