//! The end of an app: its cause, its drain delay and its deadline.

use std::time::Duration;

use slog::info;
use tokio::time::Instant;

use super::App;
use crate::{
    StopCause, StopReport,
    events::AppEvent,
    service::{AppPhase, FirstKill, current_service},
};

/// How long the process may take after the stop, to write the last log records and to end its threads.
const EXIT_MARGIN: Duration = Duration::from_secs(2);

/// The longest drain delay. Longer delays are cut to it, because the clock cannot add any duration.
const LONGEST_DRAIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// The effect of a kill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillOutcome {
    /// It is the first kill, and its cause stays.
    First,
    /// The app was stopping already. Its drain ends sooner.
    Sooner,
    /// The app was stopping already. Nothing changed.
    Unchanged,
}

impl App {
    /// Kills the app: readiness goes down, and services stop in reverse order. The first cause stays.
    ///
    /// The flags set the drain delay, which is the time between readiness going down and the first service stopping.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// app.stopped().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill(&self, cause: StopCause) {
        self.kill_after(cause, None);
    }

    /// As [`kill`](Self::kill), with another drain delay. `None` is the drain delay of the flags.
    ///
    /// A later kill with a shorter delay ends the drain sooner. A later kill with a longer delay changes nothing. Both are
    /// logged.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.kill_after(StopCause::Killed("enough".to_owned()), Some(Duration::ZERO));
    /// app.stopped().await.expect_clean();
    /// # Ok(())
    /// # }
    /// ```
    pub fn kill_after(&self, cause: StopCause, drain_delay: Option<Duration>) -> KillOutcome {
        let now = Instant::now();
        let drain_delay = drain_delay.unwrap_or(self.flags().drain_delay).min(LONGEST_DRAIN);
        let drain_end = now + drain_delay;
        let sooner = self.host.state.drain_end.send_if_modified(|end| {
            let sooner = end.is_none_or(|end| drain_end < end);
            if sooner {
                *end = Some(drain_end);
            }
            sooner
        });
        if self.host.state.kill(FirstKill { cause: cause.clone(), at: now }) {
            self.end_unstarted();
            return KillOutcome::First;
        }
        self.log_later_kill(&cause, sooner, drain_delay);
        if sooner { KillOutcome::Sooner } else { KillOutcome::Unchanged }
    }

    /// Ends an app that was never started, because no kernel runs that could stop it.
    fn end_unstarted(&self) {
        if self.host.state.begin(AppPhase::Stopped) {
            let cause = self.cause().unwrap_or_else(|| StopCause::Killed(String::new()));
            self.host.emit(AppEvent::Stopping { cause: cause.clone() });
            let (took, abandoned) = (Duration::ZERO, Vec::new());
            self.host.emit(AppEvent::Stopped { cause: cause.clone(), took, abandoned });
            self.close(StopReport { cause, took, abandoned: Vec::new() });
        }
    }

    fn log_later_kill(&self, cause: &StopCause, sooner: bool, delay: Duration) {
        let first = self.cause().map(|first| first.to_string()).unwrap_or_default();
        let seconds = delay.as_secs_f64();
        if sooner {
            info!(self.logger(), "asked to stop again ({cause}), while stopping ({first}): the drain ends sooner";
                "drain_seconds" => seconds);
        } else {
            info!(self.logger(), "asked to stop again ({cause}), while stopping ({first}): nothing changes");
        }
    }

    /// Whether the app was not killed yet.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.alive());
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// assert!(!app.alive());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn alive(&self) -> bool {
        self.host.state.alive()
    }

    /// Waits until the app is killed. Cancel safe.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// app.dying().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dying(&self) {
        self.host.state.dying.cancelled().await;
    }

    /// Waits until the app has stopped. Cancel safe.
    ///
    /// The stop waits for the tasks and commands of the app's services. Inside one of them, this returns once the app and
    /// that service are dying.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// app.dead().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dead(&self) {
        if let Some(service) = current_service(&self.host) {
            self.dying().await;
            return service.dying().await;
        }
        self.host.state.dead.cancelled().await;
    }

    /// Waits until the app has stopped, and returns its report. Cancel safe.
    ///
    /// The stop waits for the tasks and commands of the app's services. Inside one of them, this returns once the app and
    /// that service are dying. The report then has the cause, and what is known up to that moment.
    ///
    /// ```
    /// # use app_core::{prelude::*, StopCause, AppBuilder};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let app = AppBuilder::new().services([]).build()?;
    /// app.start().await.expect("no service can fail");
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// assert_eq!(app.stopped().await.cause.to_string(), "killed: enough");
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stopped(&self) -> StopReport {
        self.dead().await;
        // The report is kept before the app is dead.
        let unknown = || StopReport {
            cause: self.cause().unwrap_or_else(|| StopCause::Killed(String::new())),
            took: self.killed_at().elapsed(),
            abandoned: Vec::new(),
        };
        self.host.state.report().cloned().unwrap_or_else(unknown)
    }

    /// Why the app was killed, if it was.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.cause().is_none());
    /// app.kill(StopCause::Signal(15));
    /// assert!(matches!(app.cause(), Some(StopCause::Signal(15))));
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn cause(&self) -> Option<StopCause> {
        self.host.state.first_kill().map(|kill| kill.cause.clone())
    }

    /// The latest end of the process: the end of the drain, plus the stop timeout of the app and a margin. `None` while the
    /// app was not killed. A later kill may bring it forward.
    ///
    /// ```
    /// # use app_core::{prelude::*, testing::TestApp, StopCause};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let app = TestApp::empty().await;
    /// assert!(app.stop_deadline().is_none());
    /// app.kill(StopCause::Killed("enough".to_owned()));
    /// assert!(app.stop_deadline().is_some());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn stop_deadline(&self) -> Option<Instant> {
        let drain_end = *self.host.state.drain_end.borrow();
        Some(drain_end? + self.stop_timeout() + EXIT_MARGIN)
    }

    /// Waits until the drain of a killed app is over.
    pub(crate) async fn drained(&self) {
        let mut changes = self.host.state.drain_end.subscribe();
        loop {
            let Some(end) = *changes.borrow_and_update() else { return };
            // A timer has a resolution of a millisecond, and a stop without a drain takes less than that.
            if end <= Instant::now() {
                return;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => return,
                // The channel cannot close, because the app holds the sender.
                _ = changes.changed() => {}
            }
        }
    }

    pub(crate) fn killed_at(&self) -> Instant {
        self.host.state.first_kill().map_or_else(Instant::now, |kill| kill.at)
    }

    /// Ends the app. Nothing waits for it after this.
    pub(crate) fn close(&self, report: StopReport) {
        let host = &self.host;
        host.state.keep_report(report);
        host.state.enter(AppPhase::Stopped);
        host.mailbox.clear();
        let handles = host.handles.take_all();
        if !handles.is_empty() {
            // Services that were abandoned exposed them. A drop is their own code and may block, so it runs on their
            // runtime.
            host.spawn_kernel_task(host.runtime(), "drop of abandoned handles", async move { drop(handles) });
        }
        host.state.dead.cancel();
    }
}

#[cfg(test)]
mod tests;
