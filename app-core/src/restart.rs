//! The restart policy: whether a dead service is started again, and how often.

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

/// The restart policy of a service: whether it is started again after its death, and how often.
///
/// A service may be restarted [`max_restarts`](Self::max_restarts) times within [`window`](Self::window). One death
/// more stops the app. The first restart within a window waits for the shortest time of [`backoff`](Self::backoff).
/// Each further one waits twice as long, up to the longest time. A random share of up to 100% is added to each wait,
/// so that instances which failed together do not come back together.
///
/// The defaults survive an outage of at least 60 seconds of whatever the service needs: the ten shortest possible
/// waits add up to 111 seconds, the ten longest to 222 seconds. `docs/RESTARTS.md` has the table.
///
/// The policy applies once the app is ready. A service that fails while the app starts is a start that failed. In a
/// restart, a start that fails counts as a death, whatever the severity of its error.
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
    #[cfg(test)]
    jitter: Option<Jitter>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    Nothing,
    Failures,
    Everything,
}

/// The two extremes of the random share, for tests.
#[cfg(test)]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Jitter {
    /// Every wait is the shortest possible.
    None,
    /// Every wait is the longest possible.
    Full,
}

impl Restart {
    /// The service stays dead, and what depends on it is stopped too. The app lives on and is not ready. This is the
    /// policy of a descriptor that names none.
    #[must_use]
    pub const fn never() -> Self {
        Self::after(After::Nothing)
    }

    /// Restarts the service after a failure: a task returned an error or panicked, or the service was killed with an
    /// error. A service that was killed on request stays dead.
    #[must_use]
    pub const fn on_failure() -> Self {
        Self::after(After::Failures)
    }

    /// Restarts the service after every death.
    #[must_use]
    pub const fn always() -> Self {
        Self::after(After::Everything)
    }

    const fn after(after: After) -> Self {
        Self {
            after,
            max_restarts: 10,
            window: Duration::from_secs(300),
            shortest: Duration::from_millis(200),
            longest: Duration::from_secs(30),
            #[cfg(test)]
            jitter: None,
        }
    }

    /// Sets how many restarts a [`window`](Self::window) may have, 10 by default. With 0 the first death stops the app.
    #[must_use]
    pub const fn max_restarts(mut self, max_restarts: u32) -> Self {
        self.max_restarts = max_restarts;
        self
    }

    /// Sets over how long restarts are counted, 5 minutes by default.
    #[must_use]
    pub const fn window(mut self, window: Duration) -> Self {
        self.window = window;
        self
    }

    /// Sets the shortest and the longest wait before a restart, 200 ms and 30 s by default. Chance at most doubles a
    /// wait.
    #[must_use]
    pub const fn backoff(mut self, shortest: Duration, longest: Duration) -> Self {
        self.shortest = shortest;
        self.longest = longest;
        self
    }

    /// Whether a restart follows a death.
    pub(crate) fn follows(&self, failed: bool) -> bool {
        match self.after {
            After::Nothing => false,
            After::Failures => failed,
            After::Everything => true,
        }
    }

    /// Whether the service is never restarted.
    pub(crate) fn is_never(&self) -> bool {
        self.after == After::Nothing
    }

    /// Number of restarts that a window allows, and the length of the window.
    pub(crate) const fn limits(&self) -> (u32, Duration) {
        (self.max_restarts, self.window)
    }

    /// Delay before a restart. `attempt` is its number within the window, starting at 1.
    pub(crate) fn delay(&self, attempt: u32) -> Duration {
        // After this many doublings, even the shortest wait exceeds any sensible longest wait.
        const DOUBLED_ENOUGH: usize = 40;
        let before = usize::try_from(attempt).unwrap_or(usize::MAX).saturating_sub(1).min(DOUBLED_ENOUGH);
        let waits = ExponentialBuilder::new()
            .with_min_delay(self.shortest.min(self.longest))
            .with_max_delay(self.longest)
            .without_max_times();
        #[cfg(test)]
        if let Some(jitter) = self.jitter {
            let wait = waits.build().nth(before).unwrap_or(self.longest);
            return if jitter == Jitter::Full { 2 * wait } else { wait };
        }
        waits.with_jitter().build().nth(before).unwrap_or(self.longest)
    }

    /// Replaces the random share.
    #[cfg(test)]
    pub(crate) fn jitter(mut self, jitter: Jitter) -> Self {
        self.jitter = Some(jitter);
        self
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
        write!(f, "{after}, {} in {}", self.max_restarts, crate::show_duration(self.window))
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

    #[test]
    fn the_ten_shortest_default_waits_are_111_seconds_and_the_ten_longest_222() {
        let sum = |jitter| -> Duration {
            (1..=10).map(|attempt| Restart::on_failure().jitter(jitter).delay(attempt)).sum()
        };
        // Waits are computed in floats.
        assert_eq!((sum(Jitter::None).as_millis(), sum(Jitter::Full).as_millis()), (111_000, 222_000));
        let (restarts, window) = Restart::on_failure().limits();
        assert_eq!((restarts, window), (10, Duration::from_secs(300)));
    }
}
