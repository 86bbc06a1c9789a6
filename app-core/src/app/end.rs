//! How an app is ended: why, when, and after which delay.

use std::time::{Duration, Instant};

use super::{App, Phase};
use crate::{AppEvent, StopCause, StopReport};

/// The kill of an app. There is one.
pub(crate) struct Kill {
    cause: StopCause,
    at: Instant,
    /// The delay that was asked for, in place of that of the flags.
    drain_delay: Option<Duration>,
}

impl App {
    /// Kills the app: readiness goes down, services stop in reverse order. The first cause stays.
    pub fn kill(&self, cause: StopCause) {
        self.kill_after(cause, None);
    }

    /// As [`kill`](Self::kill), with a delay of one's own between readiness going down and the first service stopping, in place
    /// of that of the flags; false when the app was killed before: then its cause and its delay stay.
    pub fn kill_after(&self, cause: StopCause, drain_delay: Option<Duration>) -> bool {
        let first = self.inner.cause.set(Kill { cause, at: Instant::now(), drain_delay }).is_ok();
        if first {
            self.inner.dying.cancel();
        }
        // An app that was never started has nobody to stop it.
        if self.begin(Phase::Stopped) {
            let cause = self.cause().unwrap_or_else(|| StopCause::Killed(String::new()));
            self.emit(AppEvent::Stopping { cause: cause.clone() });
            let (took, abandoned) = (Duration::ZERO, Vec::new());
            self.emit(AppEvent::Stopped { cause: cause.clone(), took, abandoned });
            self.close(StopReport { cause, took, abandoned: Vec::new() });
        }
        first
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
    pub async fn dead(&self) {
        self.inner.dead.cancelled().await;
    }

    /// Why the app was killed, if it was.
    #[must_use]
    pub fn cause(&self) -> Option<StopCause> {
        self.inner.cause.get().map(|kill| kill.cause.clone())
    }

    /// How long the stop waits between readiness going down and the first service stopping.
    pub(crate) fn drain_delay(&self) -> Duration {
        let asked = self.inner.cause.get().and_then(|kill| kill.drain_delay);
        asked.unwrap_or(self.inner.flags.drain_delay)
    }

    pub(crate) fn killed_at(&self) -> Instant {
        self.inner.cause.get().map_or_else(Instant::now, |kill| kill.at)
    }
}

#[cfg(test)]
mod tests;
