//! The time that the instances share: the wall clock of each, compared with the stamps of the servers.
//!
//! An instance proves its skew with a value that it writes and reads back: the server's stamp lies between the two readings of its
//! own clock. What the proof leaves open, and what the clock may have moved since, counts as skew. Beyond half of [`SKEW`] the
//! instance leases nothing, so two instances that lease are at most [`SKEW`] apart.

use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use app_core::App;
use app_core::duration::WallTime;
use tokio::time::Instant;

use super::shared::Nanos;

/// The skew between two clocks that is tolerated: S of the bound.
pub const SKEW: Duration = Duration::from_secs(1);

/// A proof that is older than this is renewed with the next lease.
const RENEWED_AFTER: Duration = Duration::from_secs(15);

/// A proof that is older than this counts for nothing.
const COUNTS_FOR: Duration = Duration::from_secs(60);

/// A clock that is corrected runs at most this much too fast or too slow, in parts of a million.
const DRIFT_PPM: u32 = 500;

/// The wall clock of this instance.
#[derive(Clone)]
pub(crate) struct WallClock(Arc<dyn Fn() -> SystemTime + Send + Sync>);

/// What an instance knows of its skew.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Proof {
    at: Instant,
    wall: SystemTime,
    /// The most that the clock was apart from the server's.
    apart: Duration,
}

impl WallClock {
    /// The clock of the system; in a test the clock that the test pauses.
    pub(crate) fn of(app: &App) -> Self {
        if app.any_port() {
            let clock = WallTime::new();
            return Self::new(move || clock.now());
        }
        Self::new(SystemTime::now)
    }

    pub(crate) fn new(read: impl Fn() -> SystemTime + Send + Sync + 'static) -> Self {
        Self(Arc::new(read))
    }

    pub(crate) fn now(&self) -> SystemTime {
        (self.0)()
    }

    /// The time, if the proof still bounds the skew. Else what the skew may be.
    pub(crate) fn proven(&self, proof: &Proof) -> Result<Nanos, Duration> {
        let (wall, since) = (self.now(), proof.at.elapsed());
        let moved = apart(wall, proof.wall + since);
        let skew = proof.apart + moved + since * DRIFT_PPM / 1_000_000;
        if since > COUNTS_FOR || skew > SKEW / 2 { Err(skew) } else { Ok(nanos(wall)) }
    }
}

impl Proof {
    /// The proof of a value that was written between two readings of the clock, and that the server stamped.
    pub(crate) fn of(before: SystemTime, after: SystemTime, stamp: SystemTime, at: Instant) -> Self {
        Self { at, wall: after, apart: apart(stamp, before).max(apart(after, stamp)) }
    }

    /// Whether it should be renewed.
    pub(crate) fn is_old(&self) -> bool {
        self.at.elapsed() > RENEWED_AFTER
    }

    /// The most that the clock was apart from the server's.
    pub(crate) fn apart(&self) -> Duration {
        self.apart
    }
}

fn apart(one: SystemTime, other: SystemTime) -> Duration {
    one.duration_since(other).unwrap_or_else(|earlier| earlier.duration())
}

/// Nanoseconds since 1970.
pub(crate) fn nanos(time: SystemTime) -> Nanos {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    Nanos::try_from(since.as_nanos()).unwrap_or(Nanos::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fixed(ahead_millis: u64) -> (WallClock, SystemTime) {
        let (start, begun) = (SystemTime::now(), Instant::now());
        let read = move || start + begun.elapsed() + Duration::from_millis(ahead_millis);
        (WallClock::new(read), start)
    }

    #[tokio::test(start_paused = true)]
    async fn a_clock_is_trusted_while_its_skew_is_proven_to_be_small() {
        for (ahead, trusted) in [(0, true), (400, true), (499, true), (501, false), (3_600_000, false)] {
            let (clock, stamp) = fixed(ahead);
            let proof = Proof::of(clock.now(), clock.now(), stamp, Instant::now());
            assert_eq!(clock.proven(&proof).is_ok(), trusted, "{ahead} ms");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_a_slow_answer_leaves_open_counts_as_skew() {
        let (clock, _) = fixed(0);
        let before = clock.now();
        tokio::time::sleep(Duration::from_millis(600)).await;
        let proof = Proof::of(before, clock.now(), before, Instant::now());
        assert_eq!(clock.proven(&proof), Err(Duration::from_millis(600)));
    }

    #[tokio::test(start_paused = true)]
    async fn a_proof_counts_for_a_minute_and_not_after_the_clock_was_set() {
        let (clock, stamp) = fixed(0);
        let proof = Proof::of(clock.now(), clock.now(), stamp, Instant::now());
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert!(clock.proven(&proof).is_ok() && proof.is_old());
        let set = WallClock::new({
            let clock = clock.clone();
            move || clock.now() - Duration::from_millis(600)
        });
        assert!(set.proven(&proof).is_err());
        tokio::time::sleep(Duration::from_secs(2)).await;
        assert!(clock.proven(&proof).is_err());
    }
}
