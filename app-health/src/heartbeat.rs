//! The heartbeat: shows that the runtime still gives tasks their turns.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use tokio::time::Instant;

/// From one beat to the next.
pub(crate) const BEAT: Duration = Duration::from_secs(1);
/// A heartbeat older than this means that the runtime is blocked.
pub(crate) const OLDEST_BEAT: Duration = Duration::from_secs(10);

/// When the heart last beat. It has just beaten when it is made.
#[derive(Debug)]
pub(crate) struct Heartbeat {
    made: Instant,
    /// Milliseconds since it was made. `Relaxed`: the time is all that is told.
    last: AtomicU64,
}

impl Default for Heartbeat {
    fn default() -> Self {
        Self { made: Instant::now(), last: AtomicU64::new(0) }
    }
}

impl Heartbeat {
    pub(crate) fn beat(&self) {
        let now = u64::try_from(self.made.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.last.store(now, Ordering::Relaxed);
    }

    /// How long ago the last beat was.
    pub(crate) fn age(&self) -> Duration {
        self.made.elapsed().saturating_sub(Duration::from_millis(self.last.load(Ordering::Relaxed)))
    }
}
