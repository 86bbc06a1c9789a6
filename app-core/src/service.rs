//! Services: named sets of tasks that live and die together, and the host that they share.
//!
//! `life` has the invariants.

use std::{
    borrow::Cow,
    fmt,
    sync::{
        Arc, OnceLock, Weak,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use app_errors::{Error, service_not_alive_error};
use app_ids::ServiceId;
use parking_lot::Mutex;
use slog::{Logger, error};
use tokio_util::sync::CancellationToken;

use self::life::ServiceInner;
use crate::{
    ServiceState,
    events::{KillReason, ServiceEventKind},
    spec::DEFAULT_STOP_TIMEOUT,
};

mod app_state;
mod current;
mod handles;
mod host;
mod kept;
mod life;
mod mailbox;
mod numbers;
mod once;
mod operator;
mod own;
mod registry;
mod spawn;
mod task;
mod until_stopped;

pub(crate) use self::{
    app_state::{AppPhase, FirstKill},
    current::{Runner, current_service, current_service_id, describe_caller},
    host::{Lifecycle, Settings},
    mailbox::RestartRequest,
    numbers::ByNumber,
    once::Once,
    operator::Operator,
    own::APP_NAME,
};
pub use self::{handles::Exposed, host::Host, task::TaskOutput};

/// A service of an app. It is alive until it is killed, and dead when its tasks have finished.
///
/// A service fails when one of its tasks returns an error or panics: this kills the service. A task that returns without
/// an error does not end its service. The handle is cheap to clone; clones are the same service.
#[derive(Clone)]
pub struct Service {
    inner: Arc<ServiceInner>,
}

impl Service {
    /// Makes a service at run time. [`App::register`](crate::App::register) lets others find it, and lets the app stop it.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// let session = Service::new(&app, ServiceId::new(8), "session")?;
    /// app.register(&session)?;
    /// assert_eq!(session.name(), "session");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `IllegalArgument` when the id is zero, which is the app's own.
    pub fn new(
        app: &impl AsRef<Arc<Host>>,
        id: ServiceId,
        name: impl Into<Cow<'static, str>>,
    ) -> Result<Self, Error> {
        if id.is_zero() {
            return Err(app_errors::illegal_argument_error("a service id must not be zero"));
        }
        Ok(Self::with(Arc::clone(app.as_ref()), id, name.into(), None, DEFAULT_STOP_TIMEOUT))
    }

    pub(crate) fn with(
        host: Arc<Host>,
        id: ServiceId,
        name: Cow<'static, str>,
        parent: Option<(Service, u64)>,
        stop_timeout: Duration,
    ) -> Self {
        let on_board = host.bus.board().has(id);
        let inner = ServiceInner {
            id,
            name,
            host,
            on_board,
            log: OnceLock::new(),
            parent,
            stop_timeout,
            state: AtomicU8::new(ServiceState::Registered as u8),
            life: Mutex::default(),
            dying: Once::default(),
            token: OnceLock::new(),
            dead: Once::default(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// The service's id.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(service.id(), ServiceId::new(7));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn id(&self) -> ServiceId {
        self.inner.id
    }

    /// The service's name.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(service.name(), "seven");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The service's logger: its records carry the service's id and name, and follow its log level.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// info!(service.log(), "hello");
    /// assert!(app.captured().text().contains(r#""svc_name":"seven""#));
    /// # Ok(())
    /// # }
    /// ```
    pub fn log(&self) -> &Logger {
        self.inner.log.get_or_init(|| match self.parent() {
            Some(parent) => parent.log().clone(),
            None => self.host().log.service_logger(self.id(), self.name()),
        })
    }

    /// The service's state.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, ServiceState};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert_eq!(service.state(), ServiceState::Running);
    /// service.kill("enough");
    /// assert_eq!(service.state(), ServiceState::Stopped, "it had no tasks");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn state(&self) -> ServiceState {
        ServiceState::from_u8(self.inner.state.load(Ordering::Acquire))
    }

    /// Whether the service was not killed yet.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert!(service.alive());
    /// service.kill("enough");
    /// assert!(!service.alive());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn alive(&self) -> bool {
        self.state() < ServiceState::Stopping
    }

    /// Returns an error if the service was killed.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.ensure_alive()?;
    /// service.kill("enough");
    /// assert!(service.ensure_alive().unwrap_err().is(&errors::SERVICE_NOT_ALIVE));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// `ServiceNotAlive`.
    #[track_caller]
    pub fn ensure_alive(&self) -> Result<(), Error> {
        if self.alive() { Ok(()) } else { Err(service_not_alive_error(self.id())) }
    }

    /// Waits until the service is killed, which is the signal to stop. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let me = service.clone();
    /// service.spawn("works", async move {
    ///     tokio::select! {
    ///         () = me.dying() => {} // put things in order, and end
    ///         () = tokio::time::sleep(Duration::from_secs(3600)) => {}
    ///     }
    /// })?;
    /// service.kill("enough");
    /// service.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dying(&self) {
        self.inner.dying.wait().await;
    }

    /// A token that is cancelled when the service is killed, for code that does not know services.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// let token = service.token();
    /// service.kill("enough");
    /// token.cancelled().await;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn token(&self) -> CancellationToken {
        // Under the lock, a kill has either come before or will see the token.
        let (killed, token) = {
            let life = self.inner.life.lock();
            (life.killed, self.inner.token.get_or_init(CancellationToken::new))
        };
        if killed {
            token.cancel();
        }
        token.child_token()
    }

    /// Waits until the service is dead: killed, and every task finished. Cancel safe.
    ///
    /// Inside one of its own tasks or commands this returns once the service is dying, because it would wait for itself.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.kill("enough");
    /// service.dead().await;
    /// assert!(service.is_dead());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dead(&self) {
        if current::is_inside(self) { self.dying().await } else { self.fully_dead().await }
    }

    /// Waits until the service is dead, and returns its failure. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.spawn("fails", async { Err::<(), _>("disk full") })?;
    /// let failure = service.wait().await.unwrap_err();
    /// assert!(failure.to_string().contains("disk full"));
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The failure that ended it. `IllegalArgument`, at once, inside one of its own tasks or commands, because it would
    /// wait for itself.
    pub async fn wait(&self) -> Result<(), Error> {
        if current::is_inside(self) {
            let message = format!(
                "service {}: {} can't wait for the end of its own service; wait for dying() instead",
                self.describe(),
                describe_caller(),
            );
            return Err(app_errors::illegal_argument_error(message));
        }
        self.fully_dead().await;
        self.error().map_or(Ok(()), Err)
    }

    /// The failure that killed the service, or that occurred while it stopped.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.spawn("fails", async { Err::<(), _>("disk full") })?;
    /// service.dead().await;
    /// assert!(service.error().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn error(&self) -> Option<Error> {
        self.inner.life.lock().failure.clone()
    }

    /// Why the service was killed, if it was.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.kill("enough");
    /// assert_eq!(service.reason().unwrap().to_string(), "enough");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reason(&self) -> Option<KillReason> {
        self.inner.life.lock().reason.clone()
    }

    /// Kills the service. The first reason stays. The first failure stays too, as its [`error`](Self::error). A later
    /// failure replaces it only if the later one is FATAL and the first is not.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.kill("enough");
    /// service.wait().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(&self, reason: impl Into<KillReason>) {
        self.kill_first(reason.into());
    }

    /// Kills the service. Returns whether this is the first kill.
    pub(crate) fn kill_first(&self, reason: KillReason) -> bool {
        let (first, turns_fatal, children) = {
            let mut life = self.inner.life.lock();
            if life.dead {
                return false;
            }
            let turns_fatal = life.keep_failure(&reason);
            life.holds += 1;
            let first = !std::mem::replace(&mut life.killed, true);
            if first {
                life.reason = Some(reason.clone());
                self.set_state(ServiceState::Stopping);
            }
            let children = life.children.values().filter_map(Weak::upgrade).collect::<Vec<_>>();
            (first, turns_fatal, children)
        };
        let is_root = self.parent().is_none();
        // The supervisor has nothing to do for a service that was made at run time and dies at once.
        let may_die_at_once = matches!(reason, KillReason::Requested(_)) && !self.is_on_board();
        if first {
            if let (KillReason::Failed(failure), false) = (&reason, is_root) {
                // Parts have no lifecycle events, so this may be the only record of the failure.
                error!(self.log(), "part of the service failed"; "part" => self.name(), "err" => #failure);
            }
            self.emit(ServiceEventKind::Killed { reason });
            self.emit(ServiceEventKind::Stopping);
            if is_root && !may_die_at_once {
                self.host().service_killed(self);
            }
            self.inner.dying.happens();
            if let Some(token) = self.inner.token.get() {
                token.cancel();
            }
            for inner in children {
                Self { inner }.kill(format!("its parent {} was killed", self.describe()));
            }
        } else if turns_fatal && is_root {
            // The supervisor may have handled the first kill already.
            self.host().service_killed(self);
        }
        let died = self.leave(|life| life.holds -= 1);
        if first && is_root && may_die_at_once && !died {
            self.host().service_killed(self);
        }
        first
    }

    /// Whether two handles are of the same incarnation of the same service.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// assert!(service.same(&service.clone()));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.inner, &other.inner)
    }

    /// Whether the service is dead: killed, and every task finished.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// service.kill("enough");
    /// assert!(service.is_dead(), "it had no tasks");
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.inner.life.lock().dead
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("id", &self.id())
            .field("name", &self.name())
            .field("state", &self.state())
            .finish()
    }
}

#[cfg(test)]
mod tests;
