//! What is logged of trouble: one record a minute at most.

use std::time::Duration;

use app_core::prelude::*;
use tokio::time::Instant;

use crate::ids::SPANS_NOT_EXPORTED;

/// The shortest time between two records.
const EVERY: Duration = Duration::from_secs(60);

/// Spans that did not reach the collector, and the last reason.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Trouble {
    pub(crate) failed: u64,
    pub(crate) dropped: u64,
    pub(crate) why: String,
}

/// Collects trouble, and logs it.
pub(crate) struct Complaints {
    log: Logger,
    told: Option<Instant>,
    untold: Trouble,
}

impl Complaints {
    pub(crate) fn new(log: Logger) -> Self {
        Self { log, told: None, untold: Trouble::default() }
    }

    /// Adds trouble, and logs it unless a record was logged within the last minute.
    pub(crate) fn add(&mut self, trouble: Trouble) {
        self.untold.failed += trouble.failed;
        self.untold.dropped += trouble.dropped;
        self.untold.why = trouble.why;
        self.tell();
    }

    /// Logs what was not logged yet, if it is time.
    pub(crate) fn tell(&mut self) {
        let recent = self.told.is_some_and(|told| told.elapsed() < EVERY);
        if recent || self.untold == Trouble::default() {
            return;
        }
        self.told = Some(Instant::now());
        let Trouble { failed, dropped, why } = std::mem::take(&mut self.untold);
        warn!(self.log, "spans do not reach the collector: {why}"; "event" => SPANS_NOT_EXPORTED.hex(), "failed" => failed, "dropped" => dropped);
    }
}
