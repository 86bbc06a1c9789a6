//! Checks that are there because a crate is linked: `health_check!`, a thin layer over [`LinkedCheck`].

use std::{collections::BTreeMap, future::Future, sync::Arc};

use app_core::{
    App, Origin, Preflight, ServiceDescriptor, ServiceState, preflight,
    prelude::{Error, Exposed, HealthCheckId, Service, ServiceId, errors},
};
use app_errors::BoxError;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks, check::Check};

/// A run of a linked check.
pub type LinkedRun = BoxFuture<'static, Result<(), BoxError>>;

/// A check of a service, contributed by linking the crate that submits it. It is registered when its service has started,
/// and unregistered when that dies; a service that is started again has it registered again.
pub struct LinkedCheck {
    owner: ServiceId,
    spec: fn() -> HealthCheckSpec,
    check: fn(&App, CancellationToken) -> LinkedRun,
    origin: Origin,
}

inventory::collect!(LinkedCheck);

impl LinkedCheck {
    /// A check of the service `owner`; [`health_check!`](crate::health_check) writes it.
    #[must_use]
    pub const fn new(
        owner: ServiceId,
        spec: fn() -> HealthCheckSpec,
        check: fn(&App, CancellationToken) -> LinkedRun,
        origin: Origin,
    ) -> Self {
        Self { owner, spec, check, origin }
    }

    /// The service that it is about.
    #[must_use]
    pub const fn owner(&self) -> ServiceId {
        self.owner
    }

    /// Its spec, as the code has it.
    #[must_use]
    pub fn spec(&self) -> HealthCheckSpec {
        (self.spec)()
    }
}

/// What [`health_check!`](crate::health_check) takes for a function: `async fn(CancellationToken) -> Result<(), E>`, or
/// `async fn(Arc<T>, CancellationToken) -> Result<(), E>`, where `T` is the handle that a service exposes.
pub trait LinkedFunction<Args>: Send + Sync + 'static {
    /// Begins a run.
    fn run(&self, app: &App, cancel: CancellationToken) -> LinkedRun;
}

impl<F, Run, E> LinkedFunction<(CancellationToken,)> for F
where
    F: Fn(CancellationToken) -> Run + Send + Sync + 'static,
    Run: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn run(&self, _: &App, cancel: CancellationToken) -> LinkedRun {
        let run = self(cancel);
        Box::pin(async move { run.await.map_err(Into::into) })
    }
}

impl<F, T, Run, E> LinkedFunction<(Arc<T>, CancellationToken)> for F
where
    F: Fn(Arc<T>, CancellationToken) -> Run + Send + Sync + 'static,
    T: Exposed,
    Run: Future<Output = Result<(), E>> + Send + 'static,
    E: Into<BoxError>,
{
    fn run(&self, app: &App, cancel: CancellationToken) -> LinkedRun {
        match app.get::<T>() {
            Ok(handle) => {
                let run = self(handle, cancel);
                Box::pin(async move { run.await.map_err(Into::into) })
            }
            Err(error) => Box::pin(std::future::ready(Err(error.into()))),
        }
    }
}

/// Contributes a health check of a service: linking the crate that says this is all it takes.
///
/// `check` is an `async fn(CancellationToken) -> Result<(), E>`, or one that is given the service's handle before the
/// token. It is registered when the service has started, and unregistered when the service dies.
///
/// ```
/// use std::sync::Arc;
///
/// use app_core::prelude::*;
/// use app_health::{HealthCheckSpec, health_check};
/// use tokio_util::sync::CancellationToken;
///
/// const STORE: ServiceId = ServiceId::new(0x8c41_992a_1487_1b30);
/// const DISK: HealthCheckId = HealthCheckId::new(0xe537_61e1_62ca_bf47);
///
/// app_core::service! { id: STORE, name: "store", start: start }
/// health_check! { service: STORE, spec: HealthCheckSpec::new(DISK).name("disk").critical(), check: has_room }
///
/// struct Store;
///
/// impl Exposed for Store {
///     const SERVICE: ServiceId = STORE;
/// }
///
/// async fn start(_: Service) -> Result<Store, Error> {
///     Ok(Store)
/// }
///
/// async fn has_room(_store: Arc<Store>, _cancel: CancellationToken) -> std::io::Result<()> {
///     std::fs::metadata(".").map(drop)
/// }
/// # fn main() {}
/// ```
#[macro_export]
macro_rules! health_check {
    (service: $service:expr, spec: $spec:expr, check: $check:path $(,)?) => {
        $crate::__private::inventory::submit! {
            $crate::LinkedCheck::new(
                $service,
                || $spec,
                |app, cancel| $crate::LinkedFunction::run(&$check, app, cancel),
                $crate::__private::Origin {
                    package: ::std::env!("CARGO_PKG_NAME"),
                    version: ::std::env!("CARGO_PKG_VERSION"),
                    file: ::std::file!(),
                    line: ::std::line!(),
                },
            )
        }
    };
}

