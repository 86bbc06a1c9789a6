//! Two threads that do the same work at the same time, each on its own processor.
//!
//! Only work that overlaps with work of the other thread counts, because contended work is fast when a thread is alone. The
//! result is the median over the parts of a round, because other threads may preempt a thread in some parts.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::Pid,
};

use crate::rounds::{Failure, Uncounted, message, nanoseconds_each};

/// Fewest parts of a round.
const PARTS: u64 = 10;
/// Most parts that a thread does while it waits for the other. The records of these parts must fit into a log buffer.
const MOST: usize = 40;

/// Begin and end of a part.
type Interval = (Instant, Instant);

/// A round of two threads. Returns the nanoseconds of one repetition on one thread.
pub(crate) fn side_by_side(times: u64, work: impl Fn(u64) + Sync) -> Result<f64, Failure> {
    let [first, second] = processors()?;
    let (ready, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let parts = |processor| parts(processor, (times / PARTS).max(1), &work, &ready, &done);
    let (one, two) = thread::scope(|scope| {
        let [one, two] = [first, second].map(|processor| scope.spawn(move || parts(processor)));
        (one.join(), two.join())
    });
    let panicked = |panic: Box<dyn std::any::Any + Send>| format!("panicked: {}", message(&*panic));
    let (one, two) = (one.map_err(panicked)??, two.map_err(panicked)??);
    let both = beside(&one, &two).zip(beside(&two, &one)).ok_or(Uncounted)?;
    Ok(nanoseconds_each(both.0 + both.1, (times / PARTS).max(1) * 2))
}

/// Two processors that this process may use.
pub(crate) fn processors() -> Result<[usize; 2], Failure> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut processors = (0..CpuSet::count()).filter(|processor| all.is_set(*processor).unwrap_or_default());
    processors
        .next()
        .zip(processors.next())
        .map(Into::into)
        .ok_or_else(|| "there is but one processor".into())
}

/// Pins this thread to a processor.
pub(crate) fn pin(processor: usize) -> Result<(), Failure> {
    let mut only = CpuSet::new();
    only.set(processor)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}

/// Works until both threads have done enough parts.
fn parts(
    processor: usize,
    times: u64,
    work: &impl Fn(u64),
    ready: &AtomicUsize,
    done: &AtomicUsize,
) -> Result<Vec<Interval>, Failure> {
    pin(processor)?;
    // Work that a thread does only once.
    work(0);
    ready.fetch_add(1, Ordering::SeqCst);
    while ready.load(Ordering::SeqCst) < 2 {
        std::hint::spin_loop();
    }
    let mut parts = Vec::with_capacity(MOST);
    while done.load(Ordering::Relaxed) < 2 && parts.len() < MOST {
        let began = Instant::now();
        (0..times).for_each(work);
        parts.push((began, Instant::now()));
        if parts.len() as u64 == PARTS {
            done.fetch_add(1, Ordering::Relaxed);
        }
    }
    Ok(parts)
}

/// The median of the parts that overlap with the other thread, if there are enough.
fn beside(one: &[Interval], other: &[Interval]) -> Option<Duration> {
    let (first, last) = (other.first()?.0, other.last()?.1);
    let beside = one.iter().filter(|(began, ended)| *began >= first && *ended <= last);
    let mut times: Vec<Duration> = beside.map(|(began, ended)| *ended - *began).collect();
    times.sort();
    (times.len() as u64 >= PARTS / 2).then(|| times[times.len() / 2])
}
