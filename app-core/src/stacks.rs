//! Where every thread of this process is right now, for people who look at an application that hangs.
//!
//! [`dump_threads`] asks one thread after the other with a signal. The signal handler stores nothing but
//! the addresses of its thread's stack (`capture`) in a slot set aside for that answer (`slot`); names and
//! lines are looked up afterwards, on the asking thread (`print`). No thread is stopped for longer than its
//! own walk takes, and none is waited for longer than [`ANSWER_DEADLINE`].
//!
//! The signal is `SIGURG`. Unlike a real-time signal it is ignored by default, so one that arrives late, or
//! after an `exec`, ends nobody; it coalesces, so a thread that blocks it collects one and not a queue; it
//! can't fail for want of queue space; and debuggers pass it on without stopping. (Go preempts its
//! goroutines with it for the same reasons.) A process that handles `SIGURG` itself gets an error and no dump.
//!
//! System calls that were interrupted go on (`SA_RESTART`), except for those that Linux never restarts:
//! `poll`, `epoll_wait`, `nanosleep` and socket reads with a time limit return `EINTR` (signal(7)). Rust's
//! standard library and tokio repeat them; a C library may not.

use std::io::{self, Write};
use std::time::{Duration, Instant};

use capture::{Answer, Session};
use threads::Thread;

mod capture;
mod print;
mod slot;
#[cfg(test)]
mod tests;
mod threads;

/// How long one thread may take to answer.
const ANSWER_DEADLINE: Duration = Duration::from_millis(100);

/// How long asking all threads may take, and how long a dump waits for another one to finish asking.
const DUMP_DEADLINE: Duration = Duration::from_secs(10);

/// Threads asked at most.
const MAX_THREADS: usize = 4_096;

/// Threads whose frames get their names together: what a look-up takes grows with the number of frames.
const NAMED_AT_A_TIME: usize = 64;

/// Writes the backtrace of every thread of this process, the calling one included, to `out`.
///
/// A thread that does not answer is listed with what the kernel says about it, for example
/// `no answer within 100ms: S (sleeping), the signal is blocked`; a thread that ended meanwhile is left out.
/// At most 4,096 threads are asked and 128 frames of each are kept; what was cut off is said.
///
/// This blocks: some tens of microseconds a thread, 100 ms for one that does not answer, 10 s in all, and
/// the time to look names up (about 0.1 s). Call it from a thread of its own.
///
/// # Errors
///
/// - `/proc` is not mounted,
/// - something else in the process handles `SIGURG` (`AddrInUse`),
/// - another thread has been asking for stacks for longer than 10 s (`TimedOut`),
/// - `out` fails.
pub(crate) fn dump_threads(out: &mut dyn Write) -> io::Result<()> {
    let (asked, listed) = ask_all()?;
    writeln!(out, "{} of process {}", crate::counted(asked.len() as u64, "thread"), std::process::id())?;
    for some in asked.chunks(NAMED_AT_A_TIME) {
        let names = print::names(some.iter().map(|(_, answer)| answer));
        for (thread, answer) in some {
            out.write_all(print::thread(thread, answer, &names).as_bytes())?;
        }
    }
    if listed > MAX_THREADS {
        writeln!(out, "\n{} more threads were not asked", listed - MAX_THREADS)?;
    }
    out.flush()
}

/// Asks the threads before a single name is looked up, so that the answers are as close in time as can be.
fn ask_all() -> io::Result<(Vec<(Thread, Answer)>, usize)> {
    let session = Session::begin(DUMP_DEADLINE)?;
    let end = Instant::now() + DUMP_DEADLINE;
    let mut tids = threads::tids()?;
    let listed = tids.len();
    tids.truncate(MAX_THREADS);
    let mut asked = Vec::with_capacity(tids.len());
    for tid in tids {
        let left = end.saturating_duration_since(Instant::now());
        let answer =
            if left.is_zero() { Answer::NotAsked } else { session.ask(tid, ANSWER_DEADLINE.min(left)) };
        if !matches!(answer, Answer::Ended) {
            // After the question, so that a thread without an answer is described as it is now.
            asked.push((Thread::look_up(tid), answer));
        }
    }
    Ok((asked, listed))
}
