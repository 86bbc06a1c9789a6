//! The registry: which services are alive, by id.

use app_errors::{Error, app_not_alive_error, service_already_registered_error};
use app_ids::ServiceId;
use parking_lot::RwLock;

use super::{ByNumber, Service};

#[derive(Default)]
pub(crate) struct Registry {
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    services: ByNumber<Service>,
    /// The app stops, and the registry refuses new services.
    closed: bool,
}

impl Registry {
    /// Adds services, all or none.
    ///
    /// # Errors
    /// `AppNotAlive` once closed, `ServiceAlreadyRegistered` for an id that is taken.
    pub(crate) fn register(&self, services: &[Service]) -> Result<(), Error> {
        let mut entries = self.entries.write();
        if entries.closed {
            return Err(app_not_alive_error());
        }
        for (at, service) in services.iter().enumerate() {
            if entries.services.contains_key(&service.id().as_u64()) {
                for entered in &services[..at] {
                    entries.services.remove(&entered.id().as_u64());
                }
                return Err(service_already_registered_error(service.id()));
            }
            entries.services.insert(service.id().as_u64(), service.clone());
        }
        Ok(())
    }

    /// Removes this incarnation; another one with its id stays. Returns whether it was registered.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let id = service.id().as_u64();
        let mut entries = self.entries.write();
        let registered = entries.services.get(&id).is_some_and(|entered| entered.same(service));
        if registered {
            entries.services.remove(&id);
        }
        registered
    }

    /// Refuses new services from now on.
    pub(crate) fn close(&self) {
        self.entries.write().closed = true;
    }

    pub(crate) fn service(&self, id: ServiceId) -> Option<Service> {
        self.entries.read().services.get(&id.as_u64()).cloned()
    }

    /// The registered services, sorted by id.
    pub(crate) fn services(&self) -> Vec<Service> {
        let mut services: Vec<_> = self.entries.read().services.values().cloned().collect();
        services.sort_unstable_by_key(Service::id);
        services
    }
}

#[cfg(test)]
mod tests;
