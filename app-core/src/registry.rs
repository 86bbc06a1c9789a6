//! The registry: which services are alive, as immutable snapshots that lookups read without a lock.
//!
//! Ids are spread over shards, each a snapshot of its own with a version. A writer copies the shard, changes the copy,
//! publishes it and then counts its version up, one writer at a time: with n services a change copies n / 4,096 of them.
//!
//! How a [`ServiceLookup`] knows that what it remembers still holds is in [`shard`].

use std::sync::Arc;

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
const SHARD_BITS: u32 = 12;

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

fn publish(shard: &Shard<Snapshot>, next: Snapshot) {
    shard.publish((!next.is_empty()).then(|| Arc::new(next)));
}

pub(crate) struct Registry {
    shards: Box<[Shard<Snapshot>]>,
    /// Serialises writers; true once the app stops and nothing new is taken.
    closed: Mutex<bool>,
}

impl Default for Registry {
    fn default() -> Self {
        Self { shards: (0..1 << SHARD_BITS).map(|_| Shard::new()).collect(), closed: Mutex::new(false) }
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
        // Of all that are new in one shard, its copy is made once.
        let mut new: Vec<_> = services.iter().collect();
        new.sort_by_key(|service| shard_of(service.id()));
        let mut changed = Vec::with_capacity(1);
        for of_shard in new.chunk_by(|one, other| shard_of(one.id()) == shard_of(other.id())) {
            let shard = &self.shards[shard_of(of_shard[0].id())];
            let mut next = Vec::with_capacity(of_shard.len());
            next.extend_from_slice(present(&shard.load()));
            for service in of_shard {
                match position(&next, service.id()) {
                    Ok(_) => return Err(service_already_registered_error(service.id())),
                    Err(at) => next.insert(at, (service.id(), (*service).clone())),
                }
            }
            changed.push((shard, next));
        }
        changed.into_iter().for_each(|(shard, next)| publish(shard, next));
        Ok(())
    }

    /// Takes out this very incarnation; another one under its id stays.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let _writing = self.closed.lock();
        let shard = &self.shards[shard_of(service.id())];
        let snapshot = shard.load();
        let services = present(&snapshot);
        let Some(at) = position(services, service.id()).ok().filter(|at| services[*at].1.same(service)) else {
            return false;
        };
        let next = [&services[..at], &services[at + 1..]].concat();
        publish(shard, next);
        true
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        *self.closed.lock() = true;
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<Service> {
        find(&self.shards[shard_of(id)], id)
    }

    /// The registered services, sorted by id.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut services = Vec::new();
        {
            // Between two changes: a snapshot of all shards.
            let _writing = self.closed.lock();
            for shard in &self.shards {
                services.extend(present(&shard.load()).iter().map(|(_, service)| service.clone()));
            }
        }
        services.sort_by_key(Service::id);
        services
    }
}

#[cfg(test)]
mod tests;
