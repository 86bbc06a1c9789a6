//! What a command server tells of itself, measured so that a command costs next to nothing more.
//!
//! Counts are exact. Times are not taken of every command: to read the clock costs about as much as to hand a command
//! over. A server that runs less than [`EAGER_BELOW`] commands a second has every one timed. A busier one has one in
//! [`ONE_IN`] timed, chosen at random as it is handed over, and that one counts [`ONE_IN`] times: so counts, sums and
//! quantiles are right in the mean, whatever the load does, and commands that run for a millisecond or more are all
//! seen. What all of it costs is measured by `cargo bench -p app-core --bench commands -- "one thread"`, beside the same
//! loop around a bare command channel.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::times::Times;

/// Commands a second below which each is timed.
const EAGER_BELOW: f64 = 1_000.0;
/// Of how many commands one is timed by a server that is busy.
const ONE_IN: u8 = 64;
/// After how many commands, and after how long, the pace is looked at again: whichever comes first.
const LOOK: (u64, Duration) = (256, Duration::from_millis(100));

/// The counts and times of a server.
#[derive(Debug)]
pub(super) struct Meter {
    /// Written rarely and read for every command: kept away from what the loop writes.
    eager: Apart<AtomicBool>,
    pub(super) run: AtomicU64,
    pub(super) refused: AtomicU64,
    pub(super) panicked: AtomicU64,
    pub(super) waited: Times,
    pub(super) ran: Times,
    pace: Mutex<Pace>,
}

/// On a cache line, or two that are fetched together, of its own.
#[derive(Debug)]
#[repr(align(128))]
struct Apart<T>(T);

#[derive(Debug)]
struct Pace {
    since: Instant,
    commands: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            eager: Apart(AtomicBool::new(true)),
            run: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            waited: Times::default(),
            ran: Times::default(),
            pace: Mutex::new(Pace { since: Instant::now(), commands: 0 }),
        }
    }
}

impl Meter {
    /// Decides, as a command is handed over, whether it is timed.
    pub(super) fn sample(self: &Arc<Self>) -> Option<Stopwatch> {
        let weight = if self.eager.0.load(Relaxed) { 1 } else { ONE_IN };
        if weight > 1 && fastrand::u8(0..ONE_IN) != 0 {
            return None;
        }
        Some(Stopwatch { meter: Arc::clone(self), handed_over: Instant::now(), weight: weight.into() })
    }

    /// Learns from a command that was timed whether the next ones need to be.
    fn look(&self, now: Instant, weight: u64) {
        let mut pace = self.pace.lock();
        pace.commands += weight;
        let passed = now.saturating_duration_since(pace.since);
        if pace.commands < LOOK.0 && passed < LOOK.1 {
            return;
        }
        // Commands are far fewer than a float's digits.
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more")]
        let eager = (pace.commands as f64) < EAGER_BELOW * passed.as_secs_f64();
        *pace = Pace { since: now, commands: 0 };
        if self.eager.0.load(Relaxed) != eager {
            self.eager.0.store(eager, Relaxed);
        }
    }
}

/// Times one command.
pub(super) struct Stopwatch {
    meter: Arc<Meter>,
    handed_over: Instant,
    weight: u64,
}

impl Stopwatch {
    /// Runs the command.
    pub(super) fn time<R>(self, command: impl FnOnce() -> R) -> R {
        let Self { meter, handed_over, weight } = self;
        let begun = Instant::now();
        meter.waited.add(begun.saturating_duration_since(handed_over), weight);
        let result = command();
        let ended = Instant::now();
        meter.ran.add(ended.saturating_duration_since(begun), weight);
        meter.look(ended, weight);
        result
    }
}

/// Counts the commands of a batch once it is over, also when one of them panics.
pub(super) struct Batch<'a> {
    meter: &'a Meter,
    begun: u64,
}

impl<'a> Batch<'a> {
    pub(super) fn of(meter: &'a Meter) -> Self {
        Self { meter, begun: 0 }
    }

    pub(super) fn begins(&mut self) {
        self.begun += 1;
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.meter.run.fetch_add(self.begun, Relaxed);
        if std::thread::panicking() {
            self.meter.panicked.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(since: Instant, millis: u64) -> Instant {
        since + Duration::from_millis(millis)
    }

    #[test]
    fn a_busy_server_has_one_command_in_sixty_four_timed_and_a_quiet_one_all() {
        let meter = Arc::new(Meter::default());
        let start = meter.pace.lock().since;
        assert!((0..1_000).all(|_| meter.sample().is_some()), "nothing is known of its pace");
        (0..256).for_each(|i| meter.look(after(start, i / 16), 1));
        let timed = (0..64_000).filter_map(|_| meter.sample()).collect::<Vec<_>>();
        assert!((500..1_500).contains(&timed.len()), "{} of 64,000", timed.len());
        assert!(timed.iter().all(|stopwatch| stopwatch.weight == 64));
        meter.look(after(start, 1_000), 64);
        assert!((0..1_000).all(|_| meter.sample().is_some_and(|stopwatch| stopwatch.weight == 1)));
    }
}
