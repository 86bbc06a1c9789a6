//! The heartbeat: the sign that the runtime still gives the scheduler its turns.
//!
//! An old heartbeat alone proves nothing. After the whole process stood still (SIGSTOP, a frozen container, a suspended
//! machine) the heartbeat is old for a moment, and a probe may read it before the scheduler runs. So the first reader of
//! an old heartbeat only notes the time. If no beat follows within [`CONFIRM`], the heartbeat has stopped.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// Upper bound of the time between two beats.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// An older heartbeat is suspect.
pub(crate) const OLDEST_BEAT: Duration = Duration::from_secs(10);
/// How long a suspect heartbeat has to beat again.
pub(crate) const CONFIRM: Duration = Duration::from_secs(2);

/// No reader has seen an old heartbeat since the last beat.
const UNSUSPECTED: u64 = u64::MAX;

/// The time of the last beat. A new value counts as a beat.
///
/// All accesses are `Relaxed`: readers use the times alone, and nothing else is published through them.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    made: Instant,
    /// The last beat, in milliseconds since `made`.
    last: AtomicU64,
    /// When a reader first saw that the last beat is old, in milliseconds since `made`.
    suspected: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { made: Instant::now(), last: AtomicU64::new(0), suspected: AtomicU64::new(UNSUSPECTED) }
    }
}

impl Heartbeat {
    pub(crate) fn beat(&self) {
        self.last.store(self.now(), Ordering::Relaxed);
        self.suspected.store(UNSUSPECTED, Ordering::Relaxed);
    }

    /// The age of the last beat if the heartbeat has stopped. `None` while it beats, and until the suspicion is confirmed.
    pub(crate) fn stopped(&self) -> Option<Duration> {
        let now = self.now();
        let age = Duration::from_millis(now.saturating_sub(self.last.load(Ordering::Relaxed)));
        if age <= OLDEST_BEAT {
            return None;
        }
        let noted = self.suspected.compare_exchange(UNSUSPECTED, now, Ordering::Relaxed, Ordering::Relaxed);
        let since = noted.map_or_else(|since| since, |_unsuspected| now);
        (Duration::from_millis(now.saturating_sub(since)) >= CONFIRM).then_some(age)
    }

    fn now(&self) -> u64 {
        u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX - 1)
    }
}