preflight! { Preflight::new("health checks", Linked::preflight) }

/// The linked checks of the services of an app, and for which incarnation of its service each is registered.
pub(crate) struct Linked {
    checks: Vec<(&'static LinkedCheck, Option<Service>)>,
}

impl Linked {
    /// Those of the services of the app.
    ///
    /// # Errors
    /// `HealthCheckAlreadyRegistered`, which names both, when two have one id; `IllegalArgument` for a spec that could not
    /// be registered, which is better known at the start.
    pub(crate) fn of(app: &App) -> Result<Self, Error> {
        let services: Vec<_> = app.service_statuses().into_iter().map(|status| status.id).collect();
        let linked = inventory::iter::<LinkedCheck>.into_iter();
        Self::from(linked.filter(|check| services.contains(&check.owner)))
    }

    /// Checks those of the services that will be started; a start and `--check` ask.
    fn preflight(app: &App) -> Vec<Error> {
        let services: Vec<_> = app.descriptors().iter().map(ServiceDescriptor::id).collect();
        let linked = inventory::iter::<LinkedCheck>.into_iter();
        Self::from(linked.filter(|check| services.contains(&check.owner))).err().into_iter().collect()
    }

    fn from(linked: impl Iterator<Item = &'static LinkedCheck>) -> Result<Self, Error> {
        let mut by_id: BTreeMap<HealthCheckId, &'static LinkedCheck> = BTreeMap::new();
        for check in linked {
            let id = check.spec().checked()?.id;
            if let Some(other) = by_id.insert(id, check) {
                let message = format!(
                    "health check {} is there twice: {}, {}",
                    id.describe(),
                    other.origin,
                    check.origin
                );
                let error = errors::HEALTH_CHECK_ALREADY_REGISTERED.error(HEALTHCHECK_SERVICE_ID);
                return Err(error.message(message).build());
            }
        }
        Ok(Self { checks: by_id.into_values().map(|check| (check, None)).collect() })
    }

    /// The critical checks that are not registered: the application is not ready without them.
    pub(crate) fn awaited(&self) -> Vec<HealthCheckSpec> {
        let unregistered = self.checks.iter().filter(|(_, owner)| owner.is_none());
        unregistered.map(|(check, _)| check.spec()).filter(|spec| spec.critical).collect()
    }

    /// Registers the checks of services that run and were not there before. Those of dead services are gone by then.
    ///
    /// # Errors
    /// A spec that is refused; `ServiceNotAlive` once the health service was killed.
    pub(crate) fn follow(&mut self, app: &App, checks: &HealthChecks) -> Result<(), Error> {
        for (check, registered_for) in &mut self.checks {
            let running = app.service(check.owner).filter(|owner| owner.state() == ServiceState::Running);
            let same = match (&running, &*registered_for) {
                (Some(now), Some(before)) => now.same(before),
                (now, before) => now.is_none() && before.is_none(),
            };
            if same {
                continue;
            }
            registered_for.clone_from(&running);
            let Some(owner) = running else { continue };
            let spec = checks.spec_as_it_counts(check.spec())?;
            let function = bound(check, app, Arc::clone(&spec));
            if let Err(error) = checks.enter(spec, function, Some(owner.clone())) {
                // It may just have died: then there is an event to come that says so.
                if owner.alive() {
                    return Err(error);
                }
                *registered_for = None;
            }
        }
        Ok(())
    }
}

fn bound(check: &LinkedCheck, app: &App, spec: Arc<HealthCheckSpec>) -> Check {
    let (function, app) = (check.check, app.clone());
    Arc::new(move |cancel| {
        let (spec, run) = (Arc::clone(&spec), function(&app, cancel));
        Box::pin(async move { run.await.map_err(|error| crate::errors::failed(&spec, error)) })
    })
}

#[cfg(test)]
mod tests;
