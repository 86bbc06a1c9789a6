//! What a command server tells of itself, measured so that a command costs next to nothing more.
//!
//! Counts are exact. Times are not taken of every command: to read the clock costs about as much as to hand a command
//! over. A server that runs less than [`EAGER_BELOW`] commands a second has every one timed. A busier one has one in
//! [`ONE_IN`] timed, chosen at random as it is handed over, and that one counts [`ONE_IN`] times: so counts, sums and
//! quantiles are right in the mean, whatever the load does, and commands that run for a millisecond or more are all
//! seen. From the same times a server learns whether its commands are short (see [`at_once`](super::at_once)). What all of
//! it costs is measured by `cargo bench -p app-core --bench commands -- "one thread"`, beside the same loop around a bare
//! command channel.

use std::{
    sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use parking_lot::Mutex;

use super::times::Times;

/// Commands a second below which each is timed.
const EAGER_BELOW: f64 = 1_000.0;
/// Of how many commands one is timed by a server that is busy.
const ONE_IN: u8 = 64;
/// How long a command of a server that runs commands at once takes in the mean: to hand it over would take as long.
const BRISK: Duration = Duration::from_micros(2);
/// How long none of them takes; the server knows better after one that did.
const BRISK_AT_MOST: Duration = Duration::from_micros(50);
/// Of how many commands in a row that is to be known.
const BRISK_AFTER: u32 = 32;
/// After how many commands, and after how long, the pace is looked at again: whichever comes first.
const LOOK: (u64, Duration) = (256, Duration::from_millis(100));

/// The counts and times of a server.
///
/// What every command reads is at one end, what every command writes at the other: not on one cache line.
#[derive(Debug)]
#[repr(C)]
pub(super) struct Meter {
    eager: AtomicBool,
    brisk: AtomicBool,
    /// Whether the server's task is there.
    pub(super) serving: AtomicBool,
    pub(super) waited: Times,
    pub(super) ran: Times,
    pace: Mutex<Pace>,
    pub(super) refused: AtomicU64,
    pub(super) panicked: AtomicU64,
    /// Written by whoever has a turn, and him alone.
    pub(super) run: AtomicU64,
}

#[derive(Debug)]
struct Pace {
    since: Instant,
    commands: u64,
    /// Of the commands since the last that took long: how many were timed, and how long they ran.
    short: (u32, Duration),
}

impl Pace {
    fn from(since: Instant) -> Self {
        Self { since, commands: 0, short: (0, Duration::ZERO) }
    }

    /// Whether commands are short, as soon as that is known anew.
    fn learns(&mut self, ran: Duration) -> Option<bool> {
        let (timed, together) = &mut self.short;
        (*timed, *together) = (*timed + 1, *together + ran);
        let brisk = match *timed {
            _ if ran > BRISK_AT_MOST => false,
            BRISK_AFTER.. => *together <= BRISK * *timed,
            _ => return None,
        };
        self.short = (0, Duration::ZERO);
        Some(brisk)
    }
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            eager: AtomicBool::new(true),
            brisk: AtomicBool::new(false),
            serving: AtomicBool::new(true),
            waited: Times::default(),
            ran: Times::default(),
            pace: Mutex::new(Pace::from(Instant::now())),
            refused: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
            run: AtomicU64::new(0),
        }
    }
}

impl Meter {
    /// Decides, as a command is handed over, whether it is timed.
    pub(super) fn sample(&self) -> Option<Sample> {
        let weight = if self.eager.load(Relaxed) { 1 } else { ONE_IN };
        if weight > 1 && fastrand::u8(0..ONE_IN) != 0 {
            return None;
        }
        Some(Sample { handed_over: Instant::now(), weight: weight.into() })
    }

    /// Whether commands are so short that to hand one over would take longer than to run it.
    pub(super) fn is_brisk(&self) -> bool {
        self.brisk.load(Relaxed)
    }

    #[cfg(test)]
    pub(super) fn assume_brisk(&self) {
        self.brisk.store(true, Relaxed);
    }

