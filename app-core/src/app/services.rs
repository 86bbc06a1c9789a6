//! The services of an app that are alive, the handles that they expose, and the values that are provided for them.

use std::sync::Arc;

use app_errors::{Error, illegal_argument_error, service_not_alive_error};
use app_ids::ServiceId;

use super::App;
use crate::{Exposed, Service, ServiceEventKind, ServiceState};

impl App {
    /// Registers a service that was made at run time.
    ///
    /// # Errors
    /// `AppNotAlive`, `ServiceNotAlive`, or `ServiceAlreadyRegistered` when a service with this id is alive.
    pub fn register(&self, service: &Service) -> Result<(), Error> {
        if service.parent().is_some() || !Arc::ptr_eq(service.host(), &self.host) {
            let message = format!("service {} is part of another service or app", service.describe());
            return Err(illegal_argument_error(message));
        }
        // The registry closes later, in the middle of the stop.
        if !self.alive() {
            return Err(app_errors::app_not_alive_error());
        }
        service.ensure_alive()?;
        self.host.register(std::slice::from_ref(service))?;
        service.advance(ServiceState::Running);
        // The service may have died before it was in the registry, so its death did not remove it.
        if service.is_dead() && self.host.registry.unregister(service) {
            self.host.emit_service(service, ServiceEventKind::Unregistered);
            return Err(service_not_alive_error(service.id()));
        }
        Ok(())
    }

    /// Removes this incarnation of a service from the registry; another one with its id stays. The service lives on.
    ///
    /// # Errors
    /// `ServiceNotRegistered` when it is not registered; `AppNotAlive` once the app was killed.
    pub fn unregister(&self, service: &Service) -> Result<(), Error> {
        if !self.alive() {
            return Err(app_errors::app_not_alive_error());
        }
        if !self.host.registry.unregister(service) {
            return Err(app_errors::service_not_registered_error(service.id()));
        }
        self.host.emit_service(service, ServiceEventKind::Unregistered);
        Ok(())
    }

    /// The registered service with this id.
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<Service> {
        self.host.registry.service(id)
    }

    /// The ids of the registered services, sorted.
    #[must_use]
    pub fn service_ids(&self) -> Vec<ServiceId> {
        self.services().iter().map(Service::id).collect()
    }

    /// The registered services, sorted by id.
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        self.host.registry.services()
    }

    /// The handle that a running service exposes, in its current incarnation. A dependent may keep the handle, because it
    /// stops with the service. Other callers ask again for each piece of work.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when the service does not run, for example while it waits for a restart, or when it exposes
    /// another type.
    pub fn get<T: Exposed>(&self) -> Result<Arc<T>, Error> {
        self.get_of(T::SERVICE)
    }

    /// The handle that this service exposes, for a handle type that several services expose. Otherwise as
    /// [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_of<T: Exposed>(&self, service: ServiceId) -> Result<Arc<T>, Error> {
        self.host.handles.get(service)
    }

    /// The value of this type that the application provided; see [`AppBuilder::provide`](crate::AppBuilder::provide).
    #[must_use]
    pub fn provided<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.host.settings.provided.get()
    }
}
