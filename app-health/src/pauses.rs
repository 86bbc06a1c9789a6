//! Which checks are paused, and since when.
//!
//! It outlives the checks, their services and the health service: a pause lasts until the check is resumed. It ends with the
//! process.

use std::{
    collections::BTreeMap,
    time::{SystemTime, UNIX_EPOCH},
};

use app_core::prelude::HealthCheckId;
use parking_lot::Mutex;

/// Paused checks, also those that are not registered at the moment. Kept by the app.
#[derive(Debug, Default)]
pub(crate) struct Pauses(Mutex<BTreeMap<HealthCheckId, SystemTime>>);

impl Pauses {
    /// Since when a check is paused.
    pub(crate) fn since(&self, id: HealthCheckId) -> Option<SystemTime> {
        self.0.lock().get(&id).copied()
    }

    /// A check is paused. Gives since when, which is earlier than now if it was paused already.
    pub(crate) fn begin(&self, id: HealthCheckId, now: SystemTime) -> SystemTime {
        *self.0.lock().entry(id).or_insert(now)
    }

    /// A check is resumed. Whether it was paused.
    pub(crate) fn end(&self, id: HealthCheckId) -> bool {
        self.0.lock().remove(&id).is_some()
    }
}

/// Seconds since 1970, as metrics have them; 0 for none.
pub(crate) fn timestamp(time: Option<SystemTime>) -> f64 {
    let since_1970 = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    since_1970.unwrap_or_default().as_secs_f64()
}
