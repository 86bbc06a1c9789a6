//! How an app is ended: why, when, and after which delay.

use std::time::Duration;

use slog::info;
use tokio::time::Instant;

use super::{App, Phase};
use crate::{AppEvent, StopCause, StopReport, service::current_service};

/// What the process may take past the deadlines of the stop: the last records of the log, and the threads.
const EXIT_MARGIN: Duration = Duration::from_secs(2);

/// The longest delay that a kill can have: nobody waits longer, and the clock can count it.
const LONGEST_DRAIN: Duration = Duration::from_secs(7 * 24 * 3600);

/// The first kill of an app: its cause stays.
pub(crate) struct Kill {
    cause: StopCause,
    at: Instant,
}

/// What a kill changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum KillOutcome {
    /// It is the first: the app stops for its cause.
    First,
    /// The app was stopping already, and its drain ends sooner.
    Sooner,
    /// The app was stopping already, and nothing changed.
    Unchanged,
}

impl App {
    /// Kills the app: readiness goes down, services stop in reverse order. The first cause stays.
    ///
    /// The delay between readiness going down and the first service stopping is that of the flags.
    pub fn kill(&self, cause: StopCause) {
        self.kill_after(cause, None);
    }

    /// As [`kill`](Self::kill), with a delay between readiness going down and the first service stopping. `None` is that of
    /// the flags.
    ///
    /// A later kill with a shorter delay ends the drain sooner; one with a longer delay changes nothing. Both are logged.
    pub fn kill_after(&self, cause: StopCause, drain_delay: Option<Duration>) -> KillOutcome {
        let now = Instant::now();
        let drain_delay = drain_delay.unwrap_or(self.inner.flags.drain_delay).min(LONGEST_DRAIN);
        let drain_end = now + drain_delay;
        let sooner = self.inner.drain_end.send_if_modified(|end| {
            let sooner = end.is_none_or(|end| drain_end < end);
            if sooner {
                *end = Some(drain_end);
            }
            sooner
        });
        if self.inner.cause.set(Kill { cause: cause.clone(), at: now }).is_ok() {
            self.inner.dying.cancel();
            self.end_unstarted();
            return KillOutcome::First;
        }
        self.tell_again(&cause, sooner, drain_delay);
        if sooner { KillOutcome::Sooner } else { KillOutcome::Unchanged }
    }

    /// Ends an app that was never started: no kernel runs that would.
    fn end_unstarted(&self) {
        if self.begin(Phase::Stopped) {
            let cause = self.cause().unwrap_or_else(|| StopCause::Killed(String::new()));
            self.emit(AppEvent::Stopping { cause: cause.clone() });
            let (took, abandoned) = (Duration::ZERO, Vec::new());
            self.emit(AppEvent::Stopped { cause: cause.clone(), took, abandoned });
            self.close(StopReport { cause, took, abandoned: Vec::new() });
        }
    }

    fn tell_again(&self, cause: &StopCause, sooner: bool, delay: Duration) {
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
    #[must_use]
    pub fn alive(&self) -> bool {
        self.inner.cause.get().is_none()
    }

    /// Waits until the app is killed. Cancel safe.
    pub async fn dying(&self) {
        self.inner.dying.cancelled().await;
    }

    /// Waits until the app has stopped. Cancel safe.
    ///
    /// Inside a task or a command of one of its services, which the stop waits for, it returns once the app and that service
    /// are dying.
    pub async fn dead(&self) {
        if let Some(service) = current_service(self) {
            self.dying().await;
            return service.dying().await;
        }
        self.inner.dead.cancelled().await;
    }

    /// Why the app was killed, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<StopCause> {
        self.inner.cause.get().map(|kill| kill.cause.clone())
    }

    /// When the process has ended at the latest, once the app was killed: the end of the drain, the stop timeout of the app,
    /// and a margin. A later kill may bring it forward.
    #[must_use]
    pub fn stop_deadline(&self) -> Option<Instant> {
        let drain_end = *self.inner.drain_end.borrow();
        Some(drain_end? + self.stop_timeout() + EXIT_MARGIN)
    }

    /// Waits until the drain of a killed app is over.
    pub(crate) async fn drained(&self) {
        let mut changes = self.inner.drain_end.subscribe();
        loop {
            let Some(end) = *changes.borrow_and_update() else { return };
            // A timer turns once a millisecond, which is most of what a stop without a drain takes.
            if end <= Instant::now() {
                return;
            }
            tokio::select! {
                biased;
                () = tokio::time::sleep_until(end) => return,
                // It can't close: the app holds the sender.
                _ = changes.changed() => {}
            }
        }
    }

    pub(crate) fn killed_at(&self) -> Instant {
        self.inner.cause.get().map_or_else(Instant::now, |kill| kill.at)
    }
}

#[cfg(test)]
mod tests;
