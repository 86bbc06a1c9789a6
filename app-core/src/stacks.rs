//! Dumps of the stacks of all threads of this process, for an application that hangs.
//!
//! [`dump_threads`] sends a signal to one thread after the other. The signal handler only stores the addresses of its
//! thread's stack (`capture`) in a slot for this answer (`slot`). The asking thread looks up names and lines afterwards
//! (`print`). A thread is interrupted only for the walk of its own stack. The dump waits for each thread for at most
//! [`ANSWER_DEADLINE`].
//!
//! The signal is `SIGURG`, for the reasons for which Go preempts goroutines with it:
//!
//! - It is ignored by default, so a signal that arrives late, or after an `exec`, ends no process.
//! - It is not queued: a thread that blocks the signal gets it once, and sending it does not fail for lack of space.
//! - Debuggers pass it on without stopping.
//!
//! In a process that handles `SIGURG` itself, the dump fails with an error.
//!
//! Interrupted system calls continue (`SA_RESTART`), except those that Linux never restarts: `poll`, `epoll_wait`,
//! `nanosleep` and socket reads with a timeout return `EINTR` (signal(7)). Rust's standard library and tokio repeat
//! these; a C library may not.

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

/// How long it may take to ask all threads, and how long a dump waits for another dump.
const DUMP_DEADLINE: Duration = Duration::from_secs(10);

/// The most threads that are asked.
const MAX_THREADS: usize = 4_096;

/// The threads whose names are looked up together. The memory of a look-up grows with the number of frames.
const NAMED_AT_A_TIME: usize = 64;

/// Writes the stacks of all threads of this process, also of the calling thread, to `out`.
///
/// A thread that does not answer is listed with its state from `/proc`, for example
/// `no answer within 100ms: S (sleeping), the signal is blocked`. A thread that ends during the dump is left out. At most
/// 4,096 threads are asked, and at most 128 frames of each are kept. The dump says so if there are more.
///
/// This function blocks, so call it on a thread of its own. It takes tens of microseconds for a thread, 100 ms for one
/// that does not answer, and at most 10 s for all. The look-up of names takes about 0.1 s more.
///
/// # Errors
///
/// - `/proc` is not mounted.
/// - Other code in the process handles `SIGURG` (`AddrInUse`).
/// - Another dump takes longer than 10 s (`TimedOut`).
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

/// Asks all threads. Names are looked up later, so that the answers are close in time.
///
/// Returns the answers, and the number of threads of the process.
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
            // Looked up after the question, so that the state of a silent thread is from about the same time.
            asked.push((Thread::look_up(tid), answer));
        }
    }
    Ok((asked, listed))
}
