//! Log levels of an app and its services, changed while it runs, with an optional time to live.

use std::time::Duration;

use app_ids::ServiceId;

use super::App;
use crate::{Flags, LogLevel, log::LevelChange};

impl App {
    /// The app's log level: that of every service without one of its own.
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        self.log().level()
    }

    /// The log level of a service: its own, or the app's.
    #[must_use]
    pub fn service_log_level(&self, id: ServiceId) -> LogLevel {
        self.log().service_level(id)
    }

    /// Sets the app's log level; with a time to live, it then goes back to what it was, unless it was changed since.
    /// So it does when the app stops.
    ///
    /// # Panics
    /// With a time to live, outside of a tokio runtime.
    pub fn set_log_level(&self, level: LogLevel, time_to_live: Option<Duration>) {
        let change = self.log().set_level(level);
        self.revert_after(change, time_to_live);
    }

    /// Sets the log level of a service, or gives it back the app's; else as [`set_log_level`](Self::set_log_level).
    ///
    /// # Panics
    /// With a time to live, outside of a tokio runtime.
    pub fn set_service_log_level(
        &self,
        id: ServiceId,
        level: Option<LogLevel>,
        time_to_live: Option<Duration>,
    ) {
        let change = self.log().set_service_level(id, level);
        self.revert_after(change, time_to_live);
    }

    /// Sets the app's level, or that of a service, back to what the app was started with. What was set for a time, and would
    /// be taken back, is forgotten.
    pub fn reset_log_level(&self, service: Option<ServiceId>) {
        let Flags { log_level, service_log_level, .. } = self.flags();
        let own = |id| {
            let mut own = service_log_level.iter();
            own.find(|own| own.resolve(&self.inner.services) == Ok(id)).map(|own| own.level)
        };
        match service {
            None => self.log().reset_levels(None, Some(*log_level)),
            Some(id) => self.log().reset_levels(Some(id), own(id)),
        }
    }

    fn revert_after(&self, change: LevelChange, time_to_live: Option<Duration>) {
        let Some(time_to_live) = time_to_live else { return };
        let until = tokio::time::Instant::now() + time_to_live;
        self.log().expire(&change, until);
        let (log, dead) = (self.log().clone(), self.inner.dead.clone());
        tokio::spawn(async move {
            // When the app stops it goes back too: its log may be that of the app which takes its place.
            dead.run_until_cancelled(tokio::time::sleep_until(until)).await;
            log.revert(change);
        });
    }
}

#[cfg(test)]
mod tests;
