//! The board: the state of every service that the app is made of, computed from events.

use std::{collections::BTreeMap, time::SystemTime};

use app_ids::ServiceId;
use parking_lot::RwLock;
use tokio::time::Instant;

use super::{KillReason, ServiceEventKind};
use crate::{
    ServiceState, ServiceStatus,
    status::{LastFailure, Restarting},
};

/// The state of every service that the app is made of.
#[derive(Default)]
pub(crate) struct Board {
    services: RwLock<BTreeMap<ServiceId, BoardEntry>>,
}

struct BoardEntry {
    status: ServiceStatus,
    /// Whether a caller requested the kill of this incarnation.
    kill_requested: bool,
    running_since: Option<Instant>,
    /// Whether this incarnation has ever run.
    has_run: bool,
    starts: u64,
}

impl Board {
    /// Adds services that are about to be started.
    pub(crate) fn enter<'a>(&self, added: impl Iterator<Item = (ServiceId, &'a str)>) {
        let mut services = self.services.write();
        for (id, name) in added {
            let status = ServiceStatus {
                id,
                name: name.to_owned(),
                state: ServiceState::Registered,
                reason: None,
                deaths: 0,
                planned_stops: 0,
                restarts: 0,
                restarting: None,
                last_failure: None,
                start_began: None,
                started_on: None,
                start_took: None,
                uptime: None,
                tasks: 0,
            };
            let entry =
                BoardEntry { status, kill_requested: false, running_since: None, has_run: false, starts: 0 };
            services.insert(id, entry);
        }
    }

    /// Whether the app is made of this service, among others.
    pub(crate) fn has(&self, id: ServiceId) -> bool {
        self.services.read().contains_key(&id)
    }

    /// Records an event. Returns whether this incarnation of the service has ever run.
    pub(crate) fn note(&self, service: ServiceId, kind: &ServiceEventKind, app_is_stopping: bool) -> bool {
        match self.services.write().get_mut(&service) {
            Some(entry) => entry.note(kind, app_is_stopping),
            None => true,
        }
    }

    /// Replaces the reason why a service is down.
    pub(crate) fn set_reason(&self, id: ServiceId, reason: String) {
        if let Some(entry) = self.services.write().get_mut(&id) {
            entry.status.reason = Some(reason);
        }
    }

    /// The statuses without the numbers of tasks, which only the services know.
    pub(crate) fn statuses(&self) -> Vec<ServiceStatus> {
        let now = Instant::now();
        let status = |entry: &BoardEntry| ServiceStatus {
            uptime: entry.running_since.map(|since| now.saturating_duration_since(since)),
            ..entry.status.clone()
        };
        self.services.read().values().map(status).collect()
    }

    /// One line for each service that does not run.
    pub(crate) fn down(&self) -> Vec<String> {
        let down = |status: &&ServiceStatus| status.state != ServiceState::Running;
        self.services
            .read()
            .values()
            .map(|entry| &entry.status)
            .filter(down)
            .map(ServiceStatus::describe)
            .collect()
    }
}

impl BoardEntry {
    fn note(&mut self, kind: &ServiceEventKind, app_is_stopping: bool) -> bool {
        let status = &mut self.status;
        match kind {
            ServiceEventKind::Registered => self.has_run = false,
            ServiceEventKind::Starting => {
                status.state = ServiceState::Starting;
                status.start_began = Some(SystemTime::now());
                status.restarts += u64::from(self.starts > 0);
                self.starts += 1;
            }
            ServiceEventKind::Started { took } => {
                self.has_run = true;
                status.started_on = Some(SystemTime::now());
                status.start_took = Some(*took);
                // A kill may have come between the start and this event.
                if status.state <= ServiceState::Running {
                    status.state = ServiceState::Running;
                    (status.reason, status.restarting) = (None, None);
                    self.running_since = Some(Instant::now());
                }
            }
            ServiceEventKind::Killed { reason } => {
                status.state = ServiceState::Stopping;
                status.reason = Some(reason.to_string());
                self.kill_requested = matches!(reason, KillReason::Requested(_));
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
                // A failure during a requested stop is no death.
                let count = if self.kill_requested { &mut status.planned_stops } else { &mut status.deaths };
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
