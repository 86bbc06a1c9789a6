//! The service of the application itself: the operations of the application are its tasks.
//!
//! It has the id zero and is in no registry, so it has no state on pages and no events. It is made on first use, and stopped
//! with the services that were made at run time.

use std::sync::Arc;

use parking_lot::Mutex;

use super::{Host, Service, app_state::AppPhase};
use crate::{ServiceState, ids::APP_SERVICE, spec::DEFAULT_STOP_TIMEOUT};

/// The name of the application among services.
pub(crate) const APP_NAME: &str = "app";

#[derive(Default)]
pub(crate) struct OwnService(Mutex<Own>);

#[derive(Default)]
enum Own {
    #[default]
    Unmade,
    Made(Service),
    /// The app stops.
    Closed,
}

impl Host {
    /// The service of the application itself. `None` before the start, and once the app stops its services.
    pub(crate) fn own_service(self: &Arc<Self>) -> Option<Service> {
        if self.state.phase() == AppPhase::Made {
            return None;
        }
        let mut own = self.own.0.lock();
        if matches!(*own, Own::Unmade) {
            let service =
                Service::with(Arc::clone(self), APP_SERVICE, APP_NAME.into(), None, DEFAULT_STOP_TIMEOUT);
            service.advance(ServiceState::Running);
            *own = Own::Made(service);
        }
        match &*own {
            Own::Made(service) => Some(service.clone()),
            Own::Unmade | Own::Closed => None,
        }
    }

    /// Takes the service of the application itself, for its stop. No other one is made.
    pub(crate) fn close_own_service(&self) -> Option<Service> {
        match std::mem::replace(&mut *self.own.0.lock(), Own::Closed) {
            Own::Made(service) => Some(service),
            Own::Unmade | Own::Closed => None,
        }
    }
}
