//! The registry: which services are alive, by id.

use app_errors::{Error, app_not_alive_error, service_already_registered_error};
use app_ids::ServiceId;
use parking_lot::RwLock;

use crate::{Service, service::ByNumber};

#[derive(Default)]
pub(crate) struct Registry {
    entries: RwLock<Entries>,
}

#[derive(Default)]
struct Entries {
    services: ByNumber<Service>,
    /// The app stops: nothing new is taken.
    closed: bool,
}

impl Registry {
    /// Enters services, all or none.
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

    /// Removes this very incarnation; another one under its id stays. Whether it was there.
    pub(crate) fn unregister(&self, service: &Service) -> bool {
        let id = service.id().as_u64();
        let mut entries = self.entries.write();
        let registered = entries.services.get(&id).is_some_and(|entered| entered.same(service));
        if registered {
            entries.services.remove(&id);
        }
        registered
    }

    /// Refuses all that comes from now on.
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
