//! Requested restarts, and the restart policies in effect.

use std::collections::BTreeMap;

use app_errors::{Error, app_not_alive_error, errors};
use app_ids::ServiceId;
use tokio::sync::oneshot;

use super::App;
use crate::{
    Restart,
    service::{AppPhase, RestartRequest},
    spec::ServiceSpec,
};

impl App {
    /// Restarts a service that the app is made of, with all its dependents. Dependents stop first and start last. This also
    /// starts a service that its policy does not restart.
    ///
    /// Returns when the supervisor has decided, not when the restart is done, because the caller may be part of the
    /// restart. [`events`](Self::events) and [`service_statuses`](Self::service_statuses) show how the restart goes on.
    ///
    /// The [`Restart`](crate::Restart) policy of the service neither prevents nor counts this restart. Earlier restarts no
    /// longer count, and a restart that waits for its delay takes place at once. Cancel safe: if the future is dropped, the
    /// restart may or may not take place.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::{TestApp, runs}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// app.restart(ServiceId::new(7), "to read its files again").await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// - `ServiceNotRegistered` when the app is not made of such a service;
    /// - `ServiceNotAvailable` while the app starts, when a service that this one depends on is dead and will not be
    ///   restarted, or when a task of this service did not end within the stop timeout;
    /// - `AppNotAlive` when the app stops.
    pub async fn restart(&self, service: ServiceId, reason: impl Into<String>) -> Result<(), Error> {
        if self.alive() && self.host.state.phase() < AppPhase::Running {
            let message = format!(
                "service {} cannot be restarted: the app is starting; wait until it is ready",
                service.describe()
            );
            return Err(errors::SERVICE_NOT_AVAILABLE.error(service).message(message).build());
        }
        let (answer, answered) = oneshot::channel();
        self.host.mailbox.restart_requested(RestartRequest { service, reason: reason.into(), answer });
        tokio::select! {
            biased;
            () = self.dying() => Err(app_not_alive_error()),
            answer = answered => answer.unwrap_or_else(|_| Err(app_not_alive_error())),
        }
    }

    /// Sets restart policies that replace those of the descriptors, for example from an operator's settings. All policies
    /// that were set before are removed. The new ones apply from the next death on.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::{TestApp, runs}, Restart};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// app.set_restart_policies([(ServiceId::new(7), Restart::always())])?;
    /// assert_eq!(app.restart_policy(ServiceId::new(7)), Some(Restart::always()));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotRegistered` when the app is not made of one of the services. Nothing changes then.
    pub fn set_restart_policies(
        &self,
        policies: impl IntoIterator<Item = (ServiceId, Restart)>,
    ) -> Result<(), Error> {
        let policies: BTreeMap<_, _> = policies.into_iter().collect();
        if let Some(unknown) = policies.keys().find(|id| self.spec(**id).is_none()) {
            return Err(app_errors::service_not_registered_error(*unknown));
        }
        *self.host.restart_policies.write() = policies;
        Ok(())
    }

    /// The restart policy of a service that the app is made of. It is the policy of the descriptor, unless another policy
    /// was [set](Self::set_restart_policies).
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::{TestApp, runs}, Restart};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// assert_eq!(app.restart_policy(ServiceId::new(7)), Some(Restart::never()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn restart_policy(&self, service: ServiceId) -> Option<Restart> {
        let set = self.host.restart_policies.read().get(&service).copied();
        set.or_else(|| self.spec(service).map(ServiceSpec::restart_policy))
    }

    fn spec(&self, id: ServiceId) -> Option<&ServiceSpec> {
        self.service_specs().iter().find(|spec| spec.id() == id)
    }
}
