//! The clock for the expiry of certificates on open connections.

use std::time::{Duration, SystemTime};

/// The time of the machine.
#[cfg(not(test))]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

/// A clock that runs with tokio's, so that tests can pause and set it.
#[cfg(test)]
pub(crate) fn now() -> SystemTime {
    tests::now()
}

/// Waits until a time has passed. It looks at least once a minute, because the clock may be set. Cancel safe.
pub(crate) async fn passed(moment: SystemTime) {
    while let Ok(left) = moment.duration_since(now()) {
        tokio::time::sleep(left.min(Duration::from_secs(60)) + Duration::from_millis(1)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt as _;

    use super::*;

    thread_local! {
        /// The first use of this thread's clock, by both clocks.
        static BEGAN: (SystemTime, tokio::time::Instant) = (SystemTime::now(), tokio::time::Instant::now());
        /// The seconds by which the clock was set since then.
        static SET: Cell<i64> = const { Cell::new(0) };
    }

    pub(super) fn now() -> SystemTime {
        let passed = BEGAN.with(|(began, instant)| *began + instant.elapsed());
        let set = SET.get();
        let by = Duration::from_secs(set.unsigned_abs());
        if set < 0 { passed - by } else { passed + by }
    }

    #[tokio::test(start_paused = true)]
    async fn a_moment_passes_by_the_clock_also_when_the_clock_is_set() {
        let hour = Duration::from_secs(3600);
        let (began, moment) = (tokio::time::Instant::now(), now() + hour);
        passed(moment).await;
        assert!(began.elapsed() >= hour && began.elapsed() < hour + Duration::from_secs(1));
        // A time in the past needs no waiting.
        passed(moment).await;
        // A clock that is set forward by a year is noticed within a minute.
        let (began, moment) = (tokio::time::Instant::now(), now() + hour * 24);
        let waiting = passed(moment);
        tokio::pin!(waiting);
        assert!((&mut waiting).now_or_never().is_none());
        SET.set(365 * 24 * 3600);
        waiting.await;
        assert!(began.elapsed() <= Duration::from_secs(61));
    }
}
