//! The registry: which services are alive, as an immutable snapshot that lookups read without a lock.
//!
//! Writers copy the snapshot, change the copy and publish it, one at a time. Services of a level are entered at once,
//! so that a start of n services copies as often as there are levels.

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

/// Ids are random numbers: they are their own hash.
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
        // Ids that people make up are small: spread them over the upper bits, which hash tables use as well.
        self.0 = id.wrapping_mul(0x9e37_79b9_7f4a_7c15).rotate_left(32);
    }
}

type Snapshot = HashMap<ServiceId, Service, BuildHasherDefault<IdHasher>>;

#[derive(Default)]
pub(crate) struct Registry {
    snapshot: ArcSwap<Snapshot>,
    /// Serialises writers; true once the app stops and nothing new is taken.
    closed: Mutex<bool>,
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
        let mut next = Snapshot::clone(&self.snapshot.load());
        for service in services {
            if next.insert(service.id(), service.clone()).is_some() {
                return Err(service_already_registered_error(service.id()));
            }
        }
        self.snapshot.store(Arc::new(next));
        Ok(())
    }

    /// Takes out this very incarnation; another one under its id stays.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let _writing = self.closed.lock();
        let snapshot = self.snapshot.load();
        if !snapshot.get(&service.id()).is_some_and(|registered| registered.same(service)) {
            return false;
        }
        let mut next = Snapshot::clone(&snapshot);
        next.remove(&service.id());
        self.snapshot.store(Arc::new(next));
        true
    }

    /// Refuses all that comes from now on.
    pub(crate) fn close(&self) {
        *self.closed.lock() = true;
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<Service> {
        self.snapshot.load().get(&id).cloned()
    }

    /// The registered services, sorted by id.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut services: Vec<_> = self.snapshot.load().values().cloned().collect();
        services.sort_by_key(Service::id);
        services
    }
}

#[cfg(test)]
mod tests;
