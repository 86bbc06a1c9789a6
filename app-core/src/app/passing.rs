//! Services made at run time that were killed on request, until they are dead.
//!
//! Most are dead at once. Only of one that is not does the supervisor have to know, which gives it its stop timeout. So it
//! is not woken for each: it looks now and then, for as long as there are any, and takes those that it has seen before.

use std::time::Duration;

use super::{App, Phase};
use crate::{Service, service::ByNumber};

/// How often the supervisor looks.
pub(crate) const LOOK: Duration = Duration::from_millis(250);

#[derive(Default)]
pub(super) struct Passing {
    /// By address, and whether the supervisor has seen it.
    services: ByNumber<(Service, bool)>,
    /// Whether the supervisor looks.
    watched: bool,
}

impl App {
    /// Takes note of a service made at run time that was killed on request, and did not die of it at once.
    pub(crate) fn passes(&self, service: &Service) {
        if !self.enters_passing(service) {
            return self.fallen(service);
        }
        // It may have died before it was noted, and will not pass again.
        if service.is_dead() {
            self.passed(service);
        }
    }

    /// Refused before the app runs, and once it stops.
    fn enters_passing(&self, service: &Service) -> bool {
        let mut passing = self.inner.passing.lock();
        if self.phase() != Phase::Running {
            return false;
        }
        passing.services.insert(service.address(), (service.clone(), false));
        if !std::mem::replace(&mut passing.watched, true) {
            self.inner.fell.notify_one();
        }
        true
    }

    /// It is dead.
    pub(super) fn passed(&self, service: &Service) {
        let gone = self.inner.passing.lock().services.remove(&service.address());
        // Outside the lock.
        drop(gone);
    }

    /// Whether the supervisor has to look again after a while.
    pub(crate) fn is_watched(&self) -> bool {
        self.inner.passing.lock().watched
    }

    /// Those that the supervisor sees for the second time.
    pub(crate) fn take_overdue(&self) -> Vec<Service> {
        let mut passing = self.inner.passing.lock();
        let overdue = passing.services.extract_if(|_, (_, seen)| std::mem::replace(seen, true));
        let overdue = overdue.map(|(_, (service, _))| service).collect();
        passing.watched = !passing.services.is_empty();
        overdue
    }

    /// The app stops: whoever stops it looks after all that is left.
    pub(super) fn forget_passing(&self) {
        let passing = std::mem::take(&mut *self.inner.passing.lock());
        drop(passing);
    }
}
