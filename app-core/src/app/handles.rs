//! What an app has to give: handles of running services, and values that were provided for them.

use std::sync::Arc;

use app_errors::{Error, errors};
use app_ids::ServiceId;

use super::App;
use crate::Exposed;

impl App {
    /// The handle that a running service exposes: that of its present incarnation. Ask again rather than keep it for
    /// longer than a piece of work, unless as a dependent, which ends with it.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when it does not run, as while it waits for a restart, or exposes another type.
    pub fn get<T: Exposed>(&self) -> Result<Arc<T>, Error> {
        self.get_of(T::SERVICE)
    }

    /// The handle that this running service exposes, where several services expose handles of one type; otherwise as
    /// [`get`](Self::get).
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub fn get_of<T: Exposed>(&self, service: ServiceId) -> Result<Arc<T>, Error> {
        let handle = self.inner.handles.read().get(&service).map(|(_, handle)| Arc::clone(handle));
        let Some(handle) = handle else { return Err(app_errors::service_not_available_error(service)) };
        handle.downcast().map_err(|_| {
            let message = format!(
                "service {} does not expose {}: its start function returns another type",
                service.describe(),
                std::any::type_name::<T>(),
            );
            errors::SERVICE_NOT_AVAILABLE.error(service).message(message).build()
        })
    }

    /// The value of this type that the application provided; see [`AppBuilder::provide`].
    #[must_use]
    pub fn provided<T: ?Sized + Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        self.inner.provided.get()
    }
}
