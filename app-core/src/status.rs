//! The state of services and of the app, as values for readiness, status pages and metrics.

use std::time::{Duration, SystemTime};

use app_ids::ServiceId;

use crate::show_duration;

mod state;

pub use self::state::ServiceState;

/// A service as seen from outside, alive or not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The service.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: ServiceState,
    /// Why it was killed, if it was.
    pub reason: Option<String>,
    /// Number of failures that ended it while the app was not stopping. A failure in a requested stop does not count.
    pub deaths: u64,
    /// Number of requested stops while the app was not stopping. A kill or a restart was requested, for this service or
    /// because of a service that it depends on.
    pub planned_stops: u64,
    /// Number of restarts, whether or not they succeeded.
    pub restarts: u64,
    /// Its own restart that is due or under way. `None` while it only waits for a service that it depends on.
    pub restarting: Option<Restarting>,
    /// Its last failure, in this incarnation or an earlier one.
    pub last_failure: Option<LastFailure>,
    /// When its start function was last called.
    pub start_began: Option<SystemTime>,
    /// When it last began to run.
    pub started_on: Option<SystemTime>,
    /// How long its start function ran when it last started.
    pub start_took: Option<Duration>,
    /// How long it has been running. `None` while it does not run.
    pub uptime: Option<Duration>,
    /// Number of unfinished tasks, those of its parts included.
    pub tasks: usize,
}

/// A restart that is due or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restarting {
    /// Number of this restart within the window, starting at 1.
    pub attempt: u32,
    /// Restarts allowed within the window.
    pub max_restarts: u32,
    /// Length of the window in which restarts are counted.
    pub window: Duration,
}

/// The last failure of a service.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFailure {
    /// The error, for people.
    pub reason: String,
    /// When the failed incarnation was dead.
    pub at: SystemTime,
}

/// Whether the app can do its work, and the reasons if it cannot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Readiness {
    /// Every reason why it is not ready, as text for people. Empty when it is ready.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// Ready if there are no reasons against it.
    ///
    /// ```
    /// use app_core::status::Readiness;
    ///
    /// assert!(Readiness::new(Vec::new()).ready());
    /// assert!(!Readiness::new(vec!["the disk is full".to_owned()]).ready());
    /// ```
    #[must_use]
    pub fn new(reasons: Vec<String>) -> Self {
        Self { reasons }
    }

    /// Whether every service runs and the app is not stopping.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

impl ServiceStatus {
    /// One line for people.
    pub(crate) fn describe(&self) -> String {
        let Self { id, name, state, .. } = self;
        let is = match &self.restarting {
            Some(Restarting { attempt, max_restarts, window }) => {
                let window = show_duration(*window);
                format!("service {name} ({id}) is restarting ({attempt} of {max_restarts} in {window})")
            }
            None => format!("service {name} ({id}) is {state}"),
        };
        match &self.reason {
            Some(reason) => format!("{is}: {reason}"),
            None => is,
        }
    }
}
