//! The handles that running services expose to their dependents.

use std::{any::Any, collections::HashMap, sync::Arc};

use app_errors::{Error, errors};
use app_ids::ServiceId;
use parking_lot::RwLock;

use super::Service;

/// A handle type that a service exposes to its dependents.
///
/// Each incarnation of the service makes one. Once its service is killed, calls on the handle must return `ServiceNotAlive`.
///
/// Several services may return handles of one type. `SERVICE` is then one of them, and dependents say which service they
/// mean: [`Dep<T, ID>`](crate::Dep).
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not the handle of a service",
    label = "`{Self}` does not implement `Exposed`",
    note = "say which service returns it: `impl Exposed for {Self} {{ const SERVICE: ServiceId = ..; }}`"
)]
pub trait Exposed: Send + Sync + 'static {
    /// The service whose start function returns this type.
    const SERVICE: ServiceId;
}

/// A handle whose type the kernel does not know.
pub(crate) type AnyHandle = Arc<dyn Any + Send + Sync>;

/// The handles by service, each with the incarnation that exposes it.
#[derive(Default)]
pub(crate) struct Handles {
    by_service: RwLock<HashMap<ServiceId, (Service, AnyHandle)>>,
}

impl Handles {
    pub(crate) fn insert(&self, service: &Service, handle: AnyHandle) {
        self.by_service.write().insert(service.id(), (service.clone(), handle));
    }

    /// The handle of the incarnation that runs.
    ///
    /// # Errors
    /// `ServiceNotAvailable` when the service does not run, or exposes another type.
    pub(crate) fn get<T: Exposed>(&self, service: ServiceId) -> Result<Arc<T>, Error> {
        let handle = self.by_service.read().get(&service).map(|(_, handle)| Arc::clone(handle));
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

    /// Removes the handle of this incarnation; the handle of another incarnation stays.
    pub(crate) fn remove(&self, service: &Service) -> Option<AnyHandle> {
        let id = service.id();
        let is_exposed = |handles: &HashMap<ServiceId, (Service, AnyHandle)>| {
            handles.get(&id).is_some_and(|(exposing, _)| exposing.same(service))
        };
        // Most services that are made at run time expose nothing, and need no write lock.
        if !is_exposed(&self.by_service.read()) {
            return None;
        }
        let mut handles = self.by_service.write();
        if is_exposed(&handles) { handles.remove(&id).map(|(_, handle)| handle) } else { None }
    }

    /// Removes all handles, each with its incarnation.
    pub(crate) fn take_all(&self) -> Vec<(Service, AnyHandle)> {
        std::mem::take(&mut *self.by_service.write()).into_values().collect()
    }
}
