//! What is known of a start before anything runs: the planned services, and the handle that each of them will expose.

use std::any::{TypeId, type_name};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use crate::{App, Exposed, ServiceDescriptor};

/// The type of the handle that a start function returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandleType {
    id: TypeId,
    name: &'static str,
}

impl HandleType {
    /// The type `T`.
    #[must_use]
    pub fn of<T: 'static>() -> Self {
        Self { id: TypeId::of::<T>(), name: type_name::<T>() }
    }

    /// The name of the type, for people.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        self.name
    }
}

/// A service that is about to be started, among all that are. Nothing runs yet.
#[derive(Debug, Clone, Copy)]
pub struct Planned<'a> {
    app: &'a App,
    services: &'a [ServiceDescriptor],
    service: &'a ServiceDescriptor,
}

impl<'a> Planned<'a> {
    pub(crate) fn new(
        app: &'a App,
        services: &'a [ServiceDescriptor],
        service: &'a ServiceDescriptor,
    ) -> Self {
        Self { app, services, service }
    }

    /// The app that will be started.
    #[must_use]
    pub const fn app(&self) -> &'a App {
        self.app
    }

    /// The service whose start function takes the parameter.
    #[must_use]
    pub const fn service(&self) -> &'a ServiceDescriptor {
        self.service
    }

    /// The service of this id, if it is one of the app's.
    #[must_use]
    pub fn find(&self, id: ServiceId) -> Option<&'a ServiceDescriptor> {
        self.services.iter().find(|service| service.id() == id)
    }

    /// Checks that the service of `T` exposes a `T`.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when its start function returns another type.
    pub fn expect_handle<T: Exposed>(&self) -> Result<(), Error> {
        self.expect_handle_of::<T>(T::SERVICE)
    }

    /// Checks that this service exposes a `T`.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when its start function returns another type.
    pub fn expect_handle_of<T: Exposed>(&self, service: ServiceId) -> Result<(), Error> {
        let wanted = HandleType::of::<T>();
        // A service that is missing is a problem of the graph.
        match self.find(service).and_then(ServiceDescriptor::handle) {
            Some(returned) if returned != wanted => {
                Err(wrong_handle(self.service, &wanted, service, &returned))
            }
            _ => Ok(()),
        }
    }

    /// Checks that no two services of the application expose a `T`.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when several do: the parameter has to say which.
    pub fn expect_one_service_of<T: Exposed>(&self) -> Result<(), Error> {
        let wanted = HandleType::of::<T>();
        let services = self.services.iter().filter(|service| service.handle() == Some(wanted));
        let named: Vec<_> =
            services.map(|service| format!("{} ({})", service.name(), service.id())).collect();
        if named.len() < 2 {
            return Ok(());
        }
        let short = wanted.name.rsplit("::").next().unwrap_or(wanted.name);
        let message = format!(
            "service {} ({}) takes {}, which several services return: {}; say which one, as in `Dep<{short}, {{ ITS_ID.as_u64() }}>`",
            self.service.name(),
            self.service.id(),
            wanted.name,
            named.join(" and "),
        );
        Err(errors::SERVICE_NOT_AVAILABLE.error(self.service.id()).message(message).build())
    }
}

fn wrong_handle(
    service: &ServiceDescriptor,
    wanted: &HandleType,
    of: ServiceId,
    returned: &HandleType,
) -> Error {
    let message = format!(
        "service {} ({}) takes {} from service {}, whose start function returns {}: return the one from the other",
        service.name(),
        service.id(),
        wanted.name,
        of.describe(),
        returned.name,
    );
    errors::SERVICE_NOT_AVAILABLE.error(service.id()).message(message).build()
}
