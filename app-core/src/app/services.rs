//! The services of an app that are alive, the handles that they expose, and the values that are provided for them.

use std::sync::Arc;

use app_errors::{Error, illegal_argument_error, service_not_alive_error};
use app_ids::ServiceId;

use super::App;
use crate::{Exposed, Service, ServiceState, events::ServiceEventKind};

impl App {
    /// Registers a service that was made at run time.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let session = Service::new(&app, ServiceId::new(8), "session")?;
    /// app.register(&session)?;
    /// assert!(app.service(session.id()).is_some());
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// app.unregister(&service)?;
    /// assert!(service.alive() && app.service(service.id()).is_none());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert!(app.service(service.id()).is_some_and(|found| found.same(&service)));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service(&self, id: ServiceId) -> Option<Service> {
        self.host.registry.service(id)
    }

    /// The ids of the registered services, sorted.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(app.service_ids(), [service.id()]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service_ids(&self) -> Vec<ServiceId> {
        self.services().iter().map(Service::id).collect()
    }

    /// The registered services, sorted by id.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(app.services().len(), 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn services(&self) -> Vec<Service> {
        self.host.registry.services()
    }

    /// The handle that a running service exposes, in its current incarnation. A dependent may keep the handle, because it
    /// stops with the service. Other callers ask again for each piece of work.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, ServiceDescriptor};
    /// # const CLOCK: ServiceId = ServiceId::new(7);
    /// # struct Clock(u8);
    /// # impl Exposed for Clock { const SERVICE: ServiceId = CLOCK; }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(ServiceDescriptor::of(CLOCK, "clock", || async { Ok(Clock(12)) })).start().await;
    /// assert_eq!(app.app().get::<Clock>()?.0, 12);
    /// # Ok(())
    /// # }
    /// ```
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
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, ServiceDescriptor};
    /// # const CLOCK: ServiceId = ServiceId::new(7);
    /// # struct Clock(u8);
    /// # impl Exposed for Clock { const SERVICE: ServiceId = CLOCK; }
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(ServiceDescriptor::of(CLOCK, "clock", || async { Ok(Clock(12)) })).start().await;
    /// assert_eq!(app.get_of::<Clock>(CLOCK)?.0, 12);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_of<T: Exposed>(&self, service: ServiceId) -> Result<Arc<T>, Error> {
        self.host.handles.get(service)
    }

    /// The value of this type that the application provided; see [`AppBuilder::provide`](crate::AppBuilder::provide).
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let app = TestApp::builder().provide(42_u64).start().await;
    /// assert_eq!(app.provided::<u64>().as_deref(), Some(&42));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn provided<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.host.settings.provided.get()
    }
}
