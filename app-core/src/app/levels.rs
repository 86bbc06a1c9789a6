//! The log levels of an app and its services. They change while the app runs, with an optional time to live.

use std::time::Duration;

use app_ids::ServiceId;
use tokio::runtime::Handle;

use super::App;
use crate::{Flags, LogLevel, log::LevelChange};

impl App {
    /// The app's log level, which every service without its own level has.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, LogLevel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert_eq!(app.log_level(), LogLevel::Debug); // what `TestApp` has
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn log_level(&self) -> LogLevel {
        self.log().level()
    }

    /// The log level of a service: its own level, or the app's.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, LogLevel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// app.set_service_log_level(service.id(), Some(LogLevel::Warn), None);
    /// assert_eq!(app.service_log_level(service.id()), LogLevel::Warn);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn service_log_level(&self, id: ServiceId) -> LogLevel {
        self.log().service_level(id)
    }

    /// Sets the app's log level. At the end of a time to live, or when the app stops, the earlier level returns, unless the
    /// level was changed in the meantime.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, LogLevel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.set_log_level(LogLevel::Warn, Some(Duration::from_secs(60)));
    /// assert_eq!(app.log_level(), LogLevel::Warn);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Panics
    /// With a time to live, outside of a tokio runtime.
    pub fn set_log_level(&self, level: LogLevel, time_to_live: Option<Duration>) {
        let change = self.log().set_level(level);
        self.revert_after(change, time_to_live);
    }

    /// Sets the log level of a service. `None` gives it the app's level. Otherwise as [`set_log_level`](Self::set_log_level).
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, LogLevel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// # let service = app.new_service(ServiceId::new(7), "seven");
    /// app.set_service_log_level(service.id(), Some(LogLevel::Warn), None);
    /// assert_eq!(app.service_log_level(service.id()), LogLevel::Warn);
    /// # Ok(())
    /// # }
    /// ```
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

    /// Resets the level of the app or of a service to the level that the app was started with. A pending return to an
    /// earlier level is cancelled.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, LogLevel};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.set_log_level(LogLevel::Error, None);
    /// app.reset_log_level(None);
    /// assert_eq!(app.log_level(), LogLevel::Debug);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset_log_level(&self, service: Option<ServiceId>) {
        let Flags { log_level, service_log_level, .. } = self.flags();
        let own = |id| {
            let mut own = service_log_level.iter();
            own.find(|own| own.resolve(self.service_specs()) == Ok(id)).map(|own| own.level)
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
        let (log, dead) = (self.log().clone(), self.host.state.dead.clone());
        self.host.spawn_kernel_task(&Handle::current(), "return to a log level", async move {
            // The stop of the app reverts the level too, because the next app in this process may share the log.
            dead.run_until_cancelled(tokio::time::sleep_until(until)).await;
            log.revert(change);
        });
    }
}

#[cfg(test)]
mod tests;
