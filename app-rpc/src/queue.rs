//! How long a message may have waited for its thread.
//!
//! The thread of a connection asks the system for news once in each turn. So a message that it reads now came after the time
//! before last, unless the thread had nothing to do in between. A blocked or busy thread asks late, and messages wait in the system.
//! So the time since then is the longest that the message may have waited.

use std::cell::Cell;
use std::time::{Duration, Instant};

use tokio::runtime::Builder;

/// A thread that slept this long in the system had nothing to do: what it reads next has just come.
const SLEPT: Duration = Duration::from_micros(100);

thread_local! {
    static TURNS: Cell<Option<Turns>> = const { Cell::new(None) };
}

/// The last turns of a thread.
#[derive(Clone, Copy)]
struct Turns {
    /// What the thread reads now came after this moment.
    since: Instant,
    /// When the thread asked last, and when it was answered.
    asked: Instant,
    answered: Instant,
}

/// Watches the turns of a thread with this runtime.
pub(crate) fn watch(runtime: &mut Builder) {
    runtime.on_thread_park(|| {
        let now = Instant::now();
        let turns = TURNS.get().unwrap_or(Turns { since: now, asked: now, answered: now });
        TURNS.set(Some(Turns { asked: now, ..turns }));
    });
    runtime.on_thread_unpark(|| {
        let Some(turns) = TURNS.get() else { return };
        let now = Instant::now();
        let since = if now.duration_since(turns.asked) >= SLEPT { now } else { turns.answered };
        TURNS.set(Some(Turns { since, answered: now, ..turns }));
    });
}

/// How long a message that this thread reads now may have waited for it, at most. Zero on a thread that is not watched.
pub(crate) fn waited() -> Duration {
    TURNS.get().map_or(Duration::ZERO, |turns| turns.since.elapsed())
}

/// Notices that calls wait too long, by the times that they waited.
///
/// One long wait is no overload: a handler may have blocked once. Waits that are too long for [`PERIOD`](Self::PERIOD) are. Then calls
/// are refused until one has waited a short time. For a while after that, one long wait is enough, since the load is probably still
/// there.
#[derive(Debug, Default)]
pub(crate) struct Overload {
    /// Since when all waits are too long.
    long_since: Option<Instant>,
    /// When a call was refused last.
    refused: Option<Instant>,
}

impl Overload {
    /// How long waits have to be too long.
    const PERIOD: Duration = Duration::from_millis(500);

    /// How long after a refusal one long wait is enough.
    const WARY: Duration = Duration::from_secs(2);

    /// A call has waited a short time.
    pub(crate) fn is_over(&mut self) {
        self.long_since = None;
    }

    /// Whether a call is refused that came `now` and has waited too long.
    pub(crate) fn refuses(&mut self, now: Instant) -> bool {
        let since = *self.long_since.get_or_insert(now);
        let lasts = now.duration_since(since) >= Self::PERIOD;
        let wary = self.refused.is_some_and(|refused| now.duration_since(refused) < Self::WARY);
        if lasts || wary {
            self.refused = Some(now);
        }
        lasts || wary
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    fn at(began: Instant, millis: u64) -> Instant {
        began + Duration::from_millis(millis)
    }

    #[test]
    fn one_long_wait_is_no_overload_and_waits_that_stay_long_are() {
        let (began, mut overload) = (Instant::now(), Overload::default());
        assert!(!overload.refuses(began));
        assert!(!overload.refuses(at(began, 499)));
        overload.is_over();
        assert!(!overload.refuses(at(began, 600)), "one short wait ends it");
        assert!(!overload.refuses(at(began, 1099)));
        assert!(overload.refuses(at(began, 1100)));
    }

    #[test]
    fn calls_are_taken_again_after_a_short_wait_and_one_long_wait_is_enough_for_a_while() {
        let (began, mut overload) = (Instant::now(), Overload::default());
        overload.refuses(began);
        assert!(overload.refuses(at(began, 500)));
        overload.is_over();
        assert!(overload.refuses(at(began, 520)));
        overload.is_over();
        assert!(!overload.refuses(at(began, 2520)), "long ago");
    }

    #[test]
    fn a_thread_that_blocks_knows_how_long_what_it_reads_may_have_waited() {
        let mut builder = Builder::new_current_thread();
        watch(builder.enable_all());
        let runtime = builder.build().unwrap();
        let blocked = Duration::from_millis(60);
        let (idle, after) = runtime.block_on(async {
            let (mut here, mut there) = tokio::net::UnixStream::pair().unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
            let idle = waited();
            there.write_all(b"x").await.unwrap();
            let begun = Instant::now();
            while begun.elapsed() < blocked {
                std::hint::spin_loop();
            }
            // The byte came while the thread was blocked.
            here.read_u8().await.unwrap();
            (idle, waited())
        });
        assert!(after >= blocked && idle < after, "{idle:?}, {after:?}");
        assert_eq!(std::thread::spawn(waited).join().unwrap(), Duration::ZERO);
    }
}
