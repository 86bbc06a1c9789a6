//! The runtime of the services: a multi-threaded tokio runtime that is complete, or an error.

use std::{
    io,
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use tokio::runtime::{Builder, Handle, Runtime};

use crate::{panics, threads};

/// How long threads that services left blocked may hold up the exit.
const SHUTDOWN: Duration = Duration::from_millis(500);
/// How long the worker threads may take to start before the operating system is asked whether it refuses threads.
const QUICK: Duration = Duration::from_millis(50);
/// How long a busy machine may take to start the worker threads.
const PATIENCE: Duration = Duration::from_secs(10);

/// The runtime of the services. Dropping it leaves threads behind that do not end by themselves.
pub(super) struct Workers {
    /// `None` once it is shut down.
    runtime: Option<Runtime>,
    handle: Handle,
}

/// Counts the threads of the runtime that run.
#[derive(Default)]
struct Started {
    count: Mutex<usize>,
    more: Condvar,
}

impl Workers {
    /// Starts the runtime with `count` worker threads, one a core without a number, and waits until all of them run.
    ///
    /// tokio reports a refused thread in no usable way: it panics for the first one, and does without the others, for which
    /// blocking work then waits for ever.
    ///
    /// # Errors
    /// A thread is refused: names the thread, the limit and the cure. Or the runtime cannot be made for another reason.
    pub(super) fn start(count: Option<u16>) -> io::Result<Self> {
        // Always given: tokio would read TOKIO_WORKER_THREADS otherwise, and panic when it is not a number above 0.
        let count = match count {
            Some(count) => usize::from(count),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let started = Arc::new(Started::default());
        let counter = Arc::clone(&started);
        let mut builder = Builder::new_multi_thread();
        builder
            .worker_threads(count)
            .thread_name("worker")
            .enable_all()
            .on_thread_start(move || counter.add_one());
        let runtime = match panics::quietly(|| builder.build()) {
            Ok(runtime) => runtime?,
            Err(panic) => return Err(refusal(0, count).unwrap_or_else(|| io::Error::other(panic))),
        };
        let workers = Self { handle: runtime.handle().clone(), runtime: Some(runtime) };
        started.wait_for(count)?;
        Ok(workers)
    }

    pub(super) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Ends the runtime: tasks are dropped at their next await. A thread that is blocked is left behind.
    pub(super) fn shut_down(mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_timeout(SHUTDOWN);
        }
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Started {
    fn add_one(&self) {
        *self.count.lock() += 1;
        self.more.notify_all();
    }

    fn wait_for(&self, wanted: usize) -> io::Result<()> {
        let began = Instant::now();
        let mut deadline = began + QUICK;
        let mut count = self.count.lock();
        while *count < wanted {
            if !self.more.wait_until(&mut count, deadline).timed_out() {
                continue;
            }
            if let Some(refused) = refusal(*count, wanted) {
                return Err(refused);
            }
            if began.elapsed() > PATIENCE {
                let message =
                    format!("only {} of {wanted} worker threads started within {PATIENCE:?}", *count);
                return Err(io::Error::new(io::ErrorKind::TimedOut, message));
            }
            deadline = Instant::now() + QUICK;
        }
        Ok(())
    }
}

/// Asks the operating system for one more thread: its refusal, if it refuses.
fn refusal(started: usize, wanted: usize) -> Option<io::Error> {
    let name = format!("worker (number {} of {wanted})", started + 1);
    match thread::Builder::new().spawn(|| ()) {
        Ok(probe) => {
            // It has nothing to do, so it ends at once.
            let _ = probe.join();
            None
        }
        Err(refused) => Some(threads::thread_refused(&name, &refused)),
    }
}
