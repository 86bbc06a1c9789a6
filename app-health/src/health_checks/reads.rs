//! What a caller can read about health checks.

use std::{collections::BTreeMap, sync::Arc};

use app_core::prelude::{Error, HealthCheckId};
use tokio::{sync::broadcast, time::Instant};

use super::HealthChecks;
use crate::{HealthCheckResult, HealthCheckSpec, HealthCheckState, HealthEvent, HealthTransition};

impl HealthChecks {
    /// Whether a health check with this id is registered.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert!(health.registered(DISK)?);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn registered(&self, id: HealthCheckId) -> Result<bool, Error> {
        self.read(|registry| registry.checks.contains_key(&id))
    }

    /// The ids of the registered health checks, sorted.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert_eq!(health.ids()?, [DISK]);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn ids(&self) -> Result<Vec<HealthCheckId>, Error> {
        self.read(|registry| registry.checks.keys().copied().collect())
    }

    /// The effective spec of a check: the config overrides the code.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// assert_eq!(health.spec(DISK)?.label(), "disk");
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn spec(&self, id: HealthCheckId) -> Result<HealthCheckSpec, Error> {
        self.entry(id).map(|entry| HealthCheckSpec::clone(&entry.spec))
    }

    /// The last result of a check; `None` before its first run.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.run(DISK).await?;
    /// assert!(health.result(DISK)?.is_some_and(|result| result.passed()));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn result(&self, id: HealthCheckId) -> Result<Option<HealthCheckResult>, Error> {
        self.entry(id).map(|entry| entry.record().last().cloned())
    }

    /// The last result of each check that has run.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.run(DISK).await?;
    /// assert!(health.results()?[&DISK].passed());
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn results(&self) -> Result<BTreeMap<HealthCheckId, HealthCheckResult>, Error> {
        let entries = self.entries()?;
        Ok(entries.iter().filter_map(|entry| Some((entry.spec.id, entry.record().last()?.clone()))).collect())
    }

    /// The last results of a check, oldest first: at most [`HISTORY_LENGTH`](crate::HISTORY_LENGTH).
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.run(DISK).await?;
    /// assert!(health.history(DISK)?.iter().all(|result| result.passed()));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn history(&self, id: HealthCheckId) -> Result<Arc<[HealthCheckResult]>, Error> {
        self.entry(id).map(|entry| entry.record().history())
    }

    /// The last status changes of a check, oldest first: at most [`TRANSITIONS_LENGTH`](crate::TRANSITIONS_LENGTH).
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// # use app_health::HealthStatus;
    /// health.run(DISK).await?;
    /// assert_eq!(health.transitions(DISK)?[0].to, HealthStatus::Passing);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn transitions(&self, id: HealthCheckId) -> Result<Arc<[HealthTransition]>, Error> {
        self.entry(id).map(|entry| entry.record().transitions())
    }

    /// Subscribes to the events of all health checks.
    ///
    /// A subscriber that lags more than 1,024 events behind gets an error with the number of events that it missed.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// # use app_health::HealthEventKind;
    /// let mut events = health.events();
    /// health.pause(DISK)?;
    /// assert!(matches!(events.recv().await.unwrap().kind, HealthEventKind::Paused));
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<HealthEvent> {
        self.0.shared.events.subscribe()
    }

    /// The current state of a check.
    ///
    /// # Errors
    /// `HealthCheckNotRegistered`, `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.pause(DISK)?;
    /// assert!(health.state(DISK)?.paused);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn state(&self, id: HealthCheckId) -> Result<HealthCheckState, Error> {
        self.entry(id).map(|entry| entry.state(Instant::now()))
    }

    /// The current state of each check, sorted by id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// let problems = health.states()?.iter().filter_map(|check| check.problem().map(|_| check.spec.id)).count();
    /// assert!(problems <= 1);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn states(&self) -> Result<Vec<HealthCheckState>, Error> {
        let now = Instant::now();
        Ok(self.entries()?.iter().map(|entry| entry.state(now)).collect())
    }

    /// The current state of each check in a [group](HealthCheckSpec::group), sorted by id.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// let checks = health.group(app_health::READINESS_GROUP)?;
    /// assert_eq!(checks[0].spec.id, DISK);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn group(&self, name: &str) -> Result<Vec<HealthCheckState>, Error> {
        let now = Instant::now();
        let entries = self.entries()?;
        let members = entries.iter().filter(|entry| entry.spec.in_group(name));
        Ok(members.map(|entry| entry.state(now)).collect())
    }

    /// The ids of the paused checks, sorted.
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use app_core::{ServiceDescriptor, prelude::*, testing::TestApp};
    /// # use app_health::{HEALTHCHECK_SERVICE_ID, HealthCheckSpec, HealthChecks};
    /// # const DISK: HealthCheckId = HealthCheckId::new(0x8d0a_0181_c77f_e5ec);
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Error> {
    /// # let app = TestApp::with([HEALTHCHECK_SERVICE_ID]).await;
    /// # let health = app.get::<HealthChecks>();
    /// # let spec = HealthCheckSpec::new(DISK).name("disk");
    /// # health.register_unbound(spec, |_cancel| async { std::fs::metadata(".").map(drop) })?;
    /// health.pause(DISK)?;
    /// assert_eq!(health.paused()?, [DISK]);
    /// # app.stop().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn paused(&self) -> Result<Vec<HealthCheckId>, Error> {
        self.read(|registry| {
            registry.checks.iter().filter(|(_, entry)| entry.paused()).map(|(id, _)| *id).collect()
        })
    }
}
