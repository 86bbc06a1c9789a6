//! Rounds of a fraction of a millisecond, each crate in turn, so that other load on the machine affects all crates
//! alike.
//!
//! A round in which a thread was preempted does not count. With two threads, only work during which the other thread
//! also worked counts. Contended work looks fast otherwise.

use crate::table::{self, Line, Target, WHO};
use crate::work::Comparison;
use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::sys::resource::{UsageWho, getrusage};
use nix::unistd::Pid;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Number of rounds that must count for each crate.
const ROUNDS: usize = 101;
/// Approximate duration of a round.
const ROUND: Duration = Duration::from_micros(250);
/// The limit for a line with fewer rounds: on a busy machine few rounds count.
const PATIENCE: Duration = Duration::from_secs(5);
/// Lower bound of the parts of a round on two threads.
const PARTS: u64 = 10;

/// The time for the given number of calls on one thread; `None` if the thread was preempted.
fn timed(iterations: u64, run: &dyn Fn(u64)) -> Option<Duration> {
    not_preempted(|| {
        let began = Instant::now();
        run(iterations);
        began.elapsed()
    })
}

fn not_preempted<T>(work: impl FnOnce() -> T) -> Option<T> {
    let preempted =
        || getrusage(UsageWho::RUSAGE_THREAD).map(|usage| usage.involuntary_context_switches()).ok();
    let before = preempted();
    let done = work();
    (before == preempted()).then_some(done)
}

/// The two lines of a comparison: one thread, and two threads at once.
pub(crate) fn compare(comparison: &Comparison) -> Vec<Line> {
    let alone = |iterations, run: &(dyn Fn(u64) + Sync)| timed(iterations, &run);
    let cpus = cpus();
    let shared = |iterations, run: &(dyn Fn(u64) + Sync)| on_two_threads(iterations, run, &cpus);
    let mut lines = vec![line(comparison, "alone", comparison.alone, &alone)];
    if cpus.len() == 2 {
        lines.push(line(comparison, "2 threads", comparison.shared, &shared));
    }
    lines
}

type Round<'a> = dyn Fn(u64, &(dyn Fn(u64) + Sync)) -> Option<Duration> + 'a;

fn line(comparison: &Comparison, how: &str, target: Option<f64>, round: &Round<'_>) -> Line {
    let began = Instant::now();
    let entries = &comparison.entries;
    let place = |who: &str| WHO.iter().position(|name| *name == who).unwrap();
    let places: Vec<usize> = entries.iter().map(|entry| place(entry.who)).collect();
    let iterations: Vec<u64> = entries.iter().map(|entry| fitting(&*entry.run, round)).collect();
    let mut rounds: Vec<table::Round> = Vec::new();
    let counted = |rounds: &[table::Round]| {
        let of = |place: usize| rounds.iter().filter(|round| round[place].is_some()).count();
        places.iter().map(|place| of(*place)).min().unwrap_or_default()
    };
    while counted(&rounds) < ROUNDS && began.elapsed() < PATIENCE {
        let mut figures = [None; WHO.len()];
        for ((entry, iterations), place) in entries.iter().zip(&iterations).zip(&places) {
            let took = round(*iterations, &*entry.run);
            figures[*place] = took.map(|took| took.as_nanos() as f64 / *iterations as f64);
        }
        rounds.push(figures);
    }
    let target = target.map(|ratio| Target { ratio, of: None });
    Line { work: format!("{}, {how}", comparison.name), unit: "ns", rounds, target }
}

/// Number of calls in a round.
fn fitting(run: &(dyn Fn(u64) + Sync), round: &Round<'_>) -> u64 {
    let tries = (0..20).filter_map(|_| round(1_000, run));
    let took = tries.min().unwrap_or(Duration::from_micros(50)).max(Duration::from_nanos(100));
    (1_000 * ROUND.as_nanos() as u64 / took.as_nanos() as u64).clamp(100, 1_000_000)
}

fn cpus() -> Vec<usize> {
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap_or_default();
    (0..CpuSet::count()).filter(|cpu| all.is_set(*cpu).unwrap_or_default()).take(2).collect()
}

/// The times at which a thread began and ended each part.
struct Parts(Vec<(Instant, Instant)>);

/// Both threads work until each has done some parts. A part counts if the other thread was working during all of it.
/// `None` if a thread was preempted.
fn on_two_threads(iterations: u64, run: &(dyn Fn(u64) + Sync), cpus: &[usize]) -> Option<Duration> {
    let (ready, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let work = |cpu: usize| {
        let mut only = CpuSet::new();
        only.set(cpu).unwrap();
        sched_setaffinity(Pid::from_raw(0), &only).unwrap();
        run(1);
        ready.fetch_add(1, Ordering::SeqCst);
        while ready.load(Ordering::SeqCst) < 2 {
            std::hint::spin_loop();
        }
        let mut parts = Parts(Vec::with_capacity(1_000));
        let count = || {
            while done.load(Ordering::Relaxed) < 2 && parts.0.len() < 1_000 {
                let began = Instant::now();
                run(iterations / PARTS);
                parts.0.push((began, Instant::now()));
                if parts.0.len() == PARTS as usize {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        };
        not_preempted(count).map(|()| parts)
    };
    let [one, two] = std::thread::scope(|scope| {
        let threads = [cpus[0], cpus[1]].map(|cpu| scope.spawn(move || work(cpu)));
        threads.map(|thread| thread.join().unwrap())
    });
    let (one, two) = (one?, two?);
    Some((one.beside(&two)? + two.beside(&one)?) / 2 * PARTS as u32)
}

impl Parts {
    /// The mean time of the parts that count; `None` if they are too few.
    fn beside(&self, other: &Self) -> Option<Duration> {
        let (first, last) = (other.0.first()?.0, other.0.last()?.1);
        let beside = self.0.iter().filter(|(began, ended)| *began >= first && *ended <= last);
        let times: Vec<Duration> = beside.map(|(began, ended)| *ended - *began).collect();
        (times.len() >= PARTS as usize / 2).then(|| times.iter().sum::<Duration>() / times.len() as u32)
    }
}
