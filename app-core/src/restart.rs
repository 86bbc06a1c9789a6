//! Whether, and how often, a service that died is started again.

use std::{fmt, time::Duration};

use app_errors::{ErrSpec, ErrorSeverity, ErrorType};
use app_ids::{ErrorId, ids};
use backon::{BackoffBuilder, ExponentialBuilder};

ids! {
    /// Id of [`SERVICE_RESTARTS_EXHAUSTED`].
    pub(crate) RESTARTS_EXHAUSTED: ErrorId = 0xdcd7_78fa_dd16_474e, "ServiceRestartsExhausted";
}

/// A service died more often than its [`Restart`] allows, or could not be restarted because it did not stop. The app
/// stops with it, and exits with 4.
pub const SERVICE_RESTARTS_EXHAUSTED: ErrSpec =
    ErrSpec::new(RESTARTS_EXHAUSTED, ErrorType::KnownEdgeCase, ErrorSeverity::Fatal).without_stack();

/// What becomes of a service that died: the policy of its descriptor.
///
/// A service may be restarted [`max_restarts`](Self::max_restarts) times within [`window`](Self::window); the death
/// after that stops the app. Each restart waits, the first of a window for the shortest time of
/// [`backoff`](Self::backoff), each further one for twice as long as the one before, up to the longest; to each wait up
/// to as much again is added at random, so that instances which failed together do not come back together.
///
/// It matters once the app is ready: a service that fails while the app starts is a start that failed. In a restart, a
/// start that fails is a death like any other, whatever the severity of its error. `docs/RESTARTS.md` has the whole.
///
/// ```
/// use app_core::Restart;
/// use std::time::Duration;
///
/// const POLICY: Restart = Restart::on_failure().max_restarts(3).window(Duration::from_secs(600));
/// assert_eq!(POLICY.to_string(), "on failure, 3 in 10m");
/// assert_eq!(Restart::default(), Restart::never());
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Restart {
    after: After,
    max_restarts: u32,
    window: Duration,
    shortest: Duration,
    longest: Duration,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Failures,
    Everything,
}

impl Restart {
    /// It stays dead, and what depends on it is stopped too; the app lives on, not ready. What a descriptor has that
    /// says nothing.
    #[must_use]
    pub const fn never() -> Self {
        Self::after(After::Nothing)
    }

    /// Restarted when it failed: a task of it returned an error or panicked, or somebody killed it with an error. One
    /// that was killed on request stays dead.
    #[must_use]
    pub const fn on_failure() -> Self {
        Self::after(After::Failures)
    }

    /// Restarted whatever it died of.
    #[must_use]
    pub const fn always() -> Self {
        Self::after(After::Everything)
    }

    const fn after(after: After) -> Self {
        Self {
            after,
            max_restarts: 5,
            window: Duration::from_secs(60),
            shortest: Duration::from_millis(100),
            longest: Duration::from_secs(10),
        }
    }

    /// How many restarts a [`window`](Self::window) may have, 5 by default. With 0 the first death stops the app.
    #[must_use]
    pub const fn max_restarts(mut self, max_restarts: u32) -> Self {
        self.max_restarts = max_restarts;
        self
    }

    /// Over how long restarts are counted, a minute by default.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// How long a restart waits, at the shortest and at the longest, before chance doubles it at most; 100 ms and 10 s by
    /// default.
    #[must_use]
    pub const fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest = shortest;
        self.longest = longest;
        self
    }

    /// Whether a death is followed by a restart.
    pub(crate) fn follows(&self, failed: bool) -> bool {
        match self.after {
            After::Nothing => false,
            After::Failures => failed,
            After::Everything => true,
        }
    }

    /// Whether it is ever restarted.
    pub(crate) fn is_never(&self) -> bool {
        self.after == After::Nothing
    }

    /// How many restarts there may be within how long.
    pub(crate) const fn limits(&self) -> (u32, Duration) {
        (self.max_restarts, self.window)
    }

    /// How long the restart waits that is the `attempt`th of its window, the first being 1.
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        // Doubled as often, the shortest wait is longer than any that makes sense.
        const DOUBLED_ENOUGH: usize = 40;
        let before = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1).min(DOUBLED_ENOUGH);
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.shortest.min(self.longest))
            .with_max_delay(self.longest)
            .without_max_times()
            .with_jitter();
        waits.build().nth(before).unwrap_or(self.longest)
    }
}

impl Default for Restart {
    fn default() -> Self {
        Self::never()
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let after = match self.after {
            After::Nothing => return f.write_str("never"),
            After::Failures => "on failure",
            After::Everything => "always",
        };
        write!(f, "{after}, {} in {}", self.max_restarts, humantime::format_duration(self.window))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_wait_is_twice_the_one_before_up_to_the_longest_and_chance_at_most_doubles_it() {
        let policy = Restart::always().backoff(Duration::from_secs(1), Duration::from_secs(5));
        for (attempt, seconds) in [(1, 1), (2, 2), (3, 4), (4, 5), (u32::MAX, 5)] {
            for _ in 0..100 {
                let (delay, least) = (policy.delay(attempt), Duration::from_secs(seconds));
                assert!(delay >= least && delay <= 2 * least, "attempt {attempt}: {delay:?}");
            }
        }
        let at_once = Restart::always().backoff(Duration::from_secs(9), Duration::ZERO);
        assert_eq!(at_once.delay(3), Duration::ZERO);
    }
}
