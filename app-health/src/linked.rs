//! Health checks that a crate contributes by being linked: `health_check!`, a thin layer over [`LinkedCheck`].

use std::{collections::BTreeMap, future::Future, sync::Arc};

use app_core::{
    App, ServiceState,
    plugins::{Origin, Preflight, ServiceSpec},
    preflight,
    prelude::{Error, Exposed, HealthCheckId, Service, ServiceId, errors},
};
use app_errors::BoxError;
use futures_util::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks, check::CheckFunction};

/// The future of one run of a linked check.
pub type LinkedRun = BoxFuture<'static, Result<(), BoxError>>;

/// A health check of a service, contributed by a linked crate.
///
/// It is registered when its service has started, and unregistered when the service ends. After a restart of the
/// service it is registered again.
pub struct LinkedCheck {
    owner: ServiceId,
    spec: fn() -> HealthCheckSpec,
    check: fn(&App, CancellationToken) -> LinkedRun,
    origin: Origin,
}

inventory::collect!(LinkedCheck);

impl LinkedCheck {
    /// Creates a check of the service `owner`. [`health_check!`](crate::health_check) expands to this call.
    #[must_use]
    pub const fn new(
        owner: ServiceId,
        spec: fn() -> HealthCheckSpec,
        check: fn(&App, CancellationToken) -> LinkedRun,
        origin: Origin,
    ) -> Self {
        Self { owner, spec, check, origin }
    }

    /// The service that the check belongs to.
    #[must_use]
    pub const fn owner(&self) -> ServiceId {
        self.owner
    }

    /// The spec of the check, without the overrides of the config.
    #[must_use]
    pub fn spec(&self) -> HealthCheckSpec {
        (self.spec)()
    }
}

/// The functions that [`health_check!`](crate::health_check) accepts: `async fn(CancellationToken) -> Result<(), E>`,
/// or `async fn(Arc<T>, CancellationToken) -> Result<(), E>` for the handle `T` of a service.
pub trait LinkedFunction<Args>: Send + Sync + 'static {
    /// Starts a run.
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

/// Contributes a health check of a service to every application that links the crate.
///
/// `check` is an `async fn(CancellationToken) -> Result<(), E>`, or takes the service's handle before the token. The
/// check is registered when the service has started, and unregistered when the service ends.
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
                $crate::__private::Origin::new(
                    ::std::env!("CARGO_PKG_NAME"),
                    ::std::env!("CARGO_PKG_VERSION"),
                    ::std::file!(),
                    ::std::line!(),
                ),
            )
        }
    };
}

preflight! { Preflight::new("health checks", Linked::preflight) }

/// The linked checks of an app's services, each with the incarnation of the service for which it is registered.
pub(crate) struct Linked {
    checks: Vec<(&'static LinkedCheck, Option<Service>)>,
}

impl Linked {
    /// The linked checks of the app's services.
    ///
    /// # Errors
    /// - `HealthCheckAlreadyRegistered` if two checks have one id. The message names both.
    /// - `IllegalArgument` for a spec that could not be registered. This makes the start fail, before the check is needed.
    pub(crate) fn of(app: &App) -> Result<Self, Error> {
        let services: Vec<_> = app.service_statuses().into_iter().map(|status| status.id).collect();
        let linked = inventory::iter::<LinkedCheck>.into_iter();
        Self::from(linked.filter(|check| services.contains(&check.owner)))
    }

    /// Validates the checks of all services that will start. A start and `--check` call this function.
    fn preflight(app: &App) -> Vec<Error> {
        let services: Vec<_> = app.service_specs().iter().map(ServiceSpec::id).collect();
        let linked = inventory::iter::<LinkedCheck>.into_iter();
        Self::from(linked.filter(|check| services.contains(&check.owner))).err().into_iter().collect()
    }

    fn from(linked: impl Iterator<Item = &'static LinkedCheck>) -> Result<Self, Error> {
        let mut by_id: BTreeMap<HealthCheckId, &'static LinkedCheck> = BTreeMap::new();
        for check in linked {
            let id = check.spec().validated()?.id;
            if let Some(other) = by_id.insert(id, check) {
                let message = format!(
                    "health check {}: declared twice, by {} and by {}",
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

    /// The critical checks that are not registered. The application is not ready without them.
    pub(crate) fn pending(&self) -> Vec<HealthCheckSpec> {
        let unregistered = self.checks.iter().filter(|(_, owner)| owner.is_none());
        unregistered.map(|(check, _)| check.spec()).filter(|spec| spec.critical).collect()
    }

    /// Registers the checks of services that have started since the last call. The caller has removed the checks of
    /// dead services.
    ///
    /// # Errors
    /// The spec of a check is refused; `ServiceNotAlive` once the health service was killed.
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
            let spec = checks.effective_spec(check.spec())?;
            let function = bound(check, app, Arc::clone(&spec));
            if let Err(error) = checks.insert(spec, function, Some(owner.clone())) {
                // The service may just have ended. The next event then says so.
                if owner.alive() {
                    return Err(error);
                }
                *registered_for = None;
            }
        }
        Ok(())
    }
}

fn bound(check: &LinkedCheck, app: &App, spec: Arc<HealthCheckSpec>) -> CheckFunction {
    let (function, app) = (check.check, app.clone());
    Arc::new(move |cancel| {
        let (spec, run) = (Arc::clone(&spec), function(&app, cancel));
        Box::pin(async move { run.await.map_err(|error| crate::errors::failed(&spec, error)) })
    })
}

#[cfg(test)]
mod tests;
