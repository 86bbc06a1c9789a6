//! Services that fail on purpose, each in one way.

use std::{borrow::Cow, future::pending, time::Duration};

use app_errors::{Error, errors};
use app_ids::ServiceId;

use crate::{Service, ServiceDescriptor};

type ServiceName = Cow<'static, str>;

/// A service that runs and does nothing.
#[track_caller]
pub fn runs(id: ServiceId, name: impl Into<ServiceName>) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, |_: Service| async { Ok(()) })
}

/// A service whose start function returns an error.
#[track_caller]
pub fn fails_to_start(id: ServiceId, name: impl Into<ServiceName>) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, move |_: Service| async move {
        Err::<(), _>(on_purpose(id, "failed to start"))
    })
}

/// A service whose start function panics.
#[track_caller]
pub fn panics_at_start(id: ServiceId, name: impl Into<ServiceName>) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, |service: Service| async move {
        panics(&service, "panicked at start, on purpose");
        Ok(())
    })
}

/// A service whose start function never returns.
#[track_caller]
pub fn hangs_at_start(id: ServiceId, name: impl Into<ServiceName>) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, |_: Service| pending::<Result<(), Error>>())
}

/// A service that runs for a while, and then fails with this error.
#[track_caller]
pub fn fails_after(
    id: ServiceId,
    name: impl Into<ServiceName>,
    time: Duration,
    error: Error,
) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, move |service: Service| {
        let error = error.clone();
        async move {
            service.spawn("fails", async move {
                tokio::time::sleep(time).await;
                Err::<(), _>(error)
            })
        }
    })
}

/// A service that runs for a while, and then panics.
#[track_caller]
pub fn panics_after(id: ServiceId, name: impl Into<ServiceName>, time: Duration) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, move |service: Service| async move {
        let me = service.clone();
        service.spawn("panics", async move {
            tokio::time::sleep(time).await;
            panics(&me, "panicked, on purpose");
        })
    })
}

/// A service with a task that ignores the kill of the service.
#[track_caller]
pub fn hangs_at_stop(id: ServiceId, name: impl Into<ServiceName>) -> ServiceDescriptor {
    ServiceDescriptor::of(id, name, |service: Service| async move { service.spawn("hangs", pending::<()>()) })
}

fn on_purpose(id: ServiceId, message: &'static str) -> Error {
    errors::SERVICE_NOT_AVAILABLE.error(id).message(format!("{message}, on purpose")).build()
}

fn panics(service: &Service, message: &'static str) {
    if service.alive() {
        std::panic::panic_any(message);
    }
}
