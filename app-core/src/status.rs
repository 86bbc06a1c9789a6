//! What the app knows of its services: the source of readiness, status pages and metrics.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use app_ids::ServiceId;
use parking_lot::RwLock;
use tokio::time::Instant;

use crate::{KillReason, Service, ServiceDescriptor, ServiceEventKind, ServiceState, show_duration};

/// A service as seen from outside, alive or not.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct ServiceStatus {
    /// The service.
    pub id: ServiceId,
    /// Its name.
    pub name: String,
    /// Where it is in its life.
    pub state: ServiceState,
    /// Why it was killed, if it was.
    pub reason: Option<String>,
    /// How often it died of a failure that nobody asked for, while the app was not stopping.
    pub deaths: u64,
    /// How often it was stopped on purpose while the app was not stopping: a restart or a kill was asked for, or something
    /// that it depends on was down or restarted.
    pub planned_stops: u64,
    /// How often it was started again, whether or not that went well.
    pub restarts: u64,
    /// Its restart that is due or under way, until it runs again; none where it only waits for what it depends on.
    pub restarting: Option<Restarting>,
    /// The last failure of it, also of an incarnation that is long gone.
    pub last_failure: Option<LastFailure>,
    /// When it began to run, this incarnation or else the last.
    pub started_on: Option<SystemTime>,
    /// How long its start function ran, in this incarnation or else the last.
    pub start_took: Option<Duration>,
    /// For how long it has been running; none while it does not.
    pub uptime: Option<Duration>,
    /// How many tasks of it, and of its parts, have not finished.
    pub tasks: usize,
}

/// A restart that is due or under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Restarting {
    /// Number of this restart within the window, starting at 1.
    pub attempt: u32,
    /// How many there may be within the window.
    pub max_restarts: u32,
    /// Over how long restarts are counted.
    pub window: Duration,
}

/// What a service failed of, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct LastFailure {
    /// The error, for people.
    pub reason: String,
    /// When it was dead.
    pub at: SystemTime,
}

/// Whether the app can do its work, and if not, why.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Readiness {
    /// Every reason why it is not ready, for people.
    pub reasons: Vec<String>,
}

impl Readiness {
    /// Ready: every service runs, and the app is not stopping.
    #[must_use]
    pub fn ready(&self) -> bool {
        self.reasons.is_empty()
    }
}

/// The state of every service that the app was made of.
#[derive(Default)]
pub(crate) struct Board {
    services: RwLock<BTreeMap<ServiceId, Entry>>,
}

struct Entry {
    status: ServiceStatus,
    /// Whether the present incarnation was killed on request.
    asked: bool,
    running_since: Option<Instant>,
    /// Whether this incarnation came to run.
    has_run: bool,
    starts: u64,
}

impl Board {
    pub(crate) fn enter(&self, descriptors: &[ServiceDescriptor]) {
        let mut services = self.services.write();
        for descriptor in descriptors {
            let status = ServiceStatus {
                id: descriptor.id(),
                name: descriptor.name().to_owned(),
                state: ServiceState::Registered,
                reason: None,
                deaths: 0,
                planned_stops: 0,
                restarts: 0,
                restarting: None,
                last_failure: None,
                started_on: None,
                start_took: None,
                uptime: None,
                tasks: 0,
            };
            services.insert(
                descriptor.id(),
                Entry { status, asked: false, running_since: None, has_run: false, starts: 0 },
            );
        }
    }

    /// Whether the app was made of this service, among others.
    pub(crate) fn has(&self, id: ServiceId) -> bool {
        self.services.read().contains_key(&id)
    }

    /// Keeps what happened. Whether this incarnation has ever run.
    pub(crate) fn note(&self, service: &Service, kind: &ServiceEventKind, app_is_stopping: bool) -> bool {
        // Those made at run time are not on it, and need not wait for each other.
        if !service.is_on_board() {
            return true;
        }
        match self.services.write().get_mut(&service.id()) {
            Some(entry) => entry.note(kind, app_is_stopping),
            None => true,
        }
    }

    /// Says anew why a service is down.
    pub(crate) fn blame(&self, id: ServiceId, reason: String) {
        if let Some(entry) = self.services.write().get_mut(&id) {
            entry.status.reason = Some(reason);
        }
    }

    /// All but what only the services themselves know.
    pub(crate) fn statuses(&self) -> Vec<ServiceStatus> {
        let now = Instant::now();
        let status = |entry: &Entry| ServiceStatus {
            uptime: entry.running_since.map(|since| now.saturating_duration_since(since)),
            ..entry.status.clone()
        };
        self.services.read().values().map(status).collect()
    }

    /// One reason for each service that is not running.
    pub(crate) fn down(&self) -> Vec<String> {
        let down = |status: &&ServiceStatus| status.state != ServiceState::Running;
        self.services
            .read()
            .values()
            .map(|entry| &entry.status)
            .filter(down)
            .map(ServiceStatus::say)
            .collect()
    }
}

impl Entry {
    fn note(&mut self, kind: &ServiceEventKind, app_is_stopping: bool) -> bool {
        let status = &mut self.status;
        match kind {
            ServiceEventKind::Registered => self.has_run = false,
            ServiceEventKind::Starting => {
                status.state = ServiceState::Starting;
                status.restarts += u64::from(self.starts > 0);
                self.starts += 1;
            }
            ServiceEventKind::Started { took } => {
                self.has_run = true;
                status.started_on = Some(SystemTime::now());
                status.start_took = Some(*took);
                // It may have been killed between its start and the telling of it.
                if status.state <= ServiceState::Running {
                    status.state = ServiceState::Running;
                    (status.reason, status.restarting) = (None, None);
                    self.running_since = Some(Instant::now());
                }
            }
            ServiceEventKind::Killed { reason } => {
                status.state = ServiceState::Stopping;
                status.reason = Some(reason.to_string());
                self.asked = matches!(reason, KillReason::Requested(_));
                self.running_since = None;
            }
            ServiceEventKind::Stopped { failure } => {
                status.state = if failure.is_some() { ServiceState::Failed } else { ServiceState::Stopped };
                if let Some(failure) = failure {
                    let reason = failure.to_string();
                    status.reason = Some(reason.clone());
                    status.last_failure = Some(LastFailure { reason, at: SystemTime::now() });
                }
                status.restarting = None;
                // What goes wrong in a stop that was asked for is no death of its own.
                let count = if self.asked { &mut status.planned_stops } else { &mut status.deaths };
                *count += u64::from(!app_is_stopping);
            }
            ServiceEventKind::RestartScheduled { attempt, max_restarts, window, .. } => {
                let (attempt, max_restarts, window) = (*attempt, *max_restarts, *window);
                status.restarting = Some(Restarting { attempt, max_restarts, window });
            }
            _ => {}
        }
        self.has_run
    }
}

impl ServiceStatus {
    fn say(&self) -> String {
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
