//! The heartbeat: shows that the runtime still gives the scheduler its turns.
//!
//! An old heartbeat alone is no proof. After the whole process stood still (SIGSTOP, a frozen container, a suspended
//! machine with a clock that went on) it is old for a moment, though everything turns again, and who looks at it may be
//! quicker than the beat that is due. So an old heartbeat is a suspicion, from the moment that somebody saw it; and a
//! fact when it has not beaten for [`CONFIRM`] since, in which it had time to.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// From one beat to the next, at most.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// A heartbeat older than this is suspicious.
pub(crate) const OLDEST_BEAT: Duration = Duration::from_secs(10);
/// So long after it was seen to be old, a heart that did not beat has stopped.
pub(crate) const CONFIRM: Duration = Duration::from_secs(2);

/// Nobody has seen it old.
const UNSUSPECTED: u64 = u64::MAX;

/// When the heart last beat. It has just beaten when it is made.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    made: Instant,
    /// Milliseconds since it was made. `Relaxed`, as below: the time is all that is told.
    last: AtomicU64,
    /// When it was first seen to be old since the last beat, in milliseconds since it was made.
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

    /// How long ago the last beat was, when that is too long; `None` while it is not, or was only just noticed.
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
