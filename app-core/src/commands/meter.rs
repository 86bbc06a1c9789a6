//! Counts and times of a command server, at little cost for each command.
//!
//! The numbers of commands are exact. Not every command is timed, because reading the clock takes about as long as
//! submitting a command. Below [`TIME_ALL_BELOW`] commands a second, all commands are timed. Above, one in [`ONE_IN`] is
//! timed, chosen at random at its submission, and counts [`ONE_IN`] times. So the histograms are unbiased estimates.
//! `cargo bench -p app-core --bench commands -- "one thread"` measures the cost, beside a bare command channel.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::times::Times;

/// Below this rate, in commands a second, every command is timed.
const TIME_ALL_BELOW: f64 = 1_000.0;
/// A busy server times one in this many commands.
const ONE_IN: u8 = 64;
/// The rate is measured after this many commands or after this time, whichever comes first.
const MEASURE_AFTER: (u64, Duration) = (256, Duration::from_millis(100));

/// The counts and times of a server.
///
/// Submissions read the first fields, and commands write the last ones, so that the two do not share a cache line.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Meter {
    time_all: AtomicBool,
    /// Whether the server has not ended.
    pub(super) serving: AtomicBool,
    pub(super) waited: Times,
    pub(super) ran: Times,
    rate: Mutex<Rate>,
    pub(super) refused: AtomicU64,
    pub(super) panicked: AtomicU64,
    /// Written only by the holder of the server's state.
    pub(super) run: AtomicU64,
}

/// Commands since the rate was last measured.
#[derive(Debug)]
struct Rate {
    since: Instant,
    commands: u64,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            time_all: AtomicBool::new(true),
            serving: AtomicBool::new(true),
            waited: Times::default(),
            ran: Times::default(),
            rate: Mutex::new(Rate { since: Instant::now(), commands: 0 }),
            refused: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            run: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// Decides at a command's submission whether it is timed.
    pub(super) fn sample(&self) -> Option<Sample> {
        let weight = if self.time_all.load(Relaxed) { 1 } else { ONE_IN };
        if weight > 1 && fastrand::u8(0..ONE_IN) != 0 {
            return None;
        }
        Some(Sample { submitted: Instant::now(), weight: weight.into() })
    }

    /// Counts commands that run. Only for the holder of the server's state.
    pub(super) fn run_counter(&self) -> RunCounter<'_> {
        RunCounter { meter: self, begun: 0 }
    }

    /// Measures the rate after a timed command that stands for `weight` commands, and decides whether to time all.
    fn measure_rate(&self, now: Instant, weight: u64) {
        let mut rate = self.rate.lock();
        rate.commands += weight;
        let passed = now.saturating_duration_since(rate.since);
        if rate.commands < MEASURE_AFTER.0 && passed < MEASURE_AFTER.1 {
            return;
        }
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more precision")]
        let time_all = (rate.commands as f64) < TIME_ALL_BELOW * passed.as_secs_f64();
        (rate.since, rate.commands) = (now, 0);
        if self.time_all.load(Relaxed) != time_all {
            self.time_all.store(time_all, Relaxed);
        }
    }
}

/// A command that is to be timed.
pub(super) struct Sample {
    submitted: Instant,
    weight: u64,
}

impl Sample {
    /// Runs a command from the queue.
    pub(super) fn time<R>(&self, meter: &Meter, command: impl FnOnce() -> R) -> R {
        self.time_from(Instant::now(), meter, command)
    }

    /// Runs a command that did not wait, which saves one reading of the clock.
    pub(super) fn time_inline<R>(&self, meter: &Meter, command: impl FnOnce() -> R) -> R {
        self.time_from(self.submitted, meter, command)
    }

    fn time_from<R>(&self, begun: Instant, meter: &Meter, command: impl FnOnce() -> R) -> R {
        meter.waited.add(begun.saturating_duration_since(self.submitted), self.weight);
        let result = command();
        let ended = Instant::now();
        meter.ran.add(ended.saturating_duration_since(begun), self.weight);
        meter.measure_rate(ended, self.weight);
        result
    }
}

/// Counts commands that run, and adds them to the meter in its drop, also after a panic.
pub(super) struct RunCounter<'a> {
    meter: &'a Meter,
    begun: u64,
}

impl RunCounter<'_> {
    pub(super) fn begin(&mut self) {
        self.begun += 1;
    }
}

impl Drop for RunCounter<'_> {
    fn drop(&mut self) {
        // Only the holder of the state writes `run`, so a load and a store are enough.
        self.meter.run.store(self.meter.run.load(Relaxed) + self.begun, Relaxed);
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
        let meter = Meter::default();
        let start = meter.rate.lock().since;
        assert!((0..1_000).all(|_| meter.sample().is_some()), "the rate is not known yet");
        (0..256).for_each(|i| meter.measure_rate(after(start, i / 16), 1));
        let timed = (0..64_000).filter_map(|_| meter.sample()).collect::<Vec<_>>();
        assert!((500..1_500).contains(&timed.len()), "{} of 64,000", timed.len());
        assert!(timed.iter().all(|sample| sample.weight == 64));
        meter.measure_rate(after(start, 1_000), 64);
        assert!((0..1_000).all(|_| meter.sample().is_some_and(|sample| sample.weight == 1)));
    }
}
