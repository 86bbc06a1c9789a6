//! The pace of answers to denied calls.

use std::time::Duration;

use tokio::time::Instant;

/// Denied calls of a client that are answered at once. The answers to the following have a [`PAUSE`] between them.
const AT_ONCE: u32 = 20;
const PAUSE: Duration = Duration::from_millis(100);

/// When the next denial is answered.
#[derive(Default)]
pub(super) struct Denials {
    /// When all counted calls would be answered, with a pause after each.
    even: Option<Instant>,
}

impl Denials {
    /// Counts a denied call, and returns when to answer it.
    pub(super) fn next(&mut self, now: Instant) -> Instant {
        let even = self.even.map_or(now, |even| even.max(now)) + PAUSE;
        self.even = Some(even);
        even.checked_sub(PAUSE * AT_ONCE).map_or(now, |at| at.max(now))
    }

    /// Whether the counted calls still delay the following.
    pub(super) fn are_paced(&self, now: Instant) -> bool {
        self.even.is_some_and(|even| even > now)
    }
}
