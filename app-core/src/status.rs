//! What the app knows of its services: the source of readiness, status pages and metrics.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use app_ids::ServiceId;
use parking_lot::RwLock;

use crate::{Service, ServiceDescriptor, ServiceEventKind, ServiceState};

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
    /// How often it died while the app was not stopping.
    pub deaths: u64,
    /// When it began to run.
    pub started_on: Option<SystemTime>,
    /// How long its start function ran.
    pub start_took: Option<Duration>,
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
    services: RwLock<BTreeMap<ServiceId, ServiceStatus>>,
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
                started_on: None,
                start_took: None,
            };
            services.insert(descriptor.id(), status);
        }
    }

    /// Whether the app was made of this service, among others.
    pub(crate) fn has(&self, id: ServiceId) -> bool {
        self.services.read().contains_key(&id)
    }

    pub(crate) fn note(&self, service: &Service, kind: &ServiceEventKind, app_is_stopping: bool) {
        let mut services = self.services.write();
        let Some(status) = services.get_mut(&service.id()) else { return };
        match kind {
            ServiceEventKind::Starting => status.state = ServiceState::Starting,
            ServiceEventKind::Started { took } => {
                // It may have been killed between its start and the telling of it.
                status.state = status.state.max(ServiceState::Running);
                status.started_on = Some(SystemTime::now());
                status.start_took = Some(*took);
            }
            ServiceEventKind::Killed { reason } => {
                status.state = ServiceState::Stopping;
                status.reason = Some(reason.to_string());
            }
            ServiceEventKind::Stopped { failure } => {
                status.state = if failure.is_some() { ServiceState::Failed } else { ServiceState::Stopped };
                if let Some(failure) = failure {
                    status.reason = Some(failure.to_string());
                }
                status.deaths += u64::from(!app_is_stopping);
            }
            _ => {}
        }
    }

    pub(crate) fn statuses(&self) -> Vec<ServiceStatus> {
        self.services.read().values().cloned().collect()
    }

    /// One reason for each service that is not running.
    pub(crate) fn down(&self) -> Vec<String> {
        let down = |status: &&ServiceStatus| status.state != ServiceState::Running;
        self.services.read().values().filter(down).map(ServiceStatus::say).collect()
    }
}

impl ServiceStatus {
    fn say(&self) -> String {
        let Self { id, name, state, .. } = self;
        match &self.reason {
            Some(reason) => format!("service {name} ({id}) is {state}: {reason}"),
            None => format!("service {name} ({id}) is {state}"),
        }
    }
}
