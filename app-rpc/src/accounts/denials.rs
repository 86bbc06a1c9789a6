//! The pace of denials.

use std::time::Duration;

use tokio::time::Instant;

/// Calls of a client that may be denied at once. Further ones are answered one by one, at [`PAUSE`].
const AT_ONCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// When the next denial is answered.
#[derive(Default)]
pub(super) struct Denials {
    /// When all that were counted would have been answered, with a pause after each.
    even: Option<Instant>,
}

impl Denials {
    /// Counts one, and says when to answer it.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now)) + PAUSE;
        self.even = Some(even);
        even.checked_sub(PAUSE * AT_ONCE).map_or(now, |at| at.max(now))
    }

    /// Whether what was counted still slows down what comes.
    pub(super) fn are_paced(&self, now: Instant) -> bool {
        self.even.is_some_and(|even| even > now)
    }
}
