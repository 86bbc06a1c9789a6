//! Two threads that do the same at once, each on a processor of its own.
//!
//! Only what one does while the other is at work counts: work that contends looks fast when nobody else does it. Of its parts
//! it is the median, since a thread may be preempted in some: by a thread that writes a log, by the machine.

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

/// Parts of a round, at least.
const PARTS: u64 = 10;
/// Nobody waits for another longer than this many: what is logged meanwhile has to fit into a buffer.
const MOST: usize = 40;

/// When a part began, and when it ended.
type Part = (Instant, Instant);

/// A round of two threads: nanoseconds for each time, as one of them has it.
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

/// Two that this process may use.
pub(crate) fn processors() -> Result<[usize; 2], Failure> {
    let all = sched_getaffinity(Pid::from_raw(0))?;
    let mut processors = (0..CpuSet::count()).filter(|processor| all.is_set(*processor).unwrap_or_default());
    processors
        .next()
        .zip(processors.next())
        .map(Into::into)
        .ok_or_else(|| "there is but one processor".into())
}

/// Keeps this thread on a processor.
pub(crate) fn pin(processor: usize) -> Result<(), Failure> {
    let mut only = CpuSet::new();
    only.set(processor)?;
    Ok(sched_setaffinity(Pid::from_raw(0), &only)?)
}

/// Goes on until both threads have done enough of them.
fn parts(
    processor: usize,
    times: u64,
    work: &impl Fn(u64),
    ready: &AtomicUsize,
    done: &AtomicUsize,
) -> Result<Vec<Part>, Failure> {
    pin(processor)?;
    // Whatever a thread does once.
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

/// The median of the parts that were done while the other was at work, if they are not few.
fn beside(one: &[Part], other: &[Part]) -> Option<Duration> {
    let (first, last) = (other.first()?.0, other.last()?.1);
    let beside = one.iter().filter(|(began, ended)| *began >= first && *ended <= last);
    let mut times: Vec<Duration> = beside.map(|(began, ended)| *ended - *began).collect();
    times.sort();
    (times.len() as u64 >= PARTS / 2).then(|| times[times.len() / 2])
}