    /// Counts a command that is about to run. Only for who has a turn.
    pub(super) fn begins(&self) {
        // Nobody else writes it now.
        self.run.store(self.run.load(Relaxed) + 1, Relaxed);
    }

    /// Learns from a command that was timed whether the next ones need to be, and whether they are short.
    fn look(&self, now: Instant, weight: u64, ran: Duration) {
        let mut pace = self.pace.lock();
        if let Some(brisk) = pace.learns(ran).filter(|brisk| *brisk != self.is_brisk()) {
            self.brisk.store(brisk, Relaxed);
        }
        pace.commands += weight;
        let passed = now.saturating_duration_since(pace.since);
        if pace.commands < LOOK.0 && passed < LOOK.1 {
            return;
        }
        // Commands are far fewer than a float's digits.
        #[allow(clippy::cast_precision_loss, reason = "a rate needs no more")]
        let eager = (pace.commands as f64) < EAGER_BELOW * passed.as_secs_f64();
        (pace.since, pace.commands) = (now, 0);
        if self.eager.load(Relaxed) != eager {
            self.eager.store(eager, Relaxed);
        }
    }
}

/// A command that is to be timed.
pub(super) struct Sample {
    handed_over: Instant,
    weight: u64,
}

impl Sample {
    /// Runs a command that comes out of the queue.
    pub(super) fn time<R>(&self, meter: &Meter, command: impl FnOnce() -> R) -> R {
        self.time_from(Instant::now(), meter, command)
    }

    /// Runs a command that did not wait: the clock need not be read to know.
    pub(super) fn time_at_once<R>(&self, meter: &Meter, command: impl FnOnce() -> R) -> R {
        self.time_from(self.handed_over, meter, command)
    }

    fn time_from<R>(&self, begun: Instant, meter: &Meter, command: impl FnOnce() -> R) -> R {
        meter.waited.add(begun.saturating_duration_since(self.handed_over), self.weight);
        let result = command();
        let ended = Instant::now();
        let ran = ended.saturating_duration_since(begun);
        meter.ran.add(ran, self.weight);
        meter.look(ended, self.weight, ran);
        result
    }
}

/// Counts the commands of a batch once it is over, also when one of them panics. Only for who has a turn.
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
        let start = meter.pace.lock().since;
        assert!((0..1_000).all(|_| meter.sample().is_some()), "nothing is known of its pace");
        (0..256).for_each(|i| meter.look(after(start, i / 16), 1, Duration::ZERO));
        let timed = (0..64_000).filter_map(|_| meter.sample()).collect::<Vec<_>>();
        assert!((500..1_500).contains(&timed.len()), "{} of 64,000", timed.len());
        assert!(timed.iter().all(|sample| sample.weight == 64));
        meter.look(after(start, 1_000), 64, Duration::ZERO);
        assert!((0..1_000).all(|_| meter.sample().is_some_and(|sample| sample.weight == 1)));
    }

    #[test]
    fn commands_are_short_after_a_while_without_a_long_one_and_until_the_next() {
        let (meter, short) = (Meter::default(), Duration::from_nanos(50));
        let learn = |ran| meter.look(Instant::now(), 1, ran);
        (0..31).for_each(|_| learn(short));
        assert!(!meter.is_brisk(), "not known yet");
        learn(Duration::from_micros(51));
        (0..31).for_each(|_| learn(short));
        assert!(!meter.is_brisk(), "one was long");
        learn(short);
        assert!(meter.is_brisk());
        (0..32).for_each(|_| learn(Duration::from_micros(2)));
        assert!(meter.is_brisk());
        (0..32).for_each(|_| learn(Duration::from_nanos(2_100)));
        assert!(!meter.is_brisk(), "none was long, but all together");
        (0..32).for_each(|_| learn(short));
        learn(Duration::from_millis(1));
        assert!(!meter.is_brisk(), "at the first long one");
    }
}
