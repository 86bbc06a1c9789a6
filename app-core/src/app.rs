//! An app: a set of services in one process. A test process may have several apps.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, SystemTime},
};

use app_errors::ErrorOrigin;
use app_ids::{AppId, DomainId, InstanceId, ReleaseId};
use slog::Logger;
use tokio::sync::{broadcast, watch};

use crate::{
    Flags, Identity, Log, Package, Readiness, Service, ServiceStatus, StopReport,
    commands::{CommandServerStatus, CommandServers},
    events::{AppEvent, Journal},
    service::{AppPhase, Host},
    spec::ServiceSpec,
};

mod dump;
mod end;
mod levels;
mod listeners;
mod operations;
mod restart;
mod services;

pub use self::end::KillOutcome;

/// A set of services that start, run and stop together. The handle is cheap to clone; clones are the same app.
#[derive(Clone)]
pub struct App {
    host: Arc<Host>,
}

impl App {
    /// The app that a service belongs to.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(App::of(&service).id(), app.id());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn of(service: &Service) -> Self {
        Self { host: Arc::clone(service.host()) }
    }

    /// What the services of the app share.
    pub(crate) fn host(&self) -> &Arc<Host> {
        &self.host
    }

    /// Starts the services, level by level. The app is ready when this returns.
    ///
    /// ```
    /// # use app_core::{prelude::*, StopCause, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).build()?;
    /// app.start().await.expect("no service can fail");
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// app.stopped().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The report of an app that stopped before it was ready. Either a service failed to start, and all started services
    /// were stopped again, or the app was killed in the meantime.
    pub async fn start(&self) -> Result<(), StopReport> {
        self.host.lifecycle.start(Arc::clone(&self.host)).await
    }

    /// Another app of the same services, with the same identity, flags and log but for the config directory.
    pub(crate) fn remake(&self, config_dir: PathBuf) -> Self {
        self.host.lifecycle.remake(&self.host, config_dir).into()
    }

    /// The ids of this instance.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.identity().domain, app.domain());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.host.settings.identity
    }

    /// The domain that the app belongs to.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.domain().hex(), "d0"); // what `TestApp` has
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn domain(&self) -> DomainId {
        self.identity().domain
    }

    /// The app's id.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.id().hex(), "a0"); // what `TestApp` has
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id(&self) -> AppId {
        self.identity().app
    }

    /// The release that runs.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.release().hex(), "10"); // what `TestApp` has
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn release(&self) -> ReleaseId {
        self.identity().release
    }

    /// The id of this instance, which is new in every process.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_ne!(app.instance(), TestApp::empty().await.instance());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn instance(&self) -> InstanceId {
        self.identity().instance
    }

    /// What a reporter adds to each error: the ids of this instance, its process and its machine.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.error_origin().pid, std::process::id());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn error_origin(&self) -> ErrorOrigin {
        let Identity { domain, app, release, instance } = *self.identity();
        ErrorOrigin::new(domain, app, release, instance, std::process::id(), host_name())
    }

    /// When the app was made.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.started_on() <= std::time::SystemTime::now());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn started_on(&self) -> SystemTime {
        self.host.started_on
    }

    /// The services that the app is made of, in no order.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::{TestApp, runs}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// assert_eq!(app.service_specs()[0].name(), "seven");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service_specs(&self) -> &[ServiceSpec] {
        &self.host.settings.services
    }

    /// The name and the version of the application.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.package().name().len() > 1);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn package(&self) -> &Package {
        &self.host.settings.package
    }

    /// The flags of the app.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(!app.flags().check);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn flags(&self) -> &Flags {
        &self.host.settings.flags
    }

    /// The directory of configs. Only app-config reads it.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.config_dir().is_dir()); // a temporary directory of the test
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn config_dir(&self) -> &Path {
        &self.flags().config_dir
    }

    /// Whether services that listen take any free port instead of their default port. Tests use this to run in parallel.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.any_port()); // so that tests run side by side
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn any_port(&self) -> bool {
        self.host.settings.any_port
    }

    pub(crate) fn stop_timeout(&self) -> Duration {
        self.host.settings.stop_timeout
    }

    /// The app's logger.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// info!(app.logger(), "hello");
    /// assert!(app.captured().text().contains("hello"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn logger(&self) -> &Logger {
        &self.host.logger
    }

    /// The app's log: its levels, and what it wrote and dropped.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.log().dropped(), 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.host.log
    }

    /// Every service that the app is made of, alive or not, sorted by id.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::{TestApp, runs}};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::builder().service(runs(ServiceId::new(7), "seven")).start().await;
    /// assert_eq!(app.service_statuses()[0].restarts, 0);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service_statuses(&self) -> Vec<ServiceStatus> {
        let mut statuses = self.host.bus.board().statuses();
        for status in &mut statuses {
            status.tasks = self.service(status.id).map_or(0, |service| service.open_tasks().len());
        }
        statuses
    }

    /// The command servers, sorted by service, and within a service in the order in which they were made.
    ///
    /// A server is listed until its task ends. A server of a service that the app is made of stays on the list after that:
    /// when the service is started again, its new server continues the counts.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let _server = CommandServer::builder("sums", 16).spawn(&service, 0_u64)?;
    /// assert_eq!(app.command_servers()[0].name, "sums");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn command_servers(&self) -> Vec<CommandServerStatus> {
        self.kept::<CommandServers>().statuses()
    }

    /// Whether the app can do its work: every service runs, and the app is not stopping.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.readiness().ready());
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// assert_eq!(app.readiness().reasons, ["stopping: killed: enough"]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn readiness(&self) -> Readiness {
        let mut reasons = Vec::new();
        match (self.cause(), self.host.state.phase()) {
            (Some(cause), _) => reasons.push(format!("stopping: {cause}")),
            (None, AppPhase::Made | AppPhase::Starting) => reasons.push("starting".to_owned()),
            (None, _) => {}
        }
        reasons.extend(self.host.bus.board().down());
        Readiness { reasons }
    }

    /// Subscribes to lifecycle events. A subscriber that lags too far behind learns how many events it missed.
    ///
    /// ```
    /// # use app_core::{events::AppEvent, prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let mut events = app.events();
    /// service.kill("enough");
    /// assert!(matches!(events.recv().await, Ok(AppEvent::Service { id, .. }) if id == service.id()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn events(&self) -> broadcast::Receiver<AppEvent> {
        self.host.bus.subscribe()
    }

    /// The last events of the app, from its first one on.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.journal().after(0, 10).last, 1); // "app started"
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn journal(&self) -> &Journal {
        self.host.bus.journal()
    }

    /// Requests a reload: services read their configs again, as on SIGHUP. Returns whether any service takes requests.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(!app.reload(), "no service reads its config again");
    /// let mut reloads = app.reloads();
    /// assert!(app.reload());
    /// reloads.changed().await.expect("the app is there");
    /// # Ok(())
    /// # }
    /// ```
    pub fn reload(&self) -> bool {
        self.host.reloads.send_modify(|requested| *requested = requested.wrapping_add(1));
        self.host.reloads.receiver_count() > 0
    }

    /// A receiver that changes with each requested reload. Requests in quick succession may be one change.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let mut reloads = app.reloads();
    /// app.reload();
    /// reloads.changed().await.expect("the app is there");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reloads(&self) -> watch::Receiver<u64> {
        self.host.reloads.subscribe()
    }

    /// The app's value of this type, made on first use. It lives as long as the app, so a service finds what its earlier
    /// incarnation left there. Use a private type of the service, so that no other code finds the value.
    ///
    /// ```
    /// # let app = app_core::AppBuilder::new().services([]).build()?;
    /// #[derive(Default)]
    /// struct Runs(std::sync::atomic::AtomicU64);
    ///
    /// app.kept::<Runs>().0.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    /// assert_eq!(app.kept::<Runs>().0.load(std::sync::atomic::Ordering::Relaxed), 1);
    /// # Ok::<(), std::io::Error>(())
    /// ```
    #[must_use]
    pub fn kept<T: Default + Send + Sync + 'static>(&self) -> Arc<T> {
        self.host.kept.get()
    }
}

impl From<Arc<Host>> for App {
    fn from(host: Arc<Host>) -> Self {
        Self { host }
    }
}

/// For [`Service::new`].
impl AsRef<Arc<Host>> for App {
    fn as_ref(&self) -> &Arc<Host> {
        &self.host
    }
}

impl fmt::Debug for App {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("App")
            .field("identity", self.identity())
            .field("services", &self.service_ids())
            .finish_non_exhaustive()
    }
}

/// The name of this machine, for error reports.
fn host_name() -> String {
    nix::unistd::gethostname().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}
