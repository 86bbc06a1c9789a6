//! The paused checks, and since when each is paused.
//!
//! The app keeps this list. It outlives the checks, their services and the health service. So a pause lasts until the
//! check is resumed or the process ends.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use app_core::prelude::HealthCheckId;
use parking_lot::Mutex;

/// The paused checks, including checks that are not registered at the moment.
#[derive(Debug, Default)]
pub(crate) struct PausedChecks(Mutex<BTreeMap<HealthCheckId, SystemTime>>);

impl PausedChecks {
    /// Since when the check is paused; `None` if it is not paused.
    pub(crate) fn since(&self, id: HealthCheckId) -> Option<SystemTime> {
        self.0.lock().get(&id).copied()
    }

    /// Notes that the check is paused. Returns since when: before `now` if it was paused already.
    pub(crate) fn begin(&self, id: HealthCheckId, now: SystemTime) -> SystemTime {
        *self.0.lock().entry(id).or_insert(now)
    }

    /// Notes that the check is resumed. Returns whether it was paused.
    pub(crate) fn end(&self, id: HealthCheckId) -> bool {
        self.0.lock().remove(&id).is_some()
    }
}

/// The time as a metric value: seconds since 1970, or 0 for `None`.
pub(crate) fn timestamp(time: Option<SystemTime>) -> f64 {
    let since_1970 = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_1970.unwrap_or_default().as_secs_f64()
}
